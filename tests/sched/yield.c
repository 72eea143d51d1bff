/* SPDX-License-Identifier: Apache-2.0
 * yield.c - order and fairness on one processor. */
#include "../test.h"

#include "runtime/hooks.h"

enum { ROUNDS = 1000 };

static unsigned char record[4 * ROUNDS];
static atomic_int recorded;
static weft_waitgroup all;
static atomic_bool stop;

static void reset(void)
{
    memset(record, 0, sizeof(record));
    atomic_store(&recorded, 0);
    atomic_store(&stop, false);
    all = (weft_waitgroup){0};
}

static atomic_int begun, to_begin;

static void record_and_yield(void *arg)
{
    atomic_fetch_add(&begun, 1);
    while (atomic_load(&begun) < atomic_load(&to_begin)) /* a time slice may end among the starts */
        weft_yield();
    for (int i = 0; i < ROUNDS; i++) {
        record[atomic_fetch_add(&recorded, 1)] = (unsigned char)(intptr_t)arg;
        weft_yield();
    }
    weft_waitgroup_done(&all);
}

static void start_yielders(void *arg)
{
    int n = *(int *)arg;
    weft_waitgroup_add(&all, n);
    atomic_store(&begun, 0);
    atomic_store(&to_begin, n);
    for (int i = 1; i <= n; i++)
        CHECK_EQ(weft_go(record_and_yield, (void *)(intptr_t)i), 0);
    weft_waitgroup_wait(&all);
}

TEST(yielders_take_turns)
{
    /* Goal: on one processor 2, 3 or 4 yielding goroutines run in turn (GO-07). Method: each writes
     * its number a thousand times; whatever the first turn was, all later ones repeat it. */
    for (int n = 2; n <= 4; n++) {
        reset();
        CHECK_EQ(test_run_procs(1, start_yielders, &n), 0);
        REQUIRE(atomic_load(&recorded) == n * ROUNDS);
        for (int i = 0; i < n; i++)
            for (int k = 0; k < i; k++)
                CHECK_NE(record[i], record[k]);
        for (int i = n; i < n * ROUNDS; i++)
            if (record[i] != record[i - n]) {
                FAIL("%d yielders: turn %d went to %d, not %d", n, i, record[i], record[i - n]);
                break;
            }
    }
}

/* ---- nobody starves ---- */

static atomic_long busy_turns; /* of those who keep the processor busy */

static void yield_until_stop(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&busy_turns, 1);
        weft_yield();
    }
    weft_waitgroup_done(&all);
}

static void two_yielders(void)
{
    weft_waitgroup_add(&all, 2);
    CHECK_EQ(weft_go(yield_until_stop, NULL), 0);
    CHECK_EQ(weft_go(yield_until_stop, NULL), 0);
}

static weft_priv_gate gates[2];

/* Two goroutines that wake each other: the woken one takes the `next` slot every time. */
static void hand_over(void *arg)
{
    int me = (int)(intptr_t)arg;
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&busy_turns, 1);
        weft_priv_gate_open(&gates[!me]);
        weft_priv_gate_wait(&gates[me]);
    }
    weft_priv_gate_open(&gates[!me]);
    weft_waitgroup_done(&all);
}

static void two_that_hand_over(void)
{
    memset(gates, 0, sizeof(gates));
    weft_waitgroup_add(&all, 2);
    CHECK_EQ(weft_go(hand_over, (void *)0), 0);
    CHECK_EQ(weft_go(hand_over, (void *)1), 0);
}

/* Each starts its successor, which takes the `next` slot, and ends. */
static void spawn_on(void *arg)
{
    atomic_fetch_add(&busy_turns, 1);
    if (atomic_load(&stop))
        weft_waitgroup_done(&all);
    else
        CHECK_EQ(weft_go(spawn_on, arg), 0);
}

static void chain_of_spawns(void)
{
    weft_waitgroup_add(&all, 1);
    CHECK_EQ(weft_go(spawn_on, NULL), 0);
}

/* Loops over sleeps of 0 and 1 ns (GO-29). */
static void sleep_on(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&busy_turns, 1);
        weft_sleep(0);
        weft_sleep(1);
    }
    weft_waitgroup_done(&all);
}

static void two_short_sleepers(void)
{
    weft_waitgroup_add(&all, 2);
    CHECK_EQ(weft_go(sleep_on, NULL), 0);
    CHECK_EQ(weft_go(sleep_on, NULL), 0);
}

