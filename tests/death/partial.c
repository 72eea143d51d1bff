/* SPDX-License-Identifier: Apache-2.0
 * partial.c - WEFT_DEADLOCK=partial: goroutines that nobody can wake are told of while others go on, and no others ever are. */
#include "../test.h"

#include "runtime/hooks.h"

#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

static struct test_result result;

/* The memory of a sanitized program is too large to be looked through, and a child under Valgrind isn't under it. */
static bool can_look(void)
{
    return !TEST_ASAN && !TEST_TSAN && !test_emulator();
}

static int run_partial(weft_fn fn, void *arg)
{
    setenv("WEFT_DEADLOCK", "partial", 1);
    return test_run(fn, arg);
}

/* Until it has been looked twice, so once since this began; where it can't be looked, for a while. */
static void until_looked(void)
{
    uint64_t looks = weft_priv_partial_looks();
    int64_t limit = test_patience();
    for (int i = 0; can_look() ? weft_priv_partial_looks() < looks + 2 : i < 20; i++) {
        if (test_now() > limit)
            test_stuck(__FILE__, __LINE__, "two looks");
        weft_sleep(TEST_MS);
    }
}

static weft_chan *sync_chan(void)
{
    weft_chan *ch = weft_chan_new(0, 0);
    REQUIRE(ch);
    return ch;
}

static TEST_NOINLINE void start(weft_fn fn)
{
    CHECK_EQ(weft_go(fn, NULL), 0);
    KEEP_FRAME();
}

/* What is found in the child that main started one goroutine in (or fn did, more). */
static void stick(void *arg)
{
    start((weft_fn)(*(void (**)(void *))arg));
    until_looked();
}

#define STUCK_CHILD(name, fn)                                                                      \
    CHILD(name)                                                                                    \
    {                                                                                              \
        static void (*const function)(void *) = fn;                                                \
        CHECK_EQ(run_partial(stick, (void *)(uintptr_t)&function), 0);                             \
    }

static int occurrences(const char *text, const char *of)
{
    int n = 0;
    while ((text = strstr(text, of))) {
        text += strlen(of);
        n++;
    }
    return n;
}

static void check_told(const char *child, int goroutines)
{
    char head[64];
    snprintf(head, sizeof head, "weft: %d goroutine", goroutines);
    test_spawn(child, &result);
    CHECK_EXITED(&result, 0);
    if (strncmp(result.err, head, strlen(head)) != 0)
        FAIL("%s: not told of %d: \"%.300s\"", child, goroutines, result.err);
    CHECK_EQ(occurrences(result.err, "weft: "), 1);
}

#define NEEDS_LOOKS()                                                                              \
    if (!can_look())                                                                               \
    SKIP("no partial deadlocks are looked for here")

/* ---- what is told ---- */

static TEST_NOINLINE void receives_in_vain(void *arg)
{
    (void)arg;
    weft_chan_recv(sync_chan(), NULL);
    KEEP_FRAME();
}
STUCK_CHILD(receives, receives_in_vain)

TEST(channel_that_only_its_receiver_knows)
{
    /* Goal: what it waits for, its frames, who started it; and the program goes on. */
    NEEDS_LOOKS();
    check_told("receives", 1);
    CHECK_STR_HAS(result.err, "weft: 1 goroutine waits for ever, as nobody else can reach what it "
                              "waits for:\n  goroutine ");
    CHECK_STR_HAS(result.err, " [chan receive] 0x");
    CHECK_STR_HAS(result.err, " [chan receive]:\n0x");
    CHECK_STR_HAS(result.err, " receives_in_vain+0x");
    CHECK_STR_HAS(result.err, "\ncreated by start+0x");
}

struct pair {
    weft_chan *mine, *other;
};

static void exchanges(void *arg)
{
    struct pair *p = arg;
    weft_chan_recv(p->mine, NULL);
    weft_chan_send(p->other, NULL);
}

static TEST_NOINLINE void waits_for_each_other(void *arg)
{
    struct pair here = {sync_chan(), sync_chan()};
    struct pair there = {here.other, here.mine};
    (void)arg;
    CHECK_EQ(weft_go_copy(exchanges, &there, sizeof there), 0);
    exchanges(&here);
    KEEP_FRAME();
}
STUCK_CHILD(cycle, waits_for_each_other)

