/* SPDX-License-Identifier: Apache-2.0
 * waitgroup_deadline.c - weft_waitgroup_wait_until: timeouts, and timeouts that race with done. */
#include "../test.h"

static weft_waitgroup group, all;
static atomic_int ok, timed_out;
static atomic_bool group_done;

static void reset(void)
{
    group = all = (weft_waitgroup){0};
    atomic_store(&ok, 0);
    atomic_store(&timed_out, 0);
    atomic_store(&group_done, false);
}

/* Waits, and checks the answer: 0 only after the last done began, -ETIMEDOUT only past the deadline. */
static int wait_checked(int64_t deadline)
{
    int result = weft_waitgroup_wait_until(&group, deadline);
    if (result == 0) {
        atomic_fetch_add(&ok, 1);
        CHECK(atomic_load(&group_done));
    } else {
        CHECK_EQ(result, -ETIMEDOUT);
        CHECK_GE(weft_now(), deadline);
        atomic_fetch_add(&timed_out, 1);
    }
    return result;
}

static void finish_group(void)
{
    atomic_store(&group_done, true);
    weft_waitgroup_done(&group);
}

/* ---- one waiter ---- */

static void timeouts(void)
{
    weft_waitgroup_add(&group, 1);
    int64_t begin = test_now();
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(weft_waitgroup_wait_until(&group, INT64_MIN), -ETIMEDOUT);
        CHECK_EQ(weft_waitgroup_wait_until(&group, -1), -ETIMEDOUT);
        CHECK_EQ(weft_waitgroup_wait_until(&group, 0), -ETIMEDOUT);
        CHECK_EQ(weft_waitgroup_wait_until(&group, weft_now()), -ETIMEDOUT);
    }
    CHECK_LT(test_now() - begin, 5000 * TEST_MS);
    for (int64_t ns = 1; ns <= 4 * TEST_MS; ns *= 4) {
        int64_t before = test_now();
        CHECK_EQ(wait_checked(weft_now() + ns), -ETIMEDOUT);
        CHECK_GE(test_now() - before, ns);
    }
    finish_group();
    CHECK_EQ(wait_checked(0), 0);
    TEST_UNTIL(test_stats().timers == 0); /* one may just be on its way out */
}

static void timeouts_in_run(void *arg)
{
    (void)arg;
    timeouts();
}

static void *timeouts_on_thread(void *arg)
{
    timeouts_in_run(arg);
    return NULL;
}

static void timeouts_beside_run(void *arg)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, timeouts_on_thread, arg) == 0);
    pthread_join(thread, NULL);
}

TEST(a_wait_ends_at_its_deadline)
{
    /* Goal: -ETIMEDOUT, not before the deadline, at once when it is past; the group goes on to work.
     * Method: extremes, then 1 ns to 4 ms; goroutine, foreign thread, outside of a run. */
    reset();
    timeouts();
    reset();
    CHECK_EQ(test_run_procs(1, timeouts_in_run, NULL), 0);
    reset();
    CHECK_EQ(test_run(timeouts_in_run, NULL), 0);
    reset();
    CHECK_EQ(test_run(timeouts_beside_run, NULL), 0);
}

static void waits_far(void *arg)
{
    CHECK_EQ(wait_checked(*(int64_t *)arg), 0);
    weft_waitgroup_done(&all);
}

static void done_before_deadline(void *arg)
{
    int64_t deadlines[] = {weft_now() + WEFT_HOUR, WEFT_FOREVER, WEFT_FOREVER - 1, INT64_MAX / 2};
    (void)arg;
    weft_waitgroup_add(&group, 1);
    weft_waitgroup_add(&all, (int)TEST_COUNT_OF(deadlines));
    for (size_t i = 0; i < TEST_COUNT_OF(deadlines); i++)
        CHECK_EQ(weft_go(waits_far, &deadlines[i]), 0);
    test_until_parked(TEST_COUNT_OF(deadlines));
    finish_group();
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&ok), TEST_COUNT_OF(deadlines));
    /* The timer of an hour is cancelled, not left to fire. */
    TEST_UNTIL(test_stats().timers == 0);
}

TEST(done_ends_a_wait_with_a_far_deadline)
{
    /* Goal: a wait that is released before its deadline gives 0 and leaves no timer behind.
     * Method: an hour, WEFT_FOREVER and near it. */
    reset();
    CHECK_EQ(test_run(done_before_deadline, NULL), 0);
}

/* ---- timeouts race with done ---- */

static int64_t meeting_ns; /* when done and most deadlines fall together */

static void waits_near(void *arg)
{
    uint64_t seed = (uint64_t)(intptr_t)arg + (uint64_t)meeting_ns;
    switch (test_random(&seed) % 8) {
    case 0:
        weft_waitgroup_wait(&group);
        atomic_fetch_add(&ok, 1);
        CHECK(atomic_load(&group_done));
        break;
    case 1:
        wait_checked(WEFT_FOREVER);
        break;
    default:
        wait_checked(meeting_ns + (int64_t)(test_random(&seed) % 100000) - 50000);
        break;
    }
    weft_waitgroup_done(&all);
}

static void finish_at_meeting(void *arg)
{
    (void)arg;
    while (weft_now() < meeting_ns)
        weft_yield();
    finish_group();
    weft_waitgroup_done(&all);
}