struct busy {
    const char *name;
    void (*start)(void);
};

/* What keeps the processor busy in the test that runs. */
static struct busy busy;

static void third_runs(void *arg)
{
    (void)arg;
    atomic_store(&stop, true);
}

static void third_sleeps(void *arg)
{
    (void)arg;
    weft_sleep(TEST_MS);
    atomic_store(&stop, true);
}

/* In which way the third comes to be runnable. */
enum third {
    STARTED_BEFORE,
    STARTED_AFTER,
    MAIN_YIELDS,
    MAIN_SLEEPS,
    SLEEPS,
    WOKEN,
    INJECTED,
    THIRDS
};
static const char *const third_names[] = {
    "a third started before",
    "a third started later",
    "main yields",
    "main sleeps",
    "a third sleeps",
    "a third is woken",
    "a third comes from outside",
};

static weft_priv_gate third_gate;

static void third_waits(void *arg)
{
    (void)arg;
    weft_priv_gate_wait(&third_gate);
    atomic_store(&stop, true);
}

static void *start_from_outside(void *arg)
{
    CHECK_EQ(weft_go(third_runs, arg), 0);
    return NULL;
}

static void start_third(enum third third)
{
    pthread_t thread;
    switch (third) {
    case STARTED_BEFORE:
        CHECK_EQ(weft_go(third_runs, NULL), 0);
        busy.start();
        break;
    case STARTED_AFTER:
        busy.start();
        TEST_UNTIL(atomic_load(&busy_turns) > 100);
        CHECK_EQ(weft_go(third_runs, NULL), 0);
        break;
    case MAIN_YIELDS:
        busy.start();
        for (int i = 0; i < 100; i++)
            weft_yield();
        atomic_store(&stop, true);
        break;
    case MAIN_SLEEPS:
        busy.start();
        for (int i = 0; i < 10; i++)
            weft_sleep(10000);
        atomic_store(&stop, true);
        break;
    case SLEEPS:
        CHECK_EQ(weft_go(third_sleeps, NULL), 0);
        busy.start();
        break;
    case WOKEN:
        third_gate = (weft_priv_gate){0};
        CHECK_EQ(weft_go(third_waits, NULL), 0);
        test_until_parked(1);
        busy.start();
        weft_priv_gate_open(&third_gate);
        break;
    case INJECTED:
        busy.start();
        REQUIRE(pthread_create(&thread, NULL, start_from_outside, NULL) == 0);
        weft_waitgroup_wait(&all);
        pthread_join(thread, NULL);
        break;
    case THIRDS:
        break;
    }
}

static void no_starvation(void *arg)
{
    (void)arg;
    for (enum third third = 0; third < THIRDS; third++) {
        test_note_ = third_names[third];
        reset();
        atomic_store(&busy_turns, 0);
        int64_t begin = test_now();
        start_third(third);
        weft_waitgroup_wait(&all);
        double seconds = (double)(test_now() - begin) / 1e9;
        if (seconds > 3 * test_slowness())
            FAIL("%s: held up for %.1f s by %s", third_names[third], seconds, busy.name);
        test_until_goroutines(1);
    }
}

static void check_no_starvation(const char *name, void (*start)(void))
{
    busy = (struct busy){name, start};
    CHECK_EQ(test_run_procs(1, no_starvation, NULL), 0);
    CHECK_EQ(test_run(no_starvation, NULL), 0);
}

TEST(yielders_starve_nobody)
{
    /* Goal: two that yield for ever hold up nobody: not who was queued before them or came later, not
     * main when it yields or sleeps, not a sleeper, a woken goroutine or one from a foreign thread
     * (GO-06). Method: they go on until that third has run; the watchdog tells otherwise. */
    check_no_starvation("two yielders", two_yielders);
}

TEST(a_pair_that_hands_over_starves_nobody)
{
    /* Goal, method: as above; two that wake each other in the `next` slot inherit one time slice. */
    check_no_starvation("two that hand over", two_that_hand_over);
}

TEST(a_chain_of_spawns_starves_nobody)
{
    /* Goal, method: as above; each starts its successor, which takes the `next` slot, and ends. */
    check_no_starvation("a chain of spawns", chain_of_spawns);
}

TEST(short_sleepers_starve_nobody)
{
    /* Goal, method: as above; two that loop over sleeps of 0 and 1 ns (GO-29). */
    check_no_starvation("two short sleepers", two_short_sleepers);
}