TEST(two_that_wait_for_each_other)
{
    NEEDS_LOOKS();
    check_told("cycle", 2);
    CHECK_EQ(occurrences(result.err, ", known to goroutine "), 2);
}

static TEST_NOINLINE void locks_its_own_twice(void *arg)
{
    weft_mutex m = {0};
    (void)arg;
    weft_mutex_lock(&m);
    weft_mutex_lock(&m);
    KEEP_FRAME();
}
STUCK_CHILD(locks_twice, locks_its_own_twice)

TEST(a_mutex_on_its_own_stack)
{
    NEEDS_LOOKS();
    check_told("locks_twice", 1);
    CHECK_STR_HAS(result.err, " [sync.Mutex.Lock] 0x");
}

struct locks {
    weft_mutex a, b;
    weft_waitgroup both;
};

static void locks_b_then_a(void *arg)
{
    struct locks *l = *(struct locks **)arg;
    weft_mutex_lock(&l->b);
    weft_waitgroup_done(&l->both);
    weft_waitgroup_wait(&l->both);
    weft_mutex_lock(&l->a);
    KEEP_FRAME();
}

static TEST_NOINLINE void locks_a_then_b(void *arg)
{
    struct locks l = {0}, *at = &l;
    (void)arg;
    weft_waitgroup_add(&l.both, 2);
    CHECK_EQ(weft_go_copy(locks_b_then_a, &at, sizeof at), 0);
    weft_mutex_lock(&l.a);
    weft_waitgroup_done(&l.both);
    weft_waitgroup_wait(&l.both);
    weft_mutex_lock(&l.b);
    KEEP_FRAME();
}
STUCK_CHILD(two_locks, locks_a_then_b)

TEST(two_mutexes_in_opposite_order)
{
    NEEDS_LOOKS();
    check_told("two_locks", 2);
    CHECK_EQ(occurrences(result.err, " [sync.Mutex.Lock]:\n"), 2);
}

static weft_once once, other_once;

static void begins_again(void *arg)
{
    weft_once_do(&once, begins_again, arg);
    KEEP_FRAME();
}
STUCK_CHILD(once_in_itself, begins_again)

TEST(a_once_inside_itself)
{
    /* Goal: a Once in static memory, too: none but the one who is in it can end it. */
    NEEDS_LOOKS();
    check_told("once_in_itself", 1);
}

static atomic_int in_once;

static void does_nothing(void *arg)
{
    (void)arg;
}

static void in_first(void *arg)
{
    atomic_fetch_add(&in_once, 1);
    TEST_UNTIL(atomic_load(&in_once) == 2);
    weft_once_do(&other_once, does_nothing, arg);
    KEEP_FRAME();
}

static void in_second(void *arg)
{
    atomic_fetch_add(&in_once, 1);
    TEST_UNTIL(atomic_load(&in_once) == 2);
    weft_once_do(&once, does_nothing, arg);
    KEEP_FRAME();
}

static void does_second(void *arg)
{
    weft_once_do(&other_once, in_second, arg);
}

static void does_first(void *arg)
{
    start(does_second);
    weft_once_do(&once, in_first, arg);
}
STUCK_CHILD(two_onces, does_first)

TEST(two_onces_inside_each_other)
{
    NEEDS_LOOKS();
    check_told("two_onces", 2);
}

static TEST_NOINLINE void selects_in_vain(void *arg)
{
    weft_chan *a = sync_chan(), *b = weft_chan_new(8, 1);
    (void)arg;
    WEFT_SELECT(WEFT_RECV(a, NULL), WEFT_RECV(NULL, NULL), WEFT_RECV(a, NULL), WEFT_RECV(b, NULL));
    KEEP_FRAME();
}
STUCK_CHILD(selects, selects_in_vain)

