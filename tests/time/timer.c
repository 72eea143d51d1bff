/* SPDX-License-Identifier: Apache-2.0
 * timer.c - weft_timer and weft_after: timers with a channel. */
#include "in_run.h"

static weft_waitgroup all;

static void wait_past(int64_t when)
{
    weft_sleep_until(when);
    CHECK_GE(weft_now(), when);
}

/* A timer that is due, and not read. */
static weft_timer *fired_timer(void)
{
    weft_timer *t = weft_timer_new(TEST_MS);
    REQUIRE(t);
    wait_past(weft_now() + TEST_MS);
    return t;
}

static bool has_value(weft_chan *ch)
{
    return weft_chan_try_recv(ch, NULL) == 0;
}

/* ---- what a receive gives ---- */

/* Goal: it comes once, not early, with the time for which it was due (TM-08). */
IN_RUN(a_timer_fires_once)
{
    (void)arg;
    for (int i = 0; i < test_scale(40) + 2; i++) {
        int64_t ns = i % 2 ? 20000 : 2 * TEST_MS, value = 0, before = weft_now();
        weft_timer *t = weft_timer_new(ns);
        int64_t after = weft_now();
        weft_chan *ch = weft_timer_chan(t);
        CHECK(weft_chan_recv(ch, &value));
        CHECK_GE(weft_now(), value);
        CHECK_GE(value, before + ns);
        CHECK_LE(value, after + ns);
        CHECK_EQ(weft_chan_try_recv(ch, &value), -EAGAIN);
        CHECK_EQ(weft_chan_recv_until(ch, &value, weft_now() + TEST_MS / 4), -ETIMEDOUT);
        weft_timer_unref(t);
    }
    TEST_UNTIL(test_stats().timers == 0);
}

/* Goal: the same for weft_after, which has no timer. */
IN_RUN(after_fires_once)
{
    (void)arg;
    int64_t value, begin = weft_now();
    weft_chan *ch = weft_after(TEST_MS);
    CHECK_EQ(weft_chan_elem_size(ch), sizeof value);
    CHECK(weft_chan_recv(ch, &value));
    CHECK_GE(value, begin + TEST_MS);
    CHECK_GE(weft_now(), value);
    CHECK(!has_value(ch));
    weft_chan_unref(ch);
}

/* Goal: durations of zero and less are due at once (TM-08). */
IN_RUN(nothing_to_wait_for)
{
    static const int64_t durations[] = {0, -1, INT64_MIN};
    (void)arg;
    for (size_t i = 0; i < TEST_COUNT_OF(durations); i++) {
        int64_t begin = weft_now(), value = 0;
        weft_timer *t = weft_timer_new(durations[i]);
        CHECK_EQ(weft_chan_try_recv(weft_timer_chan(t), &value), 0);
        CHECK_GE(value, begin);
        CHECK(!weft_timer_reset(t, durations[i]));
        CHECK(has_value(weft_timer_chan(t)));
        weft_timer_unref(t);
    }
}

/* Goal: nobody can tell that a value is there but by receiving it (TM-01). */
IN_RUN(len_and_cap_are_zero)
{
    (void)arg;
    weft_timer *t = weft_timer_new(WEFT_HOUR);
    weft_chan *ch = weft_timer_chan(t);
    CHECK_EQ(weft_chan_len(ch), 0);
    CHECK_EQ(weft_chan_cap(ch), 0);
    weft_timer_reset(t, 0);
    CHECK_EQ(weft_chan_len(ch), 0);
    CHECK_EQ(weft_chan_cap(ch), 0);
    CHECK(has_value(ch));
    weft_timer_unref(t);
}

/* ---- stop and reset, and what they give ---- */

