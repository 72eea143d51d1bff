/* SPDX-License-Identifier: Apache-2.0
 * compute.c - with two processors a goroutine that computes (calls nothing of weft) stops nobody.
 *
 * Each test has one goroutine compute until another one has run. So a wake-up that was thought
 * unnecessary, a `next` slot that nobody steals from, a timer that only its own processor looks at or
 * an injection queue that only busy processors read makes the test hang, which the watchdog reports. */
#include "../test.h"

#include "runtime/hooks.h"

enum { ROUNDS = 50 };

static atomic_int ran;
static weft_waitgroup all;

static void count(void *arg)
{
    (void)arg;
    atomic_fetch_add(&ran, 1);
}

static void run_all(weft_fn fn)
{
    int procs = test_procs_min(2);
    int rounds = test_scale(ROUNDS);
    atomic_store(&ran, 0);
    all = (weft_waitgroup){0};
    CHECK_EQ(test_run_procs(procs, fn, &rounds), 0);
}

/* ---- started by the one that computes ---- */

static void start_then_compute(void *arg)
{
    int rounds = *(int *)arg;
    for (int i = 1; i <= rounds; i++) {
        CHECK_EQ(weft_go(count, NULL), 0);
        TEST_COMPUTE_UNTIL(atomic_load(&ran) == i);
    }
}

TEST(the_next_slot_is_stolen)
{
    /* Goal: the one goroutine in the `next` slot of a computing processor runs elsewhere.
     * Method: start one, compute until it ran; many rounds, so that the other processor is met
     * spinning, parking and asleep. */
    run_all(start_then_compute);
}

static void start_ten_then_compute(void *arg)
{
    int rounds = *(int *)arg;
    for (int i = 1; i <= rounds; i++) {
        for (int k = 0; k < 10; k++)
            CHECK_EQ(weft_go(count, NULL), 0);
        TEST_COMPUTE_UNTIL(atomic_load(&ran) == 10 * i);
    }
}

TEST(a_whole_queue_is_stolen)
{
    /* Goal: all in the queue of a computing processor run elsewhere. Method: ten of them. */
    run_all(start_ten_then_compute);
}

static void compute_from_a_goroutine(void *arg)
{
    start_then_compute(arg);
    weft_waitgroup_done(&all);
}

static void computing_child(void *arg)
{
    weft_waitgroup_add(&all, 1);
    CHECK_EQ(weft_go(compute_from_a_goroutine, arg), 0);
    weft_waitgroup_wait(&all);
}

TEST(main_is_nothing_special)
{
    /* Goal, method: as the_next_slot_is_stolen; main is parked, another goroutine computes. */
    run_all(computing_child);
}

/* ---- woken by the one that computes ---- */

static weft_priv_gate gates[10];
static atomic_bool stop;

static void pass_gates(void *arg)
{
    weft_priv_gate *gate = arg;
    for (;;) {
        weft_priv_gate_wait(gate);
        if (atomic_load(&stop))
            break;
        atomic_fetch_add(&ran, 1);
    }
    weft_waitgroup_done(&all);
}

static void wake_then_compute(int rounds, int waiters)
{
    memset(gates, 0, sizeof(gates));
    atomic_store(&stop, false);
    weft_waitgroup_add(&all, waiters);
    for (int k = 0; k < waiters; k++)
        CHECK_EQ(weft_go(pass_gates, &gates[k]), 0);
    for (int i = 1; i <= rounds; i++) {
        test_until_parked((uint64_t)waiters);
        for (int k = 0; k < waiters; k++)
            weft_priv_gate_open(&gates[k]);
        TEST_COMPUTE_UNTIL(atomic_load(&ran) == waiters * i);
    }
    atomic_store(&stop, true);
    for (int k = 0; k < waiters; k++)
        weft_priv_gate_open(&gates[k]);
    weft_waitgroup_wait(&all);
}

static void wake_one(void *arg)
{
    wake_then_compute(*(int *)arg, 1);
}

static void wake_ten(void *arg)
{
    wake_then_compute(*(int *)arg, 10);
}

TEST(a_woken_goroutine_does_not_wait_for_its_waker)
{
    /* Goal: who is woken by a goroutine that then computes runs elsewhere. Method: open a gate,
     * compute until the other passed. */
    run_all(wake_one);
}

TEST(ten_woken_goroutines_do_not_wait_for_their_waker)
{
    /* Goal, method: as above with ten gates opened in a row. */
    run_all(wake_ten);
}

static void wake_without_looking(void *arg)
{
    int rounds = *(int *)arg;
    memset(gates, 0, sizeof(gates));
    atomic_store(&stop, false);
    weft_waitgroup_add(&all, 1);
    CHECK_EQ(weft_go(pass_gates, &gates[0]), 0);
    for (int i = 1; i <= rounds; i++) {
        weft_priv_gate_open(&gates[0]);
        TEST_COMPUTE_UNTIL(atomic_load(&ran) == i);
    }
    atomic_store(&stop, true);
    weft_priv_gate_open(&gates[0]);
    weft_waitgroup_wait(&all);
}

