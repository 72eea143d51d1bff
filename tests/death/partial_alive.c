/* SPDX-License-Identifier: Apache-2.0
 * partial_alive.c - WEFT_DEADLOCK=partial: no goroutine that can be woken is ever told of, wherever the way to it is kept. */
#include "partial.h"

#include <sys/mman.h>
#include <ucontext.h>

/* ---- where the way is kept ----
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

static char *pages;

static TEST_NOINLINE void put_across(size_t page)
{
    weft_chan *ch = start_receiver();
    memcpy(pages + page - 4, &ch, sizeof ch);
}

static void keeps_across_mappings(void *arg)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    weft_chan *ch;
    (void)arg;
    pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(pages != MAP_FAILED);
    memset(pages, 0, 2 * page);
    put_across(page);
    CHECK_EQ(mprotect(pages + page, page, PROT_READ), 0);
    until_looked();
    memcpy(&ch, pages + page - 4, sizeof ch);
    serve(ch);
    munmap(pages, 2 * page);
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

/* As if it were in a register: while somebody may have it there nothing is looked for. */
static volatile uintptr_t hidden;

static TEST_NOINLINE void hide_receiver(void)
{
    hidden = ~(uintptr_t)start_receiver();
}

static void *serves_hidden(void *arg)
{
    usleep(50000);
    weft_chan_send((weft_chan *)~hidden, NULL);
    return arg;
}

static void *serves_hidden_as_helper(void *arg)
{
    pthread_setname_np(pthread_self(), "iou-wrk-1");
    return serves_hidden(arg);
}

static void keeps_in_section(void *arg)
{
    hide_receiver();
    weft_blocking(serves_hidden, arg);
    test_until_goroutines(1);
}

static pthread_t thread;

static void keep_in_thread(void *(*fn)(void *))
{
    hide_receiver();
    REQUIRE(pthread_create(&thread, NULL, fn, NULL) == 0);
    test_until_goroutines(1);
    pthread_join(thread, NULL);
}

static void keeps_in_thread(void *arg)
{
    (void)arg;
    keep_in_thread(serves_hidden);
}

static void keeps_in_named_thread(void *arg)
{
    (void)arg;
    keep_in_thread(serves_hidden_as_helper);
}

/* One that a goroutine switched to itself: nothing is looked for meanwhile. */
static ucontext_t here, there;

static void serves_on_other_stack(void)
{
    serves_hidden(NULL);
    weft_sleep(100 * TEST_MS);
}

static void switches_stack(void *arg)
{
    REQUIRE(getcontext(&there) == 0);
    there.uc_stack.ss_sp = arg;
    there.uc_stack.ss_size = 1 << 16;
    there.uc_link = &here;
    makecontext(&there, serves_on_other_stack, 0);
    REQUIRE(swapcontext(&here, &there) == 0);
}

static void keeps_on_other_stack(void *arg)
{
    static _Alignas(16) char stack[1 << 16]; /* far from the goroutine's own */
    (void)arg;
    if (!can_look())
        return;
    hide_receiver();
    CHECK_EQ(weft_go(switches_stack, stack), 0);
    test_until_goroutines(1);
}

static void *relays(void *arg)
{
    weft_chan_recv(arg, NULL); /* inside weft, for ever */
    weft_chan_send((weft_chan *)~hidden, NULL);
    return NULL;
}

static void keeps_in_waiting_thread(void *arg)
{
    weft_chan *ch = sync_chan();
    hide_receiver();
    REQUIRE(pthread_create(&thread, NULL, relays, ch) == 0);
    weft_sleep(50 * TEST_MS);
    weft_chan_send(ch, NULL);
    test_until_goroutines(1);
    pthread_join(thread, NULL);
    weft_chan_unref(ch);
    (void)arg;
}

/* Many are woken at once, so that they are in queues for a while, and nobody else knows any more what they waited for. */
static void receives_and_works(void *arg)
{
    weft_chan_recv(arg, NULL);
    weft_chan_unref(arg);
    for (int64_t end = test_now() + 20000; test_now() < end;)
        continue;
    weft_yield();
}

static TEST_NOINLINE void wake_all(weft_chan **ways, int n)
{
    for (int i = 0; i < n; i++) {
        weft_chan *ch = ways[i];
        ways[i] = NULL;
        weft_chan_send(ch, NULL);
    }
}

static void wakes_many(void *arg)
{
    int n = test_scale_goroutines(2000);
    weft_chan **ways = malloc((size_t)n * sizeof *ways);
    uint64_t looks = 0; /* that ended while many were in queues */
    REQUIRE(ways);
    (void)arg;
    for (int round = 0; round < 30 && looks < 3; round++) {
        for (int i = 0; i < n; i++) {
            ways[i] = sync_chan();
            CHECK_EQ(weft_go(receives_and_works, ways[i]), 0);
        }
        test_until_parked((uint64_t)n);
        uint64_t before = weft_priv_partial_looks();
        wake_all(ways, n);
        test_until_goroutines(1);
        looks += weft_priv_partial_looks() - before;
        round += can_look() ? 0 : 10;
    }
    free(ways);
}

static const struct {
    const char *name;
    weft_fn fn;
} alive[] = {
    {"frame", keeps_in_frame},
    {"global", keeps_in_global},
    {"heap", keeps_in_heap},
    {"two mappings", keeps_across_mappings},
    {"buffer", keeps_in_buffer},
    {"argument", keeps_in_argument},
    {"timer", keeps_in_timer},
    {"deadlines", has_deadlines},
    {"timers", has_timers},
    {"locks", has_locks},
    {"chain", has_chain},
    {"section", keeps_in_section},
    {"thread", keeps_in_thread},
    {"named thread", keeps_in_named_thread},
    {"other stack", keeps_on_other_stack},
    {"waiting thread", keeps_in_waiting_thread},
    {"many woken", wakes_many},
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
