/* SPDX-License-Identifier: Apache-2.0
 * cond.c - weft_cond from inside: signals against deadlines, runs that end while goroutines wait, no memory for a
 * timer needed without a deadline. */
#include "queued.h"

static weft_mutex m;
static weft_cond cond;
static atomic_int came, woken, timed_out, hurried /* who are back */;
static int64_t meeting_ns;

static void reset(void)
{
    m = (weft_mutex){0};
    weft_cond_init(&cond, &m);
    atomic_store(&came, 0);
    atomic_store(&woken, 0);
    atomic_store(&timed_out, 0);
    atomic_store(&hurried, 0);
}

static void wait_patiently(void *arg)
{
    (void)arg;
    weft_mutex_lock(&m);
    atomic_fetch_add(&came, 1);
    weft_cond_wait(&cond);
    atomic_fetch_add(&woken, 1);
    weft_mutex_unlock(&m);
}

/* ---- signals and deadlines meet ---- */

enum { HURRIED = 40, SIGNALS = 30 };

static void wait_hurriedly(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)&seed + (uint64_t)meeting_ns;
    (void)arg;
    weft_mutex_lock(&m);
    atomic_fetch_add(&came, 1);
    int rc =
        weft_cond_wait_until(&cond, meeting_ns + (int64_t)(test_random(&seed) % 100000) - 50000);
    CHECK(!weft_mutex_try_lock(&m)); /* the caller has it */
    CHECK(rc == 0 || rc == -ETIMEDOUT);
    atomic_fetch_add(rc == 0 ? &woken : &timed_out, 1);
    atomic_fetch_add(&hurried, 1);
    weft_mutex_unlock(&m);
}

static void signal_at_meeting(void *arg)
{
    (void)arg;
    while (weft_now() < meeting_ns - 20000)
        weft_yield();
    for (int i = 0; i < SIGNALS; i++)
        weft_cond_signal(&cond);
}

static void meet(void *arg)
{
    int n = *(int *)arg;
    for (int round = 0; round < n; round++) {
        weft_waitgroup all = {0};
        struct outsider o[2];
        reset();
        meeting_ns = weft_now() + 400000 * test_slowness();
        for (int i = 0; i < 2; i++)
            outsider_start(&o[i], wait_hurriedly, NULL);
        for (int i = 0; i < HURRIED; i++)
            CHECK_EQ(weft_waitgroup_go(&all, wait_hurriedly, NULL), 0);
        for (int i = 0; i < SIGNALS; i++)
            CHECK_EQ(weft_waitgroup_go(&all, wait_patiently, NULL), 0);
        TEST_UNTIL(atomic_load(&came) == HURRIED + 2 + SIGNALS);
        weft_mutex_lock(&m); /* the last to come has let go of it: he is in the queue */
        weft_mutex_unlock(&m);
        signal_at_meeting(NULL);
        TEST_UNTIL(atomic_load(&woken) >= SIGNALS);
        TEST_UNTIL(atomic_load(&hurried) == HURRIED + 2);
        for (int i = 0; i < 2; i++)
            outsider_join(&o[i]);
        CHECK_EQ(atomic_load(&woken), SIGNALS);
        CHECK_EQ(queued(&cond.queue_), HURRIED + 2 - atomic_load(&timed_out));
        weft_cond_broadcast(&cond);
        weft_waitgroup_wait(&all);
        CHECK_EQ(peek(&cond.queue_), 0);
        CHECK_EQ(peek(&m.state_), 0);
    }
    TEST_UNTIL(test_stats().timers == 0);
}

TEST(signals_and_deadlines_meet)
{
    /* Goal: each signal wakes exactly one who returns 0, whatever deadlines pass meanwhile. Method: as many signals as
     * there are patient waiters, so that none finds nobody, beside waiters whose deadlines are about now; the number of
     * those who were woken is that of the signals. */
    int n = test_scale(100);
    CHECK_EQ(test_run(meet, &n), 0);
}

/* ---- the end of a run ---- */

static void wait_far(void *arg)
{
    (void)arg;
    weft_mutex_lock(&m);
    CHECK_EQ(weft_cond_wait_until(&cond, weft_now() + WEFT_HOUR), 0);
    atomic_fetch_add(&woken, 1);
    weft_mutex_unlock(&m);
}

static void leave_waiting(void *arg)
{
    struct outsider *o = arg;
    CHECK_EQ(weft_go(wait_patiently, NULL), 0);
    until_queued(&cond.queue_, 1);
    outsider_start(&o[0], wait_patiently, NULL);
    until_queued(&cond.queue_, 2);
    CHECK_EQ(weft_go(wait_far, NULL), 0);
    until_queued(&cond.queue_, 3);
    outsider_start(&o[1], wait_far, NULL);
    until_queued(&cond.queue_, 4);
}

TEST(waiters_of_an_ended_run_are_forgotten)
{
    /* Goal: a signal after the end of a run goes to a thread that waits still, not to a goroutine that is gone.
     * Method: goroutines and threads in turn, with a deadline and without; two signals for two threads. */
    struct outsider o[2];
    reset();
    CHECK_EQ(test_run(leave_waiting, o), 0);
    CHECK_EQ(queued(&cond.queue_), 2);
    weft_cond_signal(&cond);
    weft_cond_signal(&cond);
    for (int i = 0; i < 2; i++)
        outsider_join(&o[i]);
    CHECK_EQ(atomic_load(&woken), 2);
    CHECK_EQ(peek(&cond.queue_), 0);
}

static atomic_bool stop;

static void signal_often(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop))
        if (atomic_fetch_add(&timed_out, 1) % 2)
            weft_cond_signal(&cond);
        else
            weft_cond_broadcast(&cond);
}

static void wait_often(void *arg)
{
    bool timed = arg;
    for (;;) {
        weft_mutex_lock(&m);
        if (timed)
            weft_cond_wait_until(&cond, weft_now() + 20000);
        else
            weft_cond_wait(&cond);
        atomic_fetch_add(&woken, 1);
        weft_mutex_unlock(&m);
    }
}

static void briefly(void *arg)
{
    (void)arg;
    for (int i = 0; i < 6; i++)
        CHECK_EQ(weft_go(wait_often, i % 2 ? &m : NULL), 0);
    int seen = atomic_load(&woken);
    TEST_UNTIL(atomic_load(&woken) > seen);
    weft_mutex_lock(&m);
}

static void unlock(void)
{
    weft_mutex_unlock(&m);
}

TEST(runs_end_amid_signals)
{
    /* Goal: the end of a run takes its goroutines out while threads signal and broadcast. Method: many runs. */
    void *args[2] = {NULL};
    reset();
    outsiders_amid_runs(2, signal_often, args, briefly, unlock, &stop);
    CHECK_EQ(peek(&cond.queue_), 0);
    CHECK_EQ(peek(&m.state_), 0);
}
