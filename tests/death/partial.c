/* SPDX-License-Identifier: Apache-2.0
 * partial.c - WEFT_DEADLOCK=partial: goroutines that nobody can wake are told of while others go on. */
#include "partial.h"

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

/* Until so many goroutines are told of, as many times as a chance may spoil it: an address may be left over anywhere, where it
 * counts as known. */
static void spawn_until_told(const char *child, int goroutines)
{
    for (int i = 0; i < 5; i++) {
        test_spawn(child, &result);
        CHECK_EXITED(&result, 0);
        if (occurrences(result.err, "]:\n") == goroutines)
            return;
    }
    FAIL("%s: not told of %d: \"%.300s\"", child, goroutines, result.err);
}

static void check_told(const char *child, int goroutines)
{
    char head[64];
    snprintf(head, sizeof head, "weft: %d goroutine", goroutines);
    spawn_until_told(child, goroutines);
    CHECK_STR_HAS(result.err, head);
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
    spawn_until_told("many", 10); /* each once */
    CHECK_STR_HAS(result.err, " [chan receive (nil chan)]");
    CHECK_STR_HAS(result.err, " [sync.WaitGroup.Wait] 0x");
    CHECK_STR_HAS(result.err, " [semacquire] 0x");
    CHECK_STR_HAS(result.err, " [sync.Cond.Wait] 0x");
    CHECK_EQ(occurrences(result.err, " [chan receive] 0x"), 6);
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
    spawn_until_told("looks_again", 2);
    CHECK_EQ(occurrences(result.err, "weft: 1 goroutine waits"), 2);
}

static void yields_for_ever(void *arg)
{
    (void)arg;
    for (;;)
        weft_yield();
}

static void is_left_by_yielders(void *arg)
{
    (void)arg;
    for (int i = 0; i < 8; i++)
        CHECK_EQ(weft_go(yields_for_ever, NULL), 0);
    weft_sleep(20 * TEST_MS);
}

static void forty_receive_in_vain(void *arg)
{
    (void)arg;
    for (int i = 0; i < 40; i++)
        start(receives_in_vain);
    until_looked();
}

CHILD(after_yielders)
{
    CHECK_EQ(test_run_procs(4, is_left_by_yielders, NULL), 0);
    setenv("WEFT_DEADLOCK", "partial", 1);
    CHECK_EQ(test_run_procs(1, forty_receive_in_vain, NULL), 0);
}

TEST(what_an_earlier_run_ended_with_hides_nobody)
{
    /* Goal: all are told of. The story: who gave way as a run ended stood in its thread's record, which a later run with fewer threads
     * doesn't use, and whoever got its descriptor there counted as one that will run. */
    NEEDS_LOOKS();
    check_told("after_yielders", 40);
}

CHILD(all_wait)
{
    run_partial(receives_in_vain, NULL);
}

TEST(all_goroutines_are_the_global_detectors)
{
    if (test_emulator())
        SKIP("the emulator's thread counts as one that may call in");
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