TEST(waking_one_that_is_still_parking)
{
    /* Goal: a wake-up that meets its goroutine between publishing its wait and leaving its stack is
     * not lost. Method: open again the moment the other has counted. */
    run_all(wake_without_looking);
}

static weft_waitgroup released;

static void wait_released(void *arg)
{
    (void)arg;
    weft_waitgroup_wait(&released);
    atomic_fetch_add(&ran, 1);
}

static void release_then_compute(void *arg)
{
    int rounds = *(int *)arg;
    for (int i = 1; i <= rounds; i++) {
        released = (weft_waitgroup){0};
        weft_waitgroup_add(&released, 1);
        for (int k = 0; k < 5; k++)
            CHECK_EQ(weft_go(wait_released, NULL), 0);
        test_until_parked(5);
        weft_waitgroup_done(&released);
        TEST_COMPUTE_UNTIL(atomic_load(&ran) == 5 * i);
        test_until_goroutines(1);
    }
}

TEST(released_waiters_do_not_wait_for_the_last_done)
{
    /* Goal: all waiters that a computing goroutine released run. Method: five on one WaitGroup. */
    run_all(release_then_compute);
}

/* ---- picked by one and stolen by another at the same time ---- */

struct rally {
    weft_chan *there, *back;
    int rounds;
};

/* Calling nothing, for up to three times as long as `next` is left alone. */
static void compute_a_while(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + 1442695040888963407;
    int64_t end = test_now() + (int64_t)((*seed >> 33) % 60000);
    while (test_now() < end)
        ;
}

static void strike_back(void *arg)
{
    struct rally *rally = arg;
    uint64_t v, seed = 7;
    while (weft_chan_recv(rally->there, &v)) {
        v++;
        weft_chan_send(rally->back, &v);
        compute_a_while(&seed);
    }
    weft_waitgroup_done(&all);
}

static void strike(void *arg)
{
    struct rally *rally = arg;
    uint64_t seed = 3;
    weft_waitgroup_add(&all, 1);
    CHECK_EQ(weft_go(strike_back, rally), 0);
    for (int i = 0; i < rally->rounds; i++) {
        uint64_t v = (uint64_t)i;
        weft_chan_send(rally->there, &v);
        compute_a_while(&seed);
        CHECK(weft_chan_recv(rally->back, &v));
        CHECK_EQ(v, i + 1);
    }
    weft_chan_close(rally->there);
    weft_waitgroup_wait(&all);
}

TEST(who_was_woken_is_had_once)
{
    /* Goal: a processor that picks from its `next` slot, and a thief who finds it stale in that moment, don't both
     * get the goroutine, and one of them does. Method: who has woken the other computes about as long as it takes to
     * be stale, and waits. */
    struct rally rally = {weft_chan_new(8, 0), weft_chan_new(8, 0), test_scale(20000)};
    all = (weft_waitgroup){0};
    CHECK_EQ(test_run_procs(test_procs_min(2), strike, &rally), 0);
    weft_chan_unref(rally.there);
    weft_chan_unref(rally.back);
}

/* ---- runnable by other ways while one computes ---- */

static void sleep_and_count(void *arg)
{
    weft_sleep((intptr_t)arg);
    atomic_fetch_add(&ran, 1);
}

static void sleepers_then_compute(void *arg)
{
    int rounds = test_scale(*(int *)arg);
    for (int i = 1; i <= rounds; i++) {
        CHECK_EQ(weft_go(sleep_and_count, (void *)(intptr_t)(2 * TEST_MS)), 0);
        CHECK_EQ(weft_go(sleep_and_count, (void *)(intptr_t)(TEST_MS)), 0);
        /* Both asleep, or awake again already. */
        TEST_UNTIL((int)test_stats().parked + atomic_load(&ran) >= 2 * i);
        TEST_COMPUTE_UNTIL(atomic_load(&ran) == 2 * i);
        test_until_goroutines(1);
    }
}

TEST(timers_of_a_computing_processor_fire)
{
    /* Goal: timers armed on a processor that computes are fired by another. Method: two sleepers
     * start on main's processor and park; main computes until both have woken. */
    run_all(sleepers_then_compute);
}

static void compute_until_counted(void *arg)
{
    int before = *(int *)arg;
    TEST_COMPUTE_UNTIL(atomic_load(&ran) > before);
    weft_waitgroup_done(&all);
}