static void meet(void *arg)
{
    int waiters = 200;
    int rounds = *(int *)arg;
    for (int round = 0; round < rounds; round++) {
        reset();
        meeting_ns = weft_now() + 300000 * test_slowness();
        weft_waitgroup_add(&group, 1);
        weft_waitgroup_add(&all, waiters + 1);
        for (int i = 0; i < waiters; i++)
            CHECK_EQ(weft_go(waits_near, (void *)(intptr_t)i), 0);
        CHECK_EQ(weft_go(finish_at_meeting, NULL), 0);
        weft_waitgroup_wait(&all);
        CHECK_EQ(atomic_load(&ok) + atomic_load(&timed_out), waiters);
        CHECK_EQ(weft_waitgroup_wait_until(&group, 0), 0);
    }
    TEST_UNTIL(test_stats().timers == 0);
}

TEST(timeouts_and_done_meet)
{
    /* Goal: when deadlines pass while done arrives, each waiter gets one true answer and none is
     * lost, those without a deadline neither. Method: 200 waiters with deadlines within 50 us of the
     * done; a lost one would hang. */
    int rounds = test_scale(200);
    CHECK_EQ(test_run_procs(1, meet, &rounds), 0);
    CHECK_EQ(test_run(meet, &rounds), 0);
}

static void *finish_on_thread(void *arg)
{
    (void)arg;
    while (weft_now() < meeting_ns)
        ;
    finish_group();
    return NULL;
}

static void *wait_on_thread(void *arg)
{
    waits_near(arg);
    return NULL;
}

TEST(timeouts_and_done_meet_on_threads)
{
    /* Goal, method: as above among foreign threads without a run. */
    for (int round = 0; round < test_scale(100); round++) {
        pthread_t threads[5];
        reset();
        meeting_ns = weft_now() + 200000 * test_slowness();
        weft_waitgroup_add(&group, 1);
        weft_waitgroup_add(&all, 4);
        for (intptr_t i = 0; i < 4; i++)
            REQUIRE(pthread_create(&threads[i], NULL, wait_on_thread, (void *)(i + round)) == 0);
        REQUIRE(pthread_create(&threads[4], NULL, finish_on_thread, NULL) == 0);
        weft_waitgroup_wait(&all);
        for (int i = 0; i < 5; i++)
            pthread_join(threads[i], NULL);
        CHECK_EQ(atomic_load(&ok) + atomic_load(&timed_out), 4);
    }
}

/* ---- timeouts leave nothing behind ---- */

enum { LOOPERS = 5 };

static void time_out_often(void *arg)
{
    int n = *(int *)arg;
    for (int i = 0; i < n; i++)
        if (wait_checked(weft_now() + 300) == 0)
            FAIL("released by nobody");
    weft_waitgroup_done(&all);
}

static void loops(int n)
{
    weft_waitgroup_add(&all, LOOPERS);
    for (int i = 0; i < LOOPERS; i++)
        CHECK_EQ(weft_go(time_out_often, &n), 0);
    weft_waitgroup_wait(&all);
}

static void patient(void *arg)
{
    (void)arg;
    weft_waitgroup_wait(&group);
    atomic_fetch_add(&ok, 1);
}

static void constant_memory(void *arg)
{
    int n = test_scale(20000);
    (void)arg;
    weft_waitgroup_add(&group, 1);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_go(patient, NULL), 0);
    test_until_parked(10);
    loops(n / 10 + 1);
    long rss = test_rss_kib();
    loops(n);
    if (test_rss_tells())
        CHECK_LT(test_rss_kib() - rss, 1024 + n * LOOPERS / 32);
    CHECK_EQ(atomic_load(&timed_out), LOOPERS * (n / 10 + 1 + n));
    TEST_UNTIL(test_stats().timers == 0);
    finish_group();
    TEST_UNTIL(atomic_load(&ok) == 10);
}

TEST(timeouts_leave_nothing_behind)
{
    /* Goal: waiters that gave up are unlinked then, not when the group gets to zero, and those that
     * wait on are kept. Method: 100 000 timeouts on one group beside ten patient waiters: 32 bytes
     * more for each, half a waiter, are too much; 1 MiB is what processors that hadn't run before may take. */
    reset();
    CHECK_EQ(test_run(constant_memory, NULL), 0);
}

static void waits_briefly(void *arg)
{
    (void)arg;
    wait_checked(weft_now() + 200000);
    weft_waitgroup_done(&all);
}

static void some_give_up(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&group, 1);
    weft_waitgroup_add(&all, 300);
    for (int i = 0; i < 300; i++)
        CHECK_EQ(weft_go(i % 3 == 1 ? patient : waits_briefly, NULL), 0);
    weft_waitgroup_add(&all, -100);
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&timed_out), 200);
    CHECK_EQ(atomic_load(&ok), 0);
    finish_group();
    TEST_UNTIL(atomic_load(&ok) == 100);
    test_until_goroutines(1);
}

TEST(neighbours_of_those_that_give_up_stay)
{
    /* Goal: unlinking a waiter keeps those before and behind it. Method: every third of 300 waits
     * without a deadline; the others time out; then done. */
    reset();
    CHECK_EQ(test_run(some_give_up, NULL), 0);
}

static void done_with(void *wg)
{
    weft_waitgroup_done(wg);
}

static void polls(void *arg)
{
    weft_waitgroup *wg = arg;
    weft_waitgroup_add(wg, 1);
    CHECK_EQ(weft_go(done_with, wg), 0);
    while (weft_waitgroup_wait_until(wg, 0) != 0)
        ;
}

TEST(who_polls_gives_way)
{
    /* Goal: a loop over waits whose deadline is past doesn't hold its processor for ever. The story: deadlines
     * of a microsecond were always past on a slow machine, and on one processor the done never ran.
     * Method: one processor; the watchdog tells otherwise. */
    weft_waitgroup wg = {0};
    CHECK_EQ(test_run_procs(1, polls, &wg), 0);
}
