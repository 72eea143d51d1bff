/* SPDX-License-Identifier: Apache-2.0
 * waitgroup.c - WaitGroups: waits that must not end first, then waits that must. (WG-01, the negative
 * counter, is in death/.) */
#include "../test.h"

static weft_waitgroup group, all;
static atomic_int released, wrong;

static void reset(void)
{
    group = all = (weft_waitgroup){0};
    atomic_store(&released, 0);
    atomic_store(&wrong, 0);
}

static void wait_and_count(void *arg)
{
    weft_waitgroup_wait(&group);
    atomic_fetch_add(&released, 1);
    weft_waitgroup_done(&all);
    (void)arg;
}

static void wait_far_and_count(void *arg)
{
    CHECK_EQ(weft_waitgroup_wait_until(&group, weft_now() + WEFT_HOUR), 0);
    atomic_fetch_add(&released, 1);
    weft_waitgroup_done(&all);
    (void)arg;
}

static void *wait_on_thread(void *arg)
{
    wait_and_count(arg);
    return NULL;
}

static void *wait_far_on_thread(void *arg)
{
    wait_far_and_count(arg);
    return NULL;
}

/* ---- waits that return at once, and waits that don't ---- */

static void zero_group(void)
{
    weft_waitgroup wg = {0};
    weft_waitgroup_wait(&wg);
    weft_waitgroup_add(&wg, 0);
    weft_waitgroup_wait(&wg);
    weft_waitgroup_add(&wg, 3);
    weft_waitgroup_add(&wg, -3);
    weft_waitgroup_wait(&wg);
    weft_waitgroup_add(&wg, INT32_MAX);
    CHECK_EQ(weft_waitgroup_wait_until(&wg, 0), -ETIMEDOUT);
    weft_waitgroup_add(&wg, -INT32_MAX);
    weft_waitgroup_wait(&wg);
    CHECK_EQ(weft_waitgroup_wait_until(&wg, 0), 0);
    CHECK_EQ(weft_waitgroup_wait_until(&wg, -1), 0);
    CHECK_EQ(weft_waitgroup_wait_until(&wg, INT64_MIN), 0);
    CHECK_EQ(weft_waitgroup_wait_until(&wg, WEFT_FOREVER), 0);
}

static void zero_group_in_run(void *arg)
{
    (void)arg;
    zero_group();
}

TEST(waiting_for_zero_returns_at_once)
{
    /* Goal: a count of zero never blocks (WG-02), whatever the deadline, in a run or outside of one.
     * Method: fresh, added zero, added and taken back, the largest count. */
    zero_group();
    CHECK_EQ(test_run(zero_group_in_run, NULL), 0);
}

static void not_before_zero(void *arg)
{
    int waiters = *(int *)arg;
    weft_waitgroup_add(&group, 5);
    weft_waitgroup_add(&all, waiters);
    for (int i = 0; i < waiters; i++)
        CHECK_EQ(weft_go(i % 2 ? wait_and_count : wait_far_and_count, NULL), 0);
    test_until_parked((uint64_t)waiters);
    for (int i = 0; i < 4; i++) {
        weft_waitgroup_done(&group);
        test_until_idle();
        CHECK_EQ(atomic_load(&released), 0);
    }
    weft_waitgroup_add(&group, 1);
    weft_waitgroup_add(&group, -1);
    test_until_idle();
    CHECK_EQ(atomic_load(&released), 0);
    weft_waitgroup_done(&group);
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&released), waiters);
}

TEST(nobody_is_released_before_zero)
{
    /* Goal: waiters stay until the count is zero and then all go (WG-02), with and without deadline.
     * Method: counts from 5 down; after each step all is idle and none released. 1 to 100 waiters. */
    static const int waiters[] = {1, 2, 3, 100};
    for (size_t i = 0; i < TEST_COUNT_OF(waiters); i++) {
        int n = waiters[i];
        reset();
        CHECK_EQ(test_run(not_before_zero, &n), 0);
    }
}

/* ---- ordinary use ---- */

static int plain[100]; /* written before done, read after wait: TSan looks for the edge (HB-07) */

static void write_plain(void *arg)
{
    intptr_t i = (intptr_t)arg;
    plain[i] = (int)i + 1;
    weft_waitgroup_done(&group);
}

static void fan_out(void *arg)
{
    int rounds = test_scale(2000);
    (void)arg;
    for (int round = 0; round < rounds; round++) {
        memset(plain, 0, sizeof(plain));
        weft_waitgroup_add(&group, 100);
        for (intptr_t i = 0; i < 100; i++)
            CHECK_EQ(weft_go(write_plain, (void *)i), 0);
        weft_waitgroup_wait(&group);
        for (int i = 0; i < 100; i++)
            if (plain[i] != i + 1) {
                FAIL("round %d: plain[%d] is %d", round, i, plain[i]);
                return;
            }
    }
}

TEST(a_group_may_be_used_again)
{
    /* Goal: add, done and wait over and over on one group (WG-02); writes before done are visible
     * after wait. Method: 100 goroutines write plain ints; thousands of rounds. */
    reset();
    CHECK_EQ(test_run(fan_out, NULL), 0);
}

static void grow(void *arg)
{
    intptr_t depth = (intptr_t)arg;
    atomic_fetch_add(&released, 1);
    if (depth > 0) {
        weft_waitgroup_add(&group, 2);
        CHECK_EQ(weft_go(grow, (void *)(depth - 1)), 0);
        CHECK_EQ(weft_go(grow, (void *)(depth - 1)), 0);
    }
    weft_waitgroup_done(&group);
}