static void sleep_while_computing(void *arg)
{
    int rounds = test_scale(*(int *)arg), before;
    for (int i = 0; i < rounds; i++) {
        before = atomic_load(&ran);
        weft_waitgroup_add(&all, 1);
        CHECK_EQ(weft_go(compute_until_counted, &before), 0);
        weft_sleep(TEST_MS);
        atomic_fetch_add(&ran, 1);
        weft_waitgroup_wait(&all);
    }
}

TEST(main_sleeps_while_another_computes)
{
    /* Goal: a sleeping main wakes although the processor it slept on computes. Method: the other
     * computes until main has slept. */
    run_all(sleep_while_computing);
}

static void *start_from_outside(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(count, NULL), 0);
    return NULL;
}

static void injected_while_computing(void *arg)
{
    int rounds = *(int *)arg;
    for (int i = 1; i <= rounds; i++) {
        pthread_t thread;
        REQUIRE(pthread_create(&thread, NULL, start_from_outside, NULL) == 0);
        TEST_COMPUTE_UNTIL(atomic_load(&ran) == i);
        pthread_join(thread, NULL);
    }
}

TEST(injected_goroutines_run_while_one_computes)
{
    /* Goal: what a foreign thread starts is taken by the processor that does not compute.
     * Method: main computes, a pthread starts a goroutine. */
    run_all(injected_while_computing);
}

static void *open_from_outside(void *arg)
{
    weft_priv_gate_open(arg);
    return NULL;
}

static void opened_while_computing(void *arg)
{
    int rounds = *(int *)arg;
    memset(gates, 0, sizeof(gates));
    atomic_store(&stop, false);
    weft_waitgroup_add(&all, 1);
    CHECK_EQ(weft_go(pass_gates, &gates[0]), 0);
    for (int i = 1; i <= rounds; i++) {
        pthread_t thread;
        test_until_parked(1);
        REQUIRE(pthread_create(&thread, NULL, open_from_outside, &gates[0]) == 0);
        TEST_COMPUTE_UNTIL(atomic_load(&ran) == i);
        pthread_join(thread, NULL);
    }
    atomic_store(&stop, true);
    weft_priv_gate_open(&gates[0]);
    weft_waitgroup_wait(&all);
}

TEST(foreign_wake_ups_are_seen_while_one_computes)
{
    /* Goal, method: as above, the pthread wakes a parked goroutine. */
    run_all(opened_while_computing);
}

static void *return_at_once(void *arg)
{
    return arg;
}

static void block_and_count(void *arg)
{
    (void)arg;
    weft_blocking(return_at_once, NULL);
    atomic_fetch_add(&ran, 1);
}

static void blocked_while_computing(void *arg)
{
    int rounds = *(int *)arg;
    for (int i = 1; i <= rounds; i++) {
        CHECK_EQ(weft_go(block_and_count, NULL), 0);
        CHECK_EQ(weft_go(block_and_count, NULL), 0);
        TEST_COMPUTE_UNTIL(atomic_load(&ran) == 2 * i);
    }
}

TEST(blocking_sections_return_while_one_computes)
{
    /* Goal: who leaves a blocking section finds a processor although one computes. Method: two
     * goroutines block for nothing; main computes until both are through. */
    run_all(blocked_while_computing);
}

/* ---- all processors at once ---- */

static atomic_int turn;

static void lock_step(void *arg)
{
    int me = (int)(intptr_t)arg, n = test_procs_min(2);
    for (int i = 0; i < test_scale(20); i++)
        TEST_COMPUTE_UNTIL(atomic_load(&turn) % n == me && (atomic_fetch_add(&turn, 1), true));
    weft_waitgroup_done(&all);
}

static void in_lock_step(void *arg)
{
    int n = test_procs_min(2);
    (void)arg;
    atomic_store(&turn, 0);
    weft_waitgroup_add(&all, n);
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_go(lock_step, (void *)(intptr_t)i), 0);
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&turn), n * test_scale(20));
}

TEST(as_many_compute_at_once_as_there_are_processors)
{
    /* Goal: P goroutines that spin on each other in lock-step all run (GO-11), so every processor
     * gets a thread. Method: a counter that each may move on only in its turn. */
    run_all(in_lock_step);
}

/* ---- one processor ---- */

static void start_until_one_ran(void *arg)
{
    (void)arg;
    while (atomic_load(&ran) == 0) {
        int64_t until = weft_now() + 10 * WEFT_MICROSECOND;
        CHECK_EQ(weft_go(count, NULL), 0);
        TEST_COMPUTE_UNTIL(weft_now() >= until);
    }
}

TEST(a_time_slice_ends_at_a_weft_call)
{
    /* Goal: on one processor a goroutine that never waits gives way at a weft call when its time slice is
     * used up (GO-04). Method: it only starts others, until one of them has run. */
    atomic_store(&ran, 0);
    CHECK_EQ(test_run_procs(1, start_until_one_ran, NULL), 0);
}