static TEST_NOINLINE void selects_unbuffered_in_vain(void *arg)
{
    weft_chan *a = sync_chan(), *b = sync_chan();
    (void)arg;
    WEFT_SELECT(WEFT_RECV(a, NULL), WEFT_SEND(b, NULL));
    KEEP_FRAME();
}
STUCK_CHILD(selects_unbuffered, selects_unbuffered_in_vain)

TEST(selects)
{
    NEEDS_LOOKS();
    check_told("selects", 1);
    CHECK_STR_HAS(result.err, " [select] 0x");
    check_told("selects_unbuffered", 1);
}

static void waits_too(void *arg)
{
    weft_chan_recv(*(weft_chan **)arg, NULL);
    KEEP_FRAME();
}

static void receives_nil(void *arg)
{
    (void)arg;
    weft_chan_recv(NULL, NULL);
    KEEP_FRAME();
}

static TEST_NOINLINE void waits_for_group(void *arg)
{
    weft_waitgroup group = {0};
    (void)arg;
    weft_waitgroup_add(&group, 1);
    weft_waitgroup_wait(&group);
    KEEP_FRAME();
}

static TEST_NOINLINE void acquires_in_vain(void *arg)
{
    weft_sem sem = WEFT_SEM_INIT(1);
    (void)arg;
    weft_sem_acquire(&sem, 1);
    weft_sem_acquire(&sem, 1);
    KEEP_FRAME();
}

static TEST_NOINLINE void waits_for_signal(void *arg)
{
    weft_mutex m = {0};
    weft_cond c = WEFT_COND_INIT(&m);
    (void)arg;
    weft_mutex_lock(&m);
    weft_cond_wait(&c);
    KEEP_FRAME();
}

static TEST_NOINLINE void many_are_stuck(void *arg)
{
    weft_chan *ch = sync_chan();
    start(receives_nil);
    start(waits_for_group);
    start(acquires_in_vain);
    start(waits_for_signal);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_go_copy(waits_too, &ch, sizeof(ch)), 0);
    test_until_parked(9);
    receives_in_vain(arg);
}
STUCK_CHILD(many, many_are_stuck)

TEST(every_kind_of_wait)
{
    NEEDS_LOOKS();
    test_spawn("many", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_HAS(result.err, " [chan receive (nil chan)]");
    CHECK_STR_HAS(result.err, " [sync.WaitGroup.Wait] 0x");
    CHECK_STR_HAS(result.err, " [semacquire] 0x");
    CHECK_STR_HAS(result.err, " [sync.Cond.Wait] 0x");
    CHECK_EQ(occurrences(result.err, " [chan receive] 0x"), 6);
    CHECK_EQ(occurrences(result.err, "]:\n"), 10); /* each once */
}

static void hundred_are_stuck(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        start(receives_in_vain);
    until_looked();
    until_looked();
}

CHILD(hundred)
{
    CHECK_EQ(run_partial(hundred_are_stuck, NULL), 0);
}

TEST(more_than_one_report_has_room_for)
{
    NEEDS_LOOKS();
    test_spawn("hundred", &result);
    CHECK_EXITED(&result, 0);
    int told = occurrences(result.err, " [chan receive] 0x");
    CHECK_LE(told, 100);
    CHECK_GT(told, 60); /* an address may be left over somewhere */
}

static void leaks_and_ends(void *arg)
{
    (void)arg;
    start(receives_in_vain);
    until_looked();
    until_looked();
    until_looked();
}

CHILD(looks_again)
{
    CHECK_EQ(run_partial(leaks_and_ends, NULL), 0);
    CHECK_EQ(run_partial(leaks_and_ends, NULL), 0);
}

TEST(told_once_in_each_run)
{
    NEEDS_LOOKS();
    test_spawn("looks_again", &result);
    CHECK_EXITED(&result, 0);
    CHECK_EQ(occurrences(result.err, "weft: 1 goroutine waits"), 2);
}

CHILD(all_wait)
{
    run_partial(receives_in_vain, NULL);
}

TEST(all_goroutines_are_the_global_detectors)
{
    test_spawn("all_wait", &result);
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.err, "fatal error: all goroutines are asleep", 38), 0);
}

/* ---- what it may be set to ---- */

static void finishes(void *arg)
{
    (void)arg;
}