static void gate_tokens(void *arg)
{
    weft_priv_gate gate = {0};
    (void)arg;
    weft_priv_gate_open(&gate);
    weft_priv_gate_wait(&gate); /* opened before: passes */
    weft_priv_gate_open(&gate);
    weft_priv_gate_wait(&gate);
    CHECK_EQ(weft_priv_proc() >= 0, 1);
}

TEST(a_gate_opened_first_lets_one_through)
{
    /* Goal: the hook that these tests stand on keeps an opening that came before the wait.
     * Method: open, wait, twice, alone: a lost one would hang. */
    CHECK_EQ(test_run(gate_tokens, NULL), 0);
    CHECK_EQ(weft_priv_proc(), -1);
}

/* ---- timers and `next` ---- */

enum { SLEEPERS = 500 };

static int64_t wake_at;
static atomic_bool late_started, late_ran;
static atomic_int ran_between;

static void sleep_twice(void *arg)
{
    weft_sleep_until(wake_at);
    atomic_fetch_add(&ran_between, atomic_load(&late_started) && !atomic_load(&late_ran));
    weft_sleep(TEST_MS);
    weft_waitgroup_done(arg);
}

static void run_late(void *arg)
{
    atomic_store(&late_ran, true);
    weft_waitgroup_done(arg);
}

static bool all_sleep(int64_t ns)
{
    wake_at = weft_now() + ns;
    weft_waitgroup_add(&all, SLEEPERS);
    for (int i = 0; i < SLEEPERS; i++)
        CHECK_EQ(weft_go(sleep_twice, &all), 0);
    TEST_UNTIL(test_stats().parked == SLEEPERS || weft_now() > wake_at);
    return weft_now() < wake_at;
}

static void start_when_all_are_due(void *arg)
{
    (void)arg;
    for (int64_t ns = 50 * TEST_MS; !all_sleep(ns); ns *= 2)
        weft_waitgroup_wait(&all); /* a slow machine */
    TEST_COMPUTE_UNTIL(weft_now() > wake_at);
    atomic_store(&late_started, true);
    weft_waitgroup_add(&all, 1);
    CHECK_EQ(weft_go(run_late, &all), 0);
    weft_sleep(TEST_MS);
    weft_waitgroup_wait(&all);
}

TEST(those_who_arm_timers_do_not_starve_who_was_just_started)
{
    /* Goal: arming a timer makes the next pick look at all timers, and lets the queue go before `next`; when everybody
     * does so `next` still gets its turn. Method: 500 sleepers are due at once and sleep again at once; count
     * how many run before one that was started meanwhile. */
    reset();
    CHECK_EQ(test_run_procs(1, start_when_all_are_due, NULL), 0);
    CHECK_LT(atomic_load(&ran_between), 100);
}

/* ---- those who were started long ago ---- */

enum { WAITING = 300, LINKS_MAX = 100000 };

static int waiting;

static void has_started(void *arg)
{
    (void)arg;
    waiting--;
    weft_waitgroup_done(&all);
}

static void starts_nothing(void *arg)
{
    (void)arg;
}

static void link_and_leaf(void *left)
{
    int64_t end = test_now() + 100000;
    while (test_now() < end)
        ;
    if (waiting && --*(int *)left) {
        CHECK_EQ(weft_go(link_and_leaf, left), 0);
        CHECK_EQ(weft_go(starts_nothing, NULL), 0);
    }
}

static void start_behind_a_chain(void *arg)
{
    int left = LINKS_MAX;
    reset();
    waiting = WAITING;
    int64_t begin = test_now();
    (void)arg;
    weft_waitgroup_add(&all, WAITING);
    for (int i = 0; i < WAITING; i++)
        CHECK_EQ(weft_go(has_started, NULL), 0);
    CHECK_EQ(weft_go(link_and_leaf, &left), 0);
    CHECK_EQ(weft_go(starts_nothing, NULL), 0);
    weft_waitgroup_wait(&all);
    if (test_now() - begin > 1500 * TEST_MS * test_slowness())
        FAIL("%.1f s till the last had started", (double)(test_now() - begin) / 1e9);
}

TEST(a_chain_that_forks_delays_no_start_for_long)
{
    /* Goal: who was started and hasn't run waits no longer than a tenth of a second for newer ones, however many wait. Method: 300, and
     * then links of 0.1 ms each that start the next and another: the newest are always theirs. */
    CHECK_EQ(test_run_procs(1, start_behind_a_chain, NULL), 0);
}