/* Goal: pending, unread, received, stopped (TM-02, TM-04). Method: each before a stop. */
IN_RUN(stop_tells_the_truth)
{
    (void)arg;
    weft_timer *t = weft_timer_new(WEFT_HOUR);
    CHECK(weft_timer_stop(t));
    CHECK(!weft_timer_stop(t));
    weft_timer_unref(t);

    t = fired_timer();
    CHECK(weft_timer_stop(t));
    CHECK(!has_value(weft_timer_chan(t)));
    CHECK_EQ(weft_chan_recv_until(weft_timer_chan(t), NULL, weft_now() + TEST_MS), -ETIMEDOUT);
    CHECK(!weft_timer_stop(t));
    weft_timer_unref(t);

    t = fired_timer();
    CHECK(has_value(weft_timer_chan(t)));
    CHECK(!weft_timer_stop(t));
    weft_timer_unref(t);
}

/* Goal: a reset gives the same, and what was due before is gone. */
IN_RUN(reset_tells_the_truth)
{
    (void)arg;
    int64_t value;
    weft_timer *t = weft_timer_new(WEFT_HOUR);
    CHECK(weft_timer_reset(t, WEFT_HOUR));
    CHECK(weft_timer_stop(t));
    CHECK(!weft_timer_reset(t, 0));
    CHECK(has_value(weft_timer_chan(t)));
    CHECK(!weft_timer_reset(t, 0));
    CHECK(weft_timer_reset(t, WEFT_HOUR)); /* unread */
    CHECK(!has_value(weft_timer_chan(t)));
    int64_t now = weft_now();
    CHECK(weft_timer_reset(t, TEST_MS));
    CHECK(weft_chan_recv(weft_timer_chan(t), &value));
    CHECK_GE(value, now + TEST_MS);
    weft_timer_unref(t);
}

/* Goal: the longest durations saturate: pending for ever (TM-09). */
IN_RUN(the_longest_is_pending)
{
    static const int64_t durations[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 2};
    (void)arg;
    for (size_t i = 0; i < TEST_COUNT_OF(durations); i++) {
        weft_timer *t = weft_timer_new(durations[i]);
        weft_chan *ch = weft_timer_chan(t);
        CHECK_EQ(weft_chan_recv_until(ch, NULL, weft_now() + TEST_MS), -ETIMEDOUT);
        CHECK(weft_timer_stop(t));
        CHECK(!weft_timer_reset(t, durations[i]));
        CHECK(!has_value(ch));
        CHECK(weft_timer_stop(t));
        weft_timer_unref(t);
    }
}

/* ---- somebody waits ---- */

static weft_chan *waited;
static atomic_int received;
static _Atomic(int64_t) received_value;

static void receive(void *arg)
{
    int64_t value;
    (void)arg;
    CHECK(weft_chan_recv(waited, &value));
    CHECK_GE(weft_now(), value);
    atomic_store(&received_value, value);
    atomic_fetch_add(&received, 1);
    weft_waitgroup_done(&all);
}

static void *receive_on_thread(void *arg)
{
    receive(arg);
    return NULL;
}

static void start_receivers(weft_chan *ch, int n)
{
    waited = ch;
    atomic_store(&received, 0);
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, n);
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_go(receive, NULL), 0);
    test_until_parked((uint64_t)n);
}

/* Goal: one who waits sees each reset: earlier, later, after a stop. */
IN_RUN(a_reset_reaches_one_who_waits)
{
    (void)arg;
    weft_timer *t = weft_timer_new(WEFT_HOUR);
    for (int i = 0; i < 3; i++) {
        start_receivers(weft_timer_chan(t), 1);
        if (i == 1)
            CHECK(!weft_timer_stop(t));
        int64_t now = weft_now();
        CHECK_EQ(weft_timer_reset(t, WEFT_MINUTE), i == 0);
        CHECK_EQ(weft_timer_reset(t, 4 * TEST_MS), 1);
        weft_waitgroup_wait(&all);
        CHECK_GE(atomic_load(&received_value), now + 4 * TEST_MS);
    }
    weft_timer_unref(t);
}

