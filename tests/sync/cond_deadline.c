/* SPDX-License-Identifier: Apache-2.0
 * cond_deadline.c - weft_cond_wait_until: time-outs, and time-outs that race with signals. */
#include "crew.h"
#include "queued.h"

static weft_mutex mutex;
static weft_cond cond;
static atomic_int woken, timed_out;

static void reset(void)
{
    mutex = (weft_mutex){0};
    cond = (weft_cond){0};
    weft_cond_init(&cond, &mutex);
    atomic_store(&woken, 0);
    atomic_store(&timed_out, 0);
    log_clear();
}

/* With the mutex held, before and after. */
static int wait_checked(int64_t deadline)
{
    int rc = weft_cond_wait_until(&cond, deadline);
    CHECK(!weft_mutex_try_lock(&mutex));
    if (rc == 0) {
        atomic_fetch_add(&woken, 1);
    } else {
        CHECK_EQ(rc, -ETIMEDOUT);
        CHECK_GE(weft_now(), deadline);
        atomic_fetch_add(&timed_out, 1);
    }
    return rc;
}

/* ---- nobody signals ---- */

static void time_out(int index)
{
    static const int64_t past[] = {INT64_MIN, -1, 0, 1};
    (void)index;
    weft_mutex_lock(&mutex);
    for (size_t i = 0; i < TEST_COUNT_OF(past); i++)
        CHECK_EQ(wait_checked(past[i]), -ETIMEDOUT);
    CHECK_EQ(wait_checked(weft_now()), -ETIMEDOUT);
    for (int64_t ns = 1; ns <= 4 * TEST_MS; ns *= 8) {
        int64_t before = test_now();
        CHECK_EQ(wait_checked(weft_now() + ns), -ETIMEDOUT);
        CHECK_GE(test_now() - before, ns);
    }
    weft_mutex_unlock(&mutex);
}

static void all_time_out(void *arg)
{
    const struct crew_size *size = arg;
    reset();
    crew_run(size->goroutines, size->threads, time_out);
    CHECK_EQ(atomic_load(&woken), 0);
    weft_cond_signal(&cond); /* nobody is left that it could wake */
    weft_cond_broadcast(&cond);
    CHECK(weft_mutex_try_lock(&mutex));
    if (weft_self())
        TEST_UNTIL(test_stats().timers == 0);
}

TEST(a_wait_ends_at_its_deadline)
{
    /* Goal: -ETIMEDOUT, not before the deadline, and with the mutex held again. Method: deadlines of long ago, then up to
     * 4 ms; several at a time, who release the mutex to each other while they wait. */
    static struct crew_size sizes[] = {{1, 0}, {5, 0}, {2, 2}, {0, 3}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(all_time_out, &sizes[i]), 0);
    all_time_out(&sizes[3]);
}

static int64_t patience_ns;
static atomic_bool waits;

static void wait_a_while(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    atomic_store(&waits, true);
    CHECK_EQ(wait_checked(weft_now() + patience_ns), -ETIMEDOUT);
    weft_mutex_unlock(&mutex);
}

static void come_back_to_a_held_mutex(void *arg)
{
    bool held = false;
    (void)arg;
    for (patience_ns = TEST_MS; !held; patience_ns *= 2) { /* until main comes in time */
        reset();
        atomic_store(&waits, false);
        CHECK_EQ(weft_go(wait_a_while, NULL), 0);
        TEST_UNTIL(atomic_load(&waits));
        weft_mutex_lock(&mutex);
        held = atomic_load(&timed_out) == 0;
        TEST_UNTIL(test_stats().timers == 0); /* the deadline has passed */
        test_until_idle();
        CHECK_EQ(atomic_load(&timed_out), held ? 0 : 1);
        weft_mutex_unlock(&mutex);
        test_until_goroutines(1);
        CHECK_EQ(atomic_load(&timed_out), 1);
    }
}

TEST(who_times_out_waits_for_the_mutex)
{
    /* Goal: a time-out doesn't return before the mutex is free. Method: main holds it past the deadline. */
    CHECK_EQ(test_run(come_back_to_a_held_mutex, NULL), 0);
}

/* ---- signals meet time-outs ---- */

static atomic_bool enough;

static void wait_impatiently(int index)
{
    uint64_t seed = (uint64_t)index + 1;
    while (!atomic_load(&enough)) {
        weft_mutex_lock(&mutex);
        wait_checked(weft_now() + (int64_t)(test_random(&seed) % 20000));
        weft_mutex_unlock(&mutex);
        weft_yield();
    }
}

static void wait_patiently(void *arg)
{
    int rounds = *(int *)arg;
    for (int i = 0; i < rounds; i++) {
        weft_mutex_lock(&mutex);
        log_event('w');
        weft_cond_wait(&cond);
        log_event('r');
        atomic_fetch_add(&woken, 1);
        weft_mutex_unlock(&mutex);
    }
}

