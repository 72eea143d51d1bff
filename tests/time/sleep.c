/* SPDX-License-Identifier: Apache-2.0
 * sleep.c - weft_now, weft_sleep, weft_sleep_until. */
#include "../test.h"

#include "runtime/hooks.h"

static weft_waitgroup all;

static void in_run(void *arg)
{
    (*(void (**)(void))arg)();
}

static void *on_thread(void *arg)
{
    (*(void (**)(void))arg)();
    return NULL;
}

static void outside_in(void *arg)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, on_thread, arg) == 0);
    (*(void (**)(void))arg)();
    pthread_join(thread, NULL);
}

/* fn outside of a run, as a goroutine on 1 P and on those under test, and on a foreign thread. */
static void everywhere(void (*fn)(void))
{
    fn();
    CHECK_EQ(test_run_procs(1, in_run, &fn), 0);
    CHECK_EQ(test_run(in_run, &fn), 0);
    CHECK_EQ(test_run(outside_in, &fn), 0);
}

/* ---- the clock ---- */

static void compare_clocks(void)
{
    int64_t off = getenv("WEFT_CLOCK") ? 0 : 10000;
    for (int i = 0; i < test_scale(off ? 1000 : 100000); i++) {
        int64_t before = test_now(), now = weft_now(), after = test_now();
        CHECK_GE(now, before - off);
        CHECK_LE(now, after + off);
    }
}

TEST(now_is_on_the_monotonic_scale)
{
    /* Goal: weft_now is CLOCK_MONOTONIC within 10 us, and exactly where WEFT_CLOCK says that there is no counter. Method: between
     * two readings of it. */
    everywhere(compare_clocks);
}

static weft_priv_gate gates[2];
static int64_t last_now; /* handed over with the gate */

static void compare_in_turn(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < test_scale(5000); i++) {
        weft_priv_gate_wait(&gates[me]);
        int64_t now = weft_now();
        CHECK_GE(now, last_now);
        last_now = now;
        weft_priv_gate_open(&gates[!me]);
        if (i % 8 == 0)
            weft_yield();
    }
    weft_waitgroup_done(&all);
}

static void clock_passes(void *arg)
{
    (void)arg;
    memset(gates, 0, sizeof(gates));
    last_now = INT64_MIN;
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, 2);
    CHECK_EQ(weft_go(compare_in_turn, (void *)0), 0);
    CHECK_EQ(weft_go(compare_in_turn, (void *)1), 0);
    weft_priv_gate_open(&gates[0]);
    weft_waitgroup_wait(&all);
}

TEST(now_never_goes_back)
{
    /* Goal: between goroutines that happen one after the other weft_now doesn't go back, on
     * whichever processors they run. Method: two take turns by gates. */
    CHECK_EQ(test_run(clock_passes, NULL), 0);
}

/* ---- never early ---- */

static void sleep_some(void)
{
    static const int64_t durations[] = {1, 100, 1000, 20000, 50000, 100000, TEST_MS, 3 * TEST_MS};
    for (size_t d = 0; d < TEST_COUNT_OF(durations); d++) {
        for (int i = 0; i < test_scale(20); i++) {
            int64_t weft_begin = weft_now(), begin = test_now();
            weft_sleep(durations[d]);
            int64_t end = test_now(), weft_end = weft_now();
            CHECK_GE(end - begin, durations[d]);
            CHECK_GE(weft_end - weft_begin, durations[d]);
            CHECK_LT(end - begin, 10000 * TEST_MS);
            int64_t deadline = weft_now() + durations[d];
            weft_sleep_until(deadline);
            CHECK_GE(weft_now(), deadline);
        }
    }
}

TEST(no_sleep_is_early)
{
    /* Goal: a sleep lasts at least as long as asked, by both clocks (TM-08). Method: measure, from
     * 1 ns to 3 ms, on goroutines, foreign threads and outside of runs. */
    everywhere(sleep_some);
}

static void sleep_not_at_all(void)
{
    int64_t begin = test_now();
    for (int i = 0; i < 100; i++) {
        weft_sleep(0);
        weft_sleep(-1);
        weft_sleep(INT64_MIN);
        weft_sleep_until(weft_now());
        weft_sleep_until(weft_now() - 1);
        weft_sleep_until(0);
        weft_sleep_until(-1);
        weft_sleep_until(INT64_MIN);
    }
    CHECK_LT(test_now() - begin, 5000 * TEST_MS);
}

TEST(nothing_to_sleep_returns_at_once)
{
    /* Goal: durations <= 0 and deadlines in the past don't wait. Method: the extremes; an overflow
     * would sleep for ever. */
    everywhere(sleep_not_at_all);
}

/* ---- order ---- */

enum { SLEEPERS = 1000 };
static int64_t base_ns;
static int order[SLEEPERS];
static atomic_int order_used;

/* The k-th of a permutation: neighbours start far from each other. */
static int permuted(int k)
{
    return (int)((int64_t)k * 619 % SLEEPERS);
}