CHILD(bad_value)
{
    setenv("WEFT_DEADLOCK", "partially", 1);
    CHECK_EQ(test_run(finishes, NULL), -EINVAL);
}

TEST(other_values_are_errors)
{
    test_spawn("bad_value", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.err, "weft: WEFT_DEADLOCK: not one of global, partial\n");
    setenv("WEFT_DEADLOCK", "global", 1);
    CHECK_EQ(test_run(finishes, NULL), 0);
    setenv("WEFT_DEADLOCK", "", 1);
    CHECK_EQ(test_run(finishes, NULL), 0);
    unsetenv("WEFT_DEADLOCK");
}

/* ---- what is never told ----
 * Each keeps the only way to what another waits for somewhere, is looked at meanwhile, and then uses it. */

static void receives_from(void *arg)
{
    weft_chan_recv(arg, NULL);
}

static weft_chan *start_receiver(void)
{
    weft_chan *ch = sync_chan();
    CHECK_EQ(weft_go(receives_from, ch), 0);
    TEST_UNTIL(test_stats().parked >= 1);
    return ch;
}

static void serve(weft_chan *ch)
{
    weft_chan_send(ch, NULL);
    test_until_goroutines(1);
    weft_chan_unref(ch);
}

static void keeps_in_frame(void *arg)
{
    (void)arg;
    weft_chan *ch = start_receiver();
    until_looked();
    serve(ch);
}

static weft_chan *global;

static void keeps_in_global(void *arg)
{
    (void)arg;
    global = start_receiver();
    until_looked();
    serve(global);
}

static void **in_heap;

static TEST_NOINLINE void put_in_heap(void)
{
    in_heap = malloc(2 * sizeof *in_heap);
    REQUIRE(in_heap);
    in_heap[1] = malloc(100);
    REQUIRE(in_heap[1]);
    weft_chan *ch = start_receiver();
    memcpy((char *)in_heap[1] + 31, &ch, sizeof ch); /* unaligned */
}

static void keeps_in_heap(void *arg)
{
    weft_chan *ch;
    (void)arg;
    put_in_heap();
    until_looked();
    memcpy(&ch, (char *)in_heap[1] + 31, sizeof ch);
    serve(ch);
    free(in_heap[1]);
    free(in_heap);
}

static TEST_NOINLINE weft_chan *put_in_buffer(void)
{
    weft_chan *through = weft_chan_new(sizeof(weft_chan *), 3), *ch = start_receiver();
    weft_chan_send(through, &ch);
    return through;
}

static void keeps_in_buffer(void *arg)
{
    weft_chan *ch, *through = put_in_buffer();
    (void)arg;
    until_looked();
    weft_chan_recv(through, &ch);
    weft_chan_unref(through);
    serve(ch);
}

static void serves_after_sleep(void *arg)
{
    until_looked();
    weft_chan_send(*(weft_chan **)arg, NULL);
}

static TEST_NOINLINE void give_copy(void)
{
    weft_chan *ch = start_receiver();
    CHECK_EQ(weft_go_copy(serves_after_sleep, &ch, sizeof ch), 0);
}

static void keeps_in_argument(void *arg)
{
    (void)arg;
    give_copy();
    test_until_goroutines(1);
}

static void serves_by_timer(void *arg)
{
    CHECK_EQ(weft_chan_try_send(arg, NULL), 0);
}

static TEST_NOINLINE void give_to_timer(void)
{
    CHECK(weft_after_func(50 * TEST_MS, serves_by_timer, start_receiver()));
}

static void keeps_in_timer(void *arg)
{
    (void)arg;
    give_to_timer();
    test_until_goroutines(1);
}

static void waits_until(void *arg)
{
    (void)arg;
    weft_chan *ch = sync_chan(), *buffered = weft_chan_new(1, 1);
    int64_t deadline = weft_now() + 50 * TEST_MS;
    CHECK_EQ(weft_chan_recv_until(ch, NULL, deadline), -ETIMEDOUT);
    CHECK_EQ(weft_chan_recv_until(buffered, NULL, deadline + 20 * TEST_MS), -ETIMEDOUT);
    WEFT_SELECT(WEFT_RECV(ch, NULL), WEFT_AFTER(30 * TEST_MS));
    WEFT_SELECT(WEFT_RECV(buffered, NULL), WEFT_AFTER(30 * TEST_MS));
    weft_waitgroup group = {0};
    weft_waitgroup_add(&group, 1);
    CHECK_EQ(weft_waitgroup_wait_until(&group, weft_now() + 30 * TEST_MS), -ETIMEDOUT);
    weft_chan_unref(ch);
    weft_chan_unref(buffered);
}