static void grow_tree(void *arg)
{
    intptr_t depth = *(intptr_t *)arg;
    weft_waitgroup_add(&group, 1);
    CHECK_EQ(weft_go(grow, (void *)depth), 0);
    weft_waitgroup_wait(&group);
    CHECK_EQ(atomic_load(&released), (1 << (depth + 1)) - 1);
}

TEST(counted_goroutines_may_add)
{
    /* Goal: add from inside a counted goroutine, while the count is above zero (WG-04), keeps the
     * waiter waiting. Method: a binary tree that grows itself; all nodes counted after the wait. */
    intptr_t depth = test_instrumented() ? 9 : 14;
    reset();
    CHECK_EQ(test_run(grow_tree, &depth), 0);
}

static void deltas(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&group, 10);
    weft_waitgroup_add(&all, 1);
    CHECK_EQ(weft_go(wait_and_count, NULL), 0);
    test_until_parked(1);
    weft_waitgroup_add(&group, -4);
    weft_waitgroup_add(&group, 3);
    weft_waitgroup_add(&group, -8);
    test_until_idle();
    CHECK_EQ(atomic_load(&released), 0);
    weft_waitgroup_add(&group, -1);
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&released), 1);
}

TEST(deltas_of_any_size)
{
    /* Goal: only the sum counts. Method: 10 - 4 + 3 - 8 - 1. */
    reset();
    CHECK_EQ(test_run(deltas, NULL), 0);
}

/* ---- weft_waitgroup_go ---- */

static void count_or_exit(void *arg)
{
    atomic_fetch_add(&released, 1);
    if ((intptr_t)arg % 3 == 0)
        weft_goexit();
    if ((intptr_t)arg % 3 == 1)
        weft_yield();
    if ((intptr_t)arg > 500)
        CHECK_EQ(weft_waitgroup_go(&group, count_or_exit, (void *)((intptr_t)arg % 3)), 0);
}

static void group_go(void *arg)
{
    (void)arg;
    for (intptr_t i = 0; i < 1000; i++)
        CHECK_EQ(weft_waitgroup_go(&group, count_or_exit, (void *)i), 0);
    CHECK_EQ(weft_waitgroup_go(&group, NULL, NULL), -EINVAL);
    weft_waitgroup_wait(&group);
    int more = 0;
    for (int i = 501; i < 1000; i++)
        more += i % 3 != 0;
    CHECK_EQ(atomic_load(&released), 1000 + more);
}

TEST(group_go_counts_by_itself)
{
    /* Goal: weft_waitgroup_go adds, runs and is done on return and on goexit, also when nested; an
     * error adds nothing. Method: 1000 goroutines that return, exit or start others. */
    reset();
    CHECK_EQ(test_run(group_go, NULL), 0);
    CHECK_EQ(weft_waitgroup_go(&group, count_or_exit, NULL), -ESRCH);
    weft_waitgroup_wait(&group);
}

/* ---- foreign threads ---- */

enum { THREADS = 6 };

static void *join_all(void *arg)
{
    pthread_t *threads = arg;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    return NULL;
}

static void mixed_waiters(void *arg)
{
    pthread_t threads[THREADS];
    (void)arg;
    weft_waitgroup_add(&group, 1);
    weft_waitgroup_add(&all, THREADS + 20);
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, i % 2 ? wait_on_thread : wait_far_on_thread,
                               NULL) == 0);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_go(i % 2 ? wait_and_count : wait_far_and_count, NULL), 0);
    test_until_parked(20);
    CHECK_EQ(atomic_load(&released), 0);
    weft_waitgroup_done(&group);
    weft_blocking(join_all, threads);
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&released), THREADS + 20);
}

TEST(goroutines_and_threads_wait_together)
{
    /* Goal: one done releases goroutines and foreign threads alike. Method: 6 threads, 20 goroutines,
     * half of each with a deadline. Repeated, to meet the threads before and in their futex. */
    for (int i = 0; i < test_scale(50); i++) {
        reset();
        CHECK_EQ(test_run(mixed_waiters, NULL), 0);
    }
}

static void *done_on_thread(void *arg)
{
    weft_waitgroup_done(arg);
    return NULL;
}

TEST(threads_use_groups_without_a_run)
{
    /* Goal: add, done, wait and wait_until work among pthreads when no run is in progress.
     * Method: one thread waits, another is done; then a timeout. */
    for (int i = 0; i < test_scale(200); i++) {
        pthread_t waiter, other;
        reset();
        weft_waitgroup_add(&group, 1);
        weft_waitgroup_add(&all, 1);
        REQUIRE(pthread_create(&waiter, NULL, i % 2 ? wait_on_thread : wait_far_on_thread, NULL) ==
                0);
        REQUIRE(pthread_create(&other, NULL, done_on_thread, &group) == 0);
        weft_waitgroup_wait(&all);
        CHECK_EQ(atomic_load(&released), 1);
        pthread_join(waiter, NULL);
        pthread_join(other, NULL);
    }
    weft_waitgroup_add(&group, 1);
    int64_t deadline = weft_now() + TEST_MS;
    CHECK_EQ(weft_waitgroup_wait_until(&group, deadline), -ETIMEDOUT);
    CHECK_GE(weft_now(), deadline);
    weft_waitgroup_done(&group);
}