static void sleep_in_order(void *arg)
{
    int mine = (int)(intptr_t)arg;
    weft_sleep_until(base_ns + mine * INT64_C(10000));
    order[atomic_fetch_add(&order_used, 1)] = mine;
    weft_waitgroup_done(&all);
}

/* Starts the sleepers; false when they were not all asleep before the first was due. */
static bool start_sleepers(int64_t lead_ns)
{
    all = (weft_waitgroup){0};
    atomic_store(&order_used, 0);
    base_ns = weft_now() + lead_ns;
    weft_waitgroup_add(&all, SLEEPERS);
    for (int i = 0; i < SLEEPERS; i++)
        CHECK_EQ(weft_go(sleep_in_order, (void *)(intptr_t)permuted(i)), 0);
    while (test_stats().timers < SLEEPERS && weft_now() < base_ns)
        weft_yield();
    return weft_now() < base_ns;
}

static void sleepers(void *arg)
{
    bool all_due_at_once = *(bool *)arg;
    int64_t lead_ns = 10 * TEST_MS;
    while (!start_sleepers(lead_ns)) {
        weft_waitgroup_wait(&all);
        lead_ns *= 2;
        REQUIRE(lead_ns < 100000 * TEST_MS);
    }
    if (all_due_at_once)
        TEST_COMPUTE_UNTIL(weft_now() > base_ns + SLEEPERS * INT64_C(10000));
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&order_used), SLEEPERS);
    for (int i = 0; i < SLEEPERS; i++)
        if (order[i] != i) {
            FAIL("sleeper %d woke in place %d", order[i], i);
            break;
        }
}

TEST(sleepers_wake_in_order_of_deadline)
{
    /* Goal: on one processor timers fire in the order of their deadlines (TM-18). Method: 1000
     * sleepers, 10 us apart, started in another order; each writes its number. */
    bool all_due_at_once = false;
    CHECK_EQ(test_run_procs(1, sleepers, &all_due_at_once), 0);
}

TEST(overdue_sleepers_wake_in_order_of_deadline)
{
    /* Goal: the same when all are due before any can run: a batch must not be reversed or rotated by
     * the `next` slot. Method: main computes until the last one is due. */
    bool all_due_at_once = true;
    CHECK_EQ(test_run_procs(1, sleepers, &all_due_at_once), 0);
}

static atomic_int woken;

static void sleep_until_and_count(void *arg)
{
    weft_sleep_until(*(int64_t *)arg);
    CHECK_GE(weft_now(), *(int64_t *)arg);
    atomic_fetch_add(&woken, 1);
    weft_waitgroup_done(&all);
}

static void equal_deadlines(void *arg)
{
    int64_t deadline = weft_now() + 5 * TEST_MS;
    (void)arg;
    all = (weft_waitgroup){0};
    atomic_store(&woken, 0);
    weft_waitgroup_add(&all, 500);
    for (int i = 0; i < 500; i++)
        CHECK_EQ(weft_go(sleep_until_and_count, &deadline), 0);
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&woken), 500);
    TEST_UNTIL(test_stats().timers == 0); /* one may just be on its way out */
}

TEST(equal_deadlines_all_fire)
{
    /* Goal: any number of sleepers may share a deadline. Method: 500 of them. */
    CHECK_EQ(test_run(equal_deadlines, NULL), 0);
}

static void sleep_randomly(void *arg)
{
    uint64_t seed = (uint64_t)(intptr_t)arg;
    for (int i = 0; i < 20; i++) {
        int64_t ns = (int64_t)(test_random(&seed) % 200000), begin = test_now();
        weft_sleep(ns);
        CHECK_GE(test_now() - begin, ns);
    }
    atomic_fetch_add(&woken, 1);
    weft_waitgroup_done(&all);
}

static void random_sleepers(void *arg)
{
    int n = test_scale(2000) + 10;
    (void)arg;
    all = (weft_waitgroup){0};
    atomic_store(&woken, 0);
    weft_waitgroup_add(&all, n);
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_go(sleep_randomly, (void *)(intptr_t)i), 0);
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&woken), n);
    TEST_UNTIL(test_stats().timers == 0); /* one may just be on its way out */
}

TEST(many_sleep_at_random)
{
    /* Goal: timers added, fired and stolen on all processors: none lost, none early. Method: 2000
     * goroutines, 20 sleeps of up to 200 us each. */
    CHECK_EQ(test_run(random_sleepers, NULL), 0);
}

/* ---- far deadlines ---- */

static void sleep_far(void *arg)
{
    switch ((intptr_t)arg) {
    case 0:
        weft_sleep(INT64_MAX);
        break;
    case 1:
        weft_sleep(INT64_MAX - 1);
        break;
    case 2:
        weft_sleep_until(WEFT_FOREVER);
        break;
    case 3:
        weft_sleep_until(WEFT_FOREVER - 1);
        break;
    case 4:
        weft_sleep(INT64_MAX / 2);
        break;
    }
    atomic_fetch_add(&woken, 1);
}