static void has_deadlines(void *arg)
{
    (void)arg;
    start(waits_until);
    until_looked();
    test_until_goroutines(1);
}

static void waits_for_timer(void *arg)
{
    (void)arg;
    weft_timer *timer = weft_timer_new(50 * TEST_MS);
    weft_chan_recv(weft_timer_chan(timer), NULL);
    weft_timer_stop(timer);
}

static void waits_for_ctx(void *arg)
{
    weft_chan_recv(weft_ctx_done(arg), NULL);
}

static void has_timers(void *arg)
{
    (void)arg;
    weft_ctx *ctx = weft_ctx_with_cancel(NULL);
    start(waits_for_timer);
    CHECK_EQ(weft_go(waits_for_ctx, ctx), 0);
    until_looked();
    weft_ctx_cancel(ctx);
    test_until_goroutines(1);
    weft_ctx_unref(ctx);
}

static weft_mutex static_mutex;
static weft_once slow_once;

static void locks(void *arg)
{
    weft_mutex_lock(arg);
    weft_mutex_unlock(arg);
}

static void looks(void *arg)
{
    (void)arg;
    until_looked();
}

static void does_slow_once(void *arg)
{
    weft_once_do(&slow_once, looks, arg);
}

static void has_locks(void *arg)
{
    weft_mutex own = {0};
    weft_mutex_lock(&own);
    weft_mutex_lock(&static_mutex);
    CHECK_EQ(weft_go(locks, &own), 0);
    CHECK_EQ(weft_go(locks, &static_mutex), 0);
    start(does_slow_once);
    start(does_slow_once);
    until_looked();
    weft_mutex_unlock(&own);
    weft_mutex_unlock(&static_mutex);
    test_until_goroutines(1);
    (void)arg;
}

/* A chain, at whose end there is one who lives. */
static void passes_on(void *arg)
{
    struct pair *p = arg;
    weft_chan_recv(p->mine, NULL);
    weft_chan_send(p->other, NULL);
    weft_chan_unref(p->mine);
}

static TEST_NOINLINE weft_chan *start_chain(weft_chan **end)
{
    weft_chan *first = sync_chan(), *last = first;
    for (int i = 0; i < 20; i++) {
        struct pair p = {last, sync_chan()};
        CHECK_EQ(weft_go_copy(passes_on, &p, sizeof(p)), 0);
        last = p.other;
    }
    *end = last;
    return first;
}

static void has_chain(void *arg)
{
    weft_chan *end, *first = start_chain(&end);
    (void)arg;
    until_looked();
    weft_chan_send(first, NULL);
    weft_chan_recv(end, NULL);
    test_until_goroutines(1);
    weft_chan_unref(end);
}

static void *serves_from_section(void *arg)
{
    usleep(50000);
    weft_chan_send(arg, NULL);
    return NULL;
}

static TEST_NOINLINE void call_section(void)
{
    weft_blocking(serves_from_section, start_receiver());
}

static void keeps_in_section(void *arg)
{
    (void)arg;
    call_section();
    test_until_goroutines(1);
}

static pthread_t thread;

static void *serves_from_thread(void *arg)
{
    usleep(50000);
    weft_chan_send(arg, NULL);
    return NULL;
}

static TEST_NOINLINE void start_thread(void)
{
    REQUIRE(pthread_create(&thread, NULL, serves_from_thread, start_receiver()) == 0);
}

static void keeps_in_thread(void *arg)
{
    (void)arg;
    start_thread();
    test_until_goroutines(1);
    pthread_join(thread, NULL);
}

