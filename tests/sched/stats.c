/* SPDX-License-Identifier: Apache-2.0
 * stats.c - weft_stats_read says what is the case. */
#include "../test.h"

#include "runtime/hooks.h"

static void check_all_zero(void)
{
    static const weft_stats zero;
    weft_stats s;
    memset(&s, 0xAA, sizeof(s));
    weft_stats_read(&s);
    CHECK_EQ(memcmp(&s, &zero, sizeof(s)), 0);
}

/* Every goroutine is runnable, parked, in a blocking section or (only the caller) running. */
static void check_adds_up(weft_stats s)
{
    CHECK_EQ(s.goroutines, s.runnable + s.parked + s.in_blocking + 1);
    CHECK_EQ(s.goroutines, weft_num_goroutine());
    CHECK_GE(s.started, s.goroutines);
    CHECK_GE(s.threads, 1);
}

static weft_waitgroup gate, all;

static void nothing(void *arg)
{
    (void)arg;
    weft_waitgroup_done(&all);
}

static void park(void *arg)
{
    (void)arg;
    weft_waitgroup_wait(&gate);
    weft_waitgroup_done(&all);
}

static void sleep_far(void *arg)
{
    (void)arg;
    weft_sleep(WEFT_HOUR);
}

static void wait_far(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_waitgroup_wait_until(&gate, weft_now() + WEFT_HOUR), 0);
    weft_waitgroup_done(&all);
}

static int fds[2];

static void *read_pipe(void *arg)
{
    char c;
    return read(fds[0], &c, 1) == 1 ? arg : NULL;
}

static void block(void *arg)
{
    weft_blocking(read_pipe, arg);
    weft_waitgroup_done(&all);
}

static void reset(void)
{
    gate = all = (weft_waitgroup){0};
    weft_waitgroup_add(&gate, 1);
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
}

TEST(without_a_run_all_is_zero)
{
    /* Goal: before and after a run every counter is zero. Method: read into a spoilt struct. */
    reset();
    check_all_zero();
    weft_waitgroup_add(&all, 1);
    CHECK_EQ(test_run(nothing, NULL), 0);
    check_all_zero();
}

static void begins(void *arg)
{
    int procs = *(int *)arg;
    weft_stats s = test_stats();
    CHECK_EQ(s.procs, procs);
    CHECK_EQ(s.goroutines, 1);
    CHECK_EQ(s.started, 1);
    CHECK_EQ(s.runnable, 0);
    CHECK_EQ(s.parked, 0);
    CHECK_EQ(s.in_blocking, 0);
    CHECK_EQ(s.timers, 0);
    check_adds_up(s);
}

TEST(a_run_begins_with_one_goroutine)
{
    /* Goal: at its beginning main is alone; counters don't carry over. Method: three runs. */
    static const int procs[] = {1, 2, 4};
    for (size_t i = 0; i < TEST_COUNT_OF(procs); i++) {
        int n = procs[i];
        CHECK_EQ(test_run_procs(n, begins, &n), 0);
    }
}

static void queue_twenty(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&all, 20);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_go(nothing, NULL), 0);
    weft_stats s = test_stats();
    CHECK_EQ(s.runnable, 20);
    CHECK_EQ(s.goroutines, 21);
    CHECK_EQ(s.started, 21);
    check_adds_up(s);
    weft_waitgroup_wait(&all);
    test_until_goroutines(1);
    s = test_stats();
    CHECK_EQ(s.runnable, 0);
    CHECK_EQ(s.started, 21);
    CHECK_GE(s.parks, 1);
    CHECK_EQ(s.steals, 0);
}

TEST(runnable_ones_are_counted)
{
    /* Goal: on one processor, what main started and did not give way to is runnable; one processor
     * steals from nobody. Method: 20 goroutines. */
    reset();
    CHECK_EQ(test_run_procs(1, queue_twenty, NULL), 0);
}

static void *look_from_outside(void *arg)
{
    weft_stats_read(arg);
    return NULL;
}

static void every_kind(void *arg)
{
    weft_stats s, outside;
    pthread_t thread;
    (void)arg;
    weft_waitgroup_add(&all, 10 + 5 + 2);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_go(park, NULL), 0);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_go(wait_far, NULL), 0);
    for (int i = 0; i < 7; i++)
        CHECK_EQ(weft_go(sleep_far, NULL), 0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(weft_go(block, NULL), 0);
    test_until_idle();
    s = test_stats();
    CHECK_EQ(s.goroutines, 25);
    CHECK_EQ(s.parked, 22);
    CHECK_EQ(s.in_blocking, 2);
    CHECK_EQ(s.runnable, 0);
    CHECK_EQ(s.timers, 12);
    CHECK_EQ(s.started, 25);
    CHECK_GE(s.parks, 22);
    CHECK_GE(s.threads, 3); /* main's and the two that are blocked */
    CHECK_LE(s.threads, test_entries("/proc/self/task"));
    check_adds_up(s);

    REQUIRE(pthread_create(&thread, NULL, look_from_outside, &outside) == 0);
    pthread_join(thread, NULL);
    CHECK_EQ(outside.goroutines, 25);
    CHECK_EQ(outside.parked, 22);
    CHECK_EQ(outside.in_blocking, 2);

    CHECK_EQ(write(fds[1], "xx", 2), 2);
    weft_waitgroup_done(&gate);
    weft_waitgroup_wait(&all);
    test_until_goroutines(8);
    test_until_idle();
    s = test_stats();
    CHECK_EQ(s.parked, 7);
    CHECK_EQ(s.in_blocking, 0);
    CHECK_EQ(s.timers, 7);
    CHECK_EQ(s.started, 25);
    check_adds_up(s);
}

TEST(every_state_is_counted)
{
    /* Goal: parked, sleeping, waiting with a deadline, blocked: each is counted once, and no more
     * when it is over. Method: a known number of each kind, from inside and from a foreign thread. */
    reset();
    CHECK_EQ(test_run(every_kind, NULL), 0);
    CHECK_EQ(test_run_procs(1, begins, &(int){1}), 0);
}

static atomic_int ran;

static void count(void *arg)
{
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void force_steals(void *arg)
{
    (void)arg;
    uint64_t steals = test_stats().steals, wakes = test_stats().wakes;
    atomic_store(&ran, 0);
    for (int i = 1; i <= 20; i++) {
        CHECK_EQ(weft_go(count, NULL), 0);
        TEST_COMPUTE_UNTIL(atomic_load(&ran) == i);
    }
    CHECK_GE(test_stats().steals, steals + 10); /* a slice may end at weft_go, then it runs here */
    CHECK_GE(test_stats().wakes, wakes);
    CHECK_GE(test_stats().wakes, 1);
}

TEST(steals_are_counted)
{
    /* Goal: each goroutine that another processor took counts. Method: main starts one and computes
     * until it ran, 20 times. */
    CHECK_EQ(test_run_procs(2, force_steals, NULL), 0);
}