/* Goal: one who waits on a timer that is stopped waits on (TM-15), and nothing is armed for it. */
IN_RUN(a_stopped_timer_keeps_its_receiver_waiting)
{
    (void)arg;
    weft_timer *t = weft_timer_new(WEFT_HOUR);
    start_receivers(weft_timer_chan(t), 1);
    CHECK_EQ(test_stats().timers, atomic_load(&received) == 0);
    if (weft_timer_stop(t)) {
        TEST_UNTIL(test_stats().timers == 0);
        weft_sleep(7 * TEST_MS);
        CHECK_EQ(atomic_load(&received), 0);
        CHECK_EQ(weft_num_goroutine(), 2);
        CHECK(!weft_timer_reset(t, 0));
    }
    weft_waitgroup_wait(&all);
    weft_timer_unref(t);
}

/* Goal: each firing goes to one, in the order in which they came. */
IN_RUN(one_value_for_many)
{
    enum { MANY = 20 };
    (void)arg;
    weft_timer *t = weft_timer_new(WEFT_HOUR);
    start_receivers(weft_timer_chan(t), MANY);
    for (int i = 1; i <= MANY; i++) {
        CHECK_EQ(weft_timer_reset(t, 1000), i == 1);
        TEST_UNTIL(atomic_load(&received) == i);
        CHECK(!weft_timer_stop(t));
    }
    weft_waitgroup_wait(&all);
    TEST_UNTIL(test_stats().timers == 0);
    weft_timer_unref(t);
}

static void *reset_on_thread(void *arg)
{
    CHECK(weft_timer_reset(arg, TEST_MS));
    return NULL;
}

/* Goal: foreign threads make, wait for, reset and stop timers, with all Ps idle and with goroutines. */
IN_RUN(on_foreign_threads)
{
    pthread_t thread;
    (void)arg;
    weft_timer *t = weft_timer_new(WEFT_HOUR);
    waited = weft_timer_chan(t);
    for (int i = 0; i < 5; i++) {
        all = (weft_waitgroup){0};
        weft_waitgroup_add(&all, 1);
        REQUIRE(pthread_create(&thread, NULL, receive_on_thread, NULL) == 0);
        weft_timer_reset(t, TEST_MS);
        weft_waitgroup_wait(&all);
        pthread_join(thread, NULL);

        weft_timer_reset(t, WEFT_HOUR);
        start_receivers(waited, 1);
        REQUIRE(pthread_create(&thread, NULL, reset_on_thread, t) == 0);
        weft_waitgroup_wait(&all);
        pthread_join(thread, NULL);
    }
    TEST_UNTIL(test_stats().timers == 0);
    weft_timer_unref(t);
}

static void *all_on_thread(void *arg)
{
    int64_t value;
    for (int i = 0; i < 20; i++) {
        weft_timer *t = weft_timer_new(50000);
        REQUIRE(t);
        CHECK(weft_chan_recv(weft_timer_chan(t), &value));
        CHECK(!weft_timer_reset(t, WEFT_HOUR));
        CHECK_EQ(weft_chan_recv_until(weft_timer_chan(t), &value, weft_now() + 20000), -ETIMEDOUT);
        CHECK(weft_timer_stop(t));
        weft_timer_unref(t);
    }
    weft_waitgroup_done(&all);
    return arg;
}

/* Goal: the same by a thread alone, while the run does nothing. */
IN_RUN(a_foreign_thread_alone)
{
    pthread_t thread;
    (void)arg;
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, 1);
    REQUIRE(pthread_create(&thread, NULL, all_on_thread, NULL) == 0);
    weft_waitgroup_wait(&all);
    pthread_join(thread, NULL);
    TEST_UNTIL(test_stats().timers == 0);
}

/* ---- select ---- */

/* Goal: a timer in a select: due, not due, with a default; armed only while the select waits (SEL-19). */
IN_RUN(in_a_select)
{
    int64_t value;
    (void)arg;
    weft_chan *never = weft_chan_new(4, 0), *after = weft_after(0);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(never, NULL), WEFT_RECV(after, &value), WEFT_DEFAULT), 1);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(never, NULL), WEFT_RECV(after, &value), WEFT_DEFAULT), 2);
    weft_chan_unref(after);
    for (int i = 0; i < 5; i++) {
        int64_t begin = weft_now();
        after = weft_after(TEST_MS);
        CHECK_EQ(WEFT_SELECT(WEFT_RECV(never, NULL), WEFT_RECV(after, &value)), 1);
        CHECK_GE(value, begin + TEST_MS);
        CHECK_GE(weft_now(), value);
        weft_chan_unref(after);
        TEST_UNTIL(test_stats().timers == 0);

        after = weft_after(WEFT_HOUR);
        CHECK_EQ(WEFT_SELECT(WEFT_RECV(after, NULL), WEFT_RECV(never, NULL), WEFT_AFTER(TEST_MS)),
                 2);
        TEST_UNTIL(test_stats().timers == 0);
        weft_chan_unref(after);
    }
    weft_chan_unref(never);
}