/* One patient waiter is always there when a signal is sent, so each signal wakes him or another one. */
static void signal_impatient(void *arg)
{
    const struct crew_size *size = arg;
    struct crew crew;
    int rounds = 40, sent = 0;
    reset();
    atomic_store(&enough, false);
    crew_start(&crew, size->goroutines, size->threads, wait_impatiently);
    CHECK_EQ(weft_go(wait_patiently, &rounds), 0);
    for (int i = 0; i < rounds; i++) {
        TEST_UNTIL(log_length() == 2 * i + 1);
        while (log_length() == 2 * i + 1) {
            weft_mutex_lock(&mutex); /* the patient one waits, or has been woken */
            weft_mutex_unlock(&mutex);
            weft_cond_signal(&cond);
            sent++;
            TEST_UNTIL(atomic_load(&woken) == sent);
        }
    }
    atomic_store(&enough, true);
    crew_join(&crew);
    test_until_goroutines(1);
    CHECK_EQ(atomic_load(&woken), sent);
    TEST_UNTIL(test_stats().timers == 0);
}

TEST(a_signal_is_not_lost_to_one_who_timed_out)
{
    /* Goal: a signal that finds the first waiter gone wakes the next; one that found him in time gives him 0. Method: one
     * waits without a deadline behind others whose deadlines pass all the time: each signal must end one wait with 0. */
    static struct crew_size sizes[] = {{1, 0}, {4, 0}, {16, 0}, {2, 2}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        for (int n = 0; n < test_scale(10); n++)
            CHECK_EQ(test_run(signal_impatient, &sizes[i]), 0);
}

static int64_t meeting_ns;

static void wait_till_the_meeting(int index)
{
    uint64_t seed = (uint64_t)index + (uint64_t)meeting_ns;
    int64_t deadline = meeting_ns + (int64_t)(test_random(&seed) % 100000) - 50000;
    weft_mutex_lock(&mutex);
    wait_checked(index % 8 ? deadline : WEFT_FOREVER);
    weft_mutex_unlock(&mutex);
}

static void meet(void *arg)
{
    const struct crew_size *size = arg;
    struct crew crew;
    int members = size->goroutines + size->threads, rounds = test_scale(100) + 1;
    for (int i = 0; i < rounds; i++) {
        reset();
        meeting_ns = weft_now() + 300000 * test_slowness();
        crew_start(&crew, size->goroutines, size->threads, wait_till_the_meeting);
        while (weft_now() < meeting_ns)
            weft_yield();
        while (atomic_load(&woken) + atomic_load(&timed_out) < members) {
            weft_cond_broadcast(&cond); /* some may only come now */
            weft_yield();
        }
        crew_join(&crew);
        CHECK_EQ(atomic_load(&woken) + atomic_load(&timed_out), members);
    }
}

TEST(time_outs_and_a_broadcast_meet)
{
    /* Goal: each waiter gets one true answer when its deadline passes while a broadcast comes; those without a deadline
     * are woken. Method: deadlines within 50 us of the broadcast. */
    static struct crew_size sizes[] = {{100, 0}, {20, 4}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++)
        CHECK_EQ(test_run(meet, &sizes[i]), 0);
}

/* ---- what is left behind ---- */

static void wait_to_be_logged(void *arg)
{
    weft_mutex_lock(&mutex);
    weft_cond_wait(&cond);
    log_event((char)(intptr_t)arg);
    weft_mutex_unlock(&mutex);
}

static void wait_briefly(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    wait_checked(weft_now() + 2 * TEST_MS);
    weft_mutex_unlock(&mutex);
}

static void neighbours(void *arg)
{
    (void)arg;
    reset();
    for (int i = 0; i < 9; i++)
        CHECK_EQ(
            weft_go(i % 3 == 1 ? wait_to_be_logged : wait_briefly, (void *)(intptr_t)('a' + i)), 0);
    TEST_UNTIL(atomic_load(&timed_out) == 6);
    until_queued(&cond.queue_, 3);
    test_until_idle();
    weft_cond_signal(&cond);
    TEST_UNTIL(log_length() == 1);
    test_until_idle();
    CHECK_EQ(log_length(), 1);
    weft_cond_broadcast(&cond);
    test_until_goroutines(1);
    CHECK_EQ(log_length(), 3);
    CHECK_EQ(atomic_load(&woken), 0);
}

TEST(neighbours_of_those_who_time_out_stay)
{
    /* Goal: those before and behind one who timed out are still waiting, and the next signal is theirs. Method: six of
     * nine time out. */
    for (int i = 0; i < test_scale(50) + 1; i++)
        CHECK_EQ(test_run(neighbours, NULL), 0);
}

static void time_out_often(int index)
{
    (void)index;
    for (int i = 0, n = test_scale(5000); i < n; i++) {
        weft_mutex_lock(&mutex);
        wait_checked(weft_now() + 300);
        weft_mutex_unlock(&mutex);
    }
}

static void leave_nothing(void *arg)
{
    (void)arg;
    reset();
    CHECK_EQ(weft_go(wait_to_be_logged, (void *)(intptr_t)'p'), 0);
    test_until_parked(1);
    crew_run(4, 1, time_out_often);
    long rss = test_rss_kib();
    for (int i = 0; i < 4; i++)
        crew_run(4, 1, time_out_often);
    if (test_rss_tells())
        CHECK_LT(test_rss_kib() - rss, 1024);
    CHECK_EQ(atomic_load(&timed_out), 25 * test_scale(5000));
    weft_cond_signal(&cond);
    test_until_goroutines(1);
    CHECK_LOG("p");
    TEST_UNTIL(test_stats().timers == 0);
}

TEST(time_outs_leave_nothing_behind)
{
    /* Goal: those who gave up are taken out then. Method: 125 000 time-outs beside one who waits on: less than 1 MiB
     * more; the signal then finds him. */
    CHECK_EQ(test_run(leave_nothing, NULL), 0);
}