static void far_sleepers(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_go(sleep_far, (void *)(intptr_t)(i % 5)), 0);
    test_until_parked(10);
    weft_sleep(5 * TEST_MS);
    CHECK_EQ(atomic_load(&woken), 0);
}

TEST(the_longest_sleep_does_not_end)
{
    /* Goal: sleeps of INT64_MAX ns and WEFT_FOREVER saturate (TM-09): they neither fire at once nor
     * hold up the end of the run. Method: ten of them; main sleeps 5 ms and returns. */
    int64_t begin = test_now();
    atomic_store(&woken, 0);
    CHECK_EQ(test_run(far_sleepers, NULL), 0);
    CHECK_LT(test_now() - begin, 10000 * TEST_MS);
    CHECK_EQ(atomic_load(&woken), 0);
}

static void sleep_an_hour(void *arg)
{
    (void)arg;
    weft_sleep(WEFT_HOUR);
}

static void *start_short_sleeper(void *arg)
{
    CHECK_EQ(weft_go(sleep_until_and_count, arg), 0);
    return NULL;
}

static void nearer_deadline(void *arg)
{
    pthread_t thread;
    (void)arg;
    all = (weft_waitgroup){0};
    CHECK_EQ(weft_go(sleep_an_hour, NULL), 0);
    test_until_idle();
    weft_sleep(TEST_MS);
    CHECK_EQ(weft_go(sleep_an_hour, NULL), 0);
    weft_sleep(2 * TEST_MS);
    for (int i = 0; i < 20; i++) {
        int64_t deadline = weft_now() + TEST_MS;
        weft_waitgroup_add(&all, 1);
        REQUIRE(pthread_create(&thread, NULL, start_short_sleeper, &deadline) == 0);
        weft_waitgroup_wait(&all);
        pthread_join(thread, NULL);
    }
}

TEST(a_nearer_deadline_is_heard_of)
{
    /* Goal: a thread that waits for a far timer takes a nearer one that comes later. Method: an hour
     * first, then milliseconds, from main and from goroutines that foreign threads start. */
    int64_t begin = test_now();
    CHECK_EQ(test_run_procs(1, nearer_deadline, NULL), 0);
    CHECK_EQ(test_run(nearer_deadline, NULL), 0);
    CHECK_LT(test_now() - begin, 20000 * TEST_MS);
}

static int64_t fastest_of(int sleeps, int64_t ns)
{
    int64_t fastest = INT64_MAX;
    for (int i = 0; i < sleeps; i++) {
        int64_t begin = test_now();
        weft_sleep(ns);
        int64_t took = test_now() - begin;
        fastest = took < fastest ? took : fastest;
    }
    return fastest;
}

static void sleep_shortly(void *arg)
{
    CHECK_LT(fastest_of(200, WEFT_MICROSECOND), *(int64_t *)arg * test_slowness());
}

TEST(a_short_sleep_is_no_wake_up)
{
    /* Goal: who sleeps for a microsecond doesn't wait for the kernel, which takes 30 to do that. Method: the fastest of
     * 200 beside nothing else. With one CPU nobody spins. */
    int64_t limit = weft_num_cpu() > 1 ? 20 * WEFT_MICROSECOND : WEFT_MILLISECOND;
    CHECK_EQ(test_run_procs(1, sleep_shortly, &limit), 0);
    CHECK_EQ(test_run(sleep_shortly, &limit), 0);
}

static atomic_bool is_over;

static void compute_and_look_at_clock(void *arg)
{
    (void)arg;
    while (!atomic_load(&is_over))
        weft_now();
    weft_waitgroup_done(&all);
}

static void sleep_beside_computing(void *arg)
{
    all = (weft_waitgroup){0};
    atomic_store(&is_over, false);
    for (uint64_t i = 0, procs = test_stats().procs; i < procs; i++) {
        weft_waitgroup_add(&all, 1);
        CHECK_EQ(weft_go(compute_and_look_at_clock, NULL), 0);
    }
    int64_t fastest = fastest_of(20, WEFT_MILLISECOND);
    atomic_store(&is_over, true);
    weft_waitgroup_wait(&all);
    CHECK_LT(fastest, 8 * TEST_MS * test_slowness());
    (void)arg;
}

TEST(a_sleeper_does_not_wait_for_slices_of_those_who_compute)
{
    /* Goal: on each processor a goroutine computes, and calls weft now and then: who sleeps a millisecond has his processor
     * soon, not at the end of a slice and behind the one who gave way. Method: the fastest of 20, since other tests have the CPUs,
     * too. */
    CHECK_EQ(test_run_procs(1, sleep_beside_computing, NULL), 0);
    CHECK_EQ(test_run(sleep_beside_computing, NULL), 0);
}