static weft_chan *data;

static void select_until_closed(void *arg)
{
    bool ok = true;
    (void)arg;
    while (ok) {
        int chosen = WEFT_SELECT(WEFT_RECV_OK(data, NULL, &ok), WEFT_RECV(waited, NULL));
        CHECK_EQ(chosen, 0);
    }
    weft_waitgroup_done(&all);
}

/* Goal: when the last of several selects that wait for a timer goes, nothing is armed any more. */
IN_RUN(nothing_stays_armed)
{
    enum { SELECTS = 8 };
    (void)arg;
    data = weft_chan_new(sizeof(int), 0);
    waited = weft_after(WEFT_HOUR);
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, SELECTS);
    for (int i = 0; i < SELECTS; i++)
        CHECK_EQ(weft_go(select_until_closed, NULL), 0);
    test_until_parked(SELECTS);
    for (int i = 0; i < test_scale(400); i++)
        weft_chan_send(data, &i);
    test_until_parked(SELECTS);
    CHECK_EQ(test_stats().timers, 1);
    weft_chan_close(data);
    weft_waitgroup_wait(&all);
    TEST_UNTIL(test_stats().timers == 0);
    weft_chan_unref(waited);
    weft_chan_unref(data);
}

/* Goal: a timer that is due isn't starved by a channel that always is ready. */
IN_RUN(is_not_starved)
{
    int value = 1;
    (void)arg;
    weft_chan *busy = weft_chan_new(sizeof value, 1), *after = weft_after(0);
    int rounds = 0;
    for (int chosen = 0; chosen != 1 && rounds < 1000; rounds++) {
        weft_chan_try_send(busy, &value);
        chosen = WEFT_SELECT(WEFT_RECV(busy, NULL), WEFT_RECV(after, NULL));
    }
    CHECK_LT(rounds, 1000);
    weft_chan_unref(busy);
    weft_chan_unref(after);
}

/* ---- life ---- */

/* Goal: a channel outlives its timer while it is referenced; timers nobody waits for cost nothing. */
IN_RUN(the_channel_may_stay)
{
    int64_t value;
    (void)arg;
    weft_timer *t = weft_timer_new(TEST_MS);
    weft_chan *ch = weft_chan_ref(weft_timer_chan(t));
    weft_timer_unref(t);
    CHECK(weft_chan_recv(ch, &value));
    weft_chan_unref(ch);
    weft_timer_unref(NULL);
}

IN_RUN(many_that_nobody_waits_for)
{
    int n = test_scale(100000) + 100;
    (void)arg;
    for (int i = 0; i < n; i++) {
        weft_timer *t = weft_timer_new(i % 2 ? WEFT_HOUR : 1000);
        REQUIRE(t);
        if (i % 3)
            weft_timer_stop(t);
        weft_timer_unref(t);
    }
    TEST_UNTIL(test_stats().timers == 0);
}

static weft_timer *left;
static weft_chan *left_chan;

static void leave_timer(void *arg)
{
    (void)arg;
    left = weft_timer_new(TEST_MS);
    left_chan = weft_after(0);
    waited = left_chan;
}

static void leave_with_receiver(void *arg)
{
    leave_timer(arg);
    CHECK(has_value(left_chan));
    waited = weft_timer_chan(left);
    weft_timer_reset(left, WEFT_HOUR);
    CHECK_EQ(weft_go(receive, NULL), 0);
    CHECK_EQ(weft_go(select_until_closed, NULL), 0);
    test_until_parked(2);
}