static void *relays(void *arg)
{
    struct pair *p = arg;
    weft_chan_recv(p->mine, NULL); /* inside weft, for ever */
    weft_chan_send(p->other, NULL);
    return NULL;
}

static void keeps_in_waiting_thread(void *arg)
{
    static struct pair p;
    (void)arg;
    p = (struct pair){.mine = sync_chan(), .other = start_receiver()};
    REQUIRE(pthread_create(&thread, NULL, relays, &p) == 0);
    for (int i = 0; i < 20; i++)
        weft_sleep(TEST_MS);
    weft_chan_send(p.mine, NULL);
    test_until_goroutines(1);
    pthread_join(thread, NULL);
    weft_chan_unref(p.mine);
    weft_chan_unref(p.other);
}

static const struct {
    const char *name;
    weft_fn fn;
} alive[] = {
    {"frame", keeps_in_frame},
    {"global", keeps_in_global},
    {"heap", keeps_in_heap},
    {"buffer", keeps_in_buffer},
    {"argument", keeps_in_argument},
    {"timer", keeps_in_timer},
    {"deadlines", has_deadlines},
    {"timers", has_timers},
    {"locks", has_locks},
    {"chain", has_chain},
    {"section", keeps_in_section},
    {"thread", keeps_in_thread},
    {"waiting thread", keeps_in_waiting_thread},
};

CHILD(alive)
{
    for (size_t i = 0; i < TEST_COUNT_OF(alive); i++) {
        test_note_ = alive[i].name;
        puts(alive[i].name);
        fflush(stdout);
        CHECK_EQ(run_partial(alive[i].fn, NULL), 0);
    }
}

static void check_nothing_told(const char *child)
{
    test_spawn(child, &result);
    CHECK_EXITED(&result, 0);
    if (*result.err && !TEST_TSAN)
        FAIL("%s: \"%.500s\" after %s", child, result.err, result.out);
    CHECK(!strstr(result.err, "for ever"));
}

TEST(none_that_can_be_woken)
{
    check_nothing_told("alive");
}

/* ---- barely alive ---- */

static atomic_int rounds_left;
static bool with_sections; /* during which nothing is looked for */

/* From one to the next, which alone knows it, the way goes to what the first waits for. */
struct baton {
    weft_chan *ch;
    int hops, pause_us;
};

static void *naps(void *arg)
{
    usleep(*(useconds_t *)arg);
    return NULL;
}

static void carries(void *arg)
{
    struct baton b = *(struct baton *)arg;
    useconds_t us = (useconds_t)b.pause_us;
    if (b.hops % 3 == 0 && with_sections)
        weft_blocking(naps, &us);
    else if (b.hops % 3 != 2)
        weft_sleep(b.pause_us * INT64_C(1000));
    else
        weft_yield();
    b.hops--;
    if (b.hops < 0)
        weft_chan_send(b.ch, NULL);
    else
        CHECK_EQ(weft_go_copy(carries, &b, sizeof(b)), 0);
}

static void lives_barely(void *arg)
{
    uint64_t random = (uintptr_t)arg;
    while (atomic_fetch_sub(&rounds_left, 1) > 0) {
        uint64_t r = test_random(&random);
        struct baton b = {sync_chan(), (int)(r % 5), (int)(r / 8 % 500)};
        CHECK_EQ(weft_go_copy(carries, &b, sizeof(b)), 0);
        weft_chan_recv(b.ch, NULL);
        weft_chan_unref(b.ch);
    }
}

static void many_live_barely(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_go(lives_barely, (void *)(uintptr_t)test_random(&random)), 0);
    test_until_goroutines(1);
}

CHILD(barely)
{
    uint64_t seed = test_seed();
    for (int i = 0; i < 2; i++) {
        with_sections = i;
        atomic_store(&rounds_left, test_seconds() > 1 ? 10000 : test_scale(4000));
        CHECK_EQ(run_partial(many_live_barely, &seed), 0);
    }
}

TEST(one_that_is_barely_alive)
{
    /* Goal: no false report where the only one who can wake another changes all the time, between looks at random moments. */
    test_spawn("barely", &result);
    CHECK_EXITED(&result, 0);
    CHECK(!strstr(result.err, "for ever"));
}