static void try_left(void *arg)
{
    (void)arg;
    CHECK(!weft_timer_stop(left));
    CHECK(!weft_timer_reset(left, 0));
    CHECK(!has_value(weft_timer_chan(left)));
    CHECK(!has_value(left_chan));
    CHECK_EQ(weft_chan_recv_until(left_chan, NULL, weft_now() + TEST_MS), -ETIMEDOUT);
}

TEST(what_a_run_leaves_is_dead)
{
    /* Goal: after its run, and in a later one, a timer never fires; stop and reset give false. */
    data = weft_chan_new(sizeof(int), 0);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(test_run(i ? leave_with_receiver : leave_timer, NULL), 0);
        try_left(NULL);
        CHECK_EQ(test_run(try_left, NULL), 0);
        weft_timer_unref(left);
        weft_chan_unref(left_chan);
    }
    weft_chan_unref(data);
}

TEST(no_timers_without_a_run)
{
    errno = 0;
    CHECK(!weft_timer_new(1));
    CHECK_EQ(errno, ESRCH);
    errno = 0;
    CHECK(!weft_after(1));
    CHECK_EQ(errno, ESRCH);
    errno = 0;
    CHECK(!weft_ticker_new(1));
    CHECK_EQ(errno, ESRCH);
}

/* ---- misuse ---- */

static void misuse(weft_fn fn)
{
    weft_run(fn, NULL, NULL);
}

static void send_to_timer(void *arg)
{
    int64_t value = 0;
    weft_chan_send(weft_after(WEFT_HOUR), &value);
    (void)arg;
}

static void try_send_to_timer(void *arg)
{
    int64_t value = 0;
    weft_chan_try_send(weft_after(WEFT_HOUR), &value);
    (void)arg;
}

static void send_to_timer_until(void *arg)
{
    int64_t value = 0;
    weft_chan_send_until(weft_after(WEFT_HOUR), &value, weft_now() + TEST_MS);
    (void)arg;
}

static void select_send_to_timer(void *arg)
{
    int64_t value = 0;
    WEFT_SELECT(WEFT_SEND(weft_after(WEFT_HOUR), &value), WEFT_AFTER(WEFT_HOUR));
    (void)arg;
}

static void close_timer(void *arg)
{
    weft_chan_close(weft_after(WEFT_HOUR));
    (void)arg;
}

static void stop_null(void *arg)
{
    weft_timer_stop(NULL);
    (void)arg;
}

static void reset_null(void *arg)
{
    weft_timer_reset(NULL, 1);
    (void)arg;
}

static void free_in_use(void *arg)
{
    (void)arg;
    weft_timer *t = weft_timer_new(WEFT_HOUR);
    waited = weft_timer_chan(t);
    weft_go(receive, NULL);
    test_until_parked(1);
    weft_timer_unref(t);
}

static const struct {
    const char *name;
    weft_fn fn;
    const char *text;
} misuses[] = {
    {"send", send_to_timer, "panic: send on timer channel\n"},
    {"try_send", try_send_to_timer, "panic: send on timer channel\n"},
    {"send_until", send_to_timer_until, "panic: send on timer channel\n"},
    {"select_send", select_send_to_timer, "panic: send on timer channel\n"},
    {"close", close_timer, "panic: close of timer channel\n"},
    {"stop", stop_null, "panic: time: Stop called on uninitialized Timer\n"},
    {"reset", reset_null, "panic: time: Reset called on uninitialized Timer\n"},
    {"free", free_in_use, "fatal error: weft: channel freed while in use\n"},
};

CHILD(misused)
{
    misuse(misuses[test_env("MISUSE", 0)].fn);
}

TEST(misuse_ends_the_process)
{
    /* Goal: Go's words, and ours for what Go has no way to do. */
    static struct test_result result;
    for (size_t i = 0; i < TEST_COUNT_OF(misuses); i++) {
        char number[8];
        snprintf(number, sizeof number, "%zu", i);
        setenv("MISUSE", number, 1);
        test_spawn("misused", &result);
        CHECK_EXITED(&result, 2);
        CHECK_STR_HAS(result.err, misuses[i].text);
    }
}
