/* SPDX-License-Identifier: Apache-2.0
 * after_func.c - weft_after_func. */
#include "in_run.h"

static weft_waitgroup all;

static void count(void *arg)
{
    CHECK(weft_self() != 0);
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* Goal: called once, in a goroutine, not early; no channel; stop and reset tell the truth (TM-06). */
IN_RUN(calls_once)
{
    atomic_int calls = 0;
    (void)arg;
    weft_timer *t = weft_after_func(TEST_MS, count, &calls);
    int64_t begin = weft_now();
    CHECK(!weft_timer_chan(t));
    TEST_UNTIL(atomic_load(&calls) == 1);
    CHECK_GE(weft_now(), begin);
    CHECK(!weft_timer_stop(t));
    CHECK(!weft_timer_reset(t, WEFT_HOUR));
    CHECK(weft_timer_reset(t, WEFT_HOUR));
    CHECK(weft_timer_stop(t));
    CHECK(!weft_timer_stop(t));
    CHECK(!weft_timer_reset(t, 0));
    TEST_UNTIL(atomic_load(&calls) == 2);
    weft_timer_unref(t);
    test_until_goroutines(1);
    CHECK_EQ(atomic_load(&calls), 2);
    TEST_UNTIL(test_stats().timers == 0);
}

struct call {
    int64_t due;
    atomic_int *calls;
};

static void check_time(void *arg)
{
    struct call *call = arg;
    CHECK_GE(weft_now(), call->due);
    atomic_fetch_add(call->calls, 1);
}

/* Goal: never early, whatever the duration (TM-08). */
IN_RUN(not_early)
{
    static const int64_t durations[] = {INT64_MIN, -1, 0, 1, 1000, 50000, TEST_MS, 3 * TEST_MS};
    struct call calls[TEST_COUNT_OF(durations)];
    atomic_int called = 0;
    (void)arg;
    for (size_t i = 0; i < TEST_COUNT_OF(durations); i++) {
        int64_t ns = durations[i];
        calls[i] = (struct call){weft_now() + (ns > 0 ? ns : 0), &called};
        weft_timer_unref(weft_after_func(ns, check_time, &calls[i]));
    }
    TEST_UNTIL(atomic_load(&called) == (int)TEST_COUNT_OF(durations));
}

/* Goal: without a reference it still fires. */
IN_RUN(unref_does_not_stop_it)
{
    atomic_int calls = 0;
    (void)arg;
    for (int i = 0; i < 100; i++)
        weft_timer_unref(weft_after_func(i * 10000, count, &calls));
    TEST_UNTIL(atomic_load(&calls) == 100);
    TEST_UNTIL(test_stats().timers == 0);
}

/* Goal: the longest durations stay pending (TM-09). */
IN_RUN(the_longest_is_pending)
{
    atomic_int calls = 0;
    (void)arg;
    weft_timer *t = weft_after_func(INT64_MAX, count, &calls);
    weft_sleep(TEST_MS);
    CHECK(weft_timer_reset(t, INT64_MAX - 1));
    weft_sleep(TEST_MS);
    CHECK(weft_timer_stop(t));
    CHECK_EQ(atomic_load(&calls), 0);
    weft_timer_unref(t);
}

static weft_timer *self;
static atomic_int from_within;

static void stop_and_reset_self(void *arg)
{
    CHECK(!weft_timer_stop(self)); /* it has been started */
    if (atomic_fetch_add(&from_within, 1) < 5) {
        CHECK(!weft_timer_reset(self, 1000));
    } else {
        CHECK(!weft_timer_reset(self, WEFT_HOUR));
        CHECK(weft_timer_stop(self));
        weft_waitgroup_done(arg);
    }
}

/* Goal: stop and reset from within the function (TM-19). */
IN_RUN(from_within)
{
    (void)arg;
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, 1);
    atomic_store(&from_within, 0);
    self = weft_after_func(WEFT_HOUR, stop_and_reset_self, &all);
    CHECK(weft_timer_reset(self, 1000));
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&from_within), 6);
    weft_timer_unref(self);
}

static void block_for_ever(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    weft_chan_recv(NULL, NULL);
}

/* Goal: functions that never return hold up neither timers nor stops (TM-23). */
IN_RUN(blocks_for_ever)
{
    atomic_int blocked = 0, calls = 0;
    (void)arg;
    for (int i = 0; i < 10; i++)
        weft_timer_unref(weft_after_func(0, block_for_ever, &blocked));
    weft_timer *t = weft_after_func(TEST_MS, count, &calls);
    weft_sleep(TEST_MS);
    TEST_UNTIL(atomic_load(&calls) == 1 && atomic_load(&blocked) == 10);
    CHECK(!weft_timer_stop(t));
    weft_timer_unref(t);
}

enum { ORDERED = 200 };
static int order[ORDERED];
static atomic_int ordered;
static int64_t due_from[ORDERED], due_until[ORDERED];

static void note_order(void *arg)
{
    order[atomic_fetch_add(&ordered, 1)] = (int)(intptr_t)arg;
    weft_waitgroup_done(&all);
}

/* False: they were not all armed before the first was due. */
static bool arm_in_disorder(int64_t lead_ns)
{
    int64_t base = weft_now() + lead_ns;
    atomic_store(&ordered, 0);
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, ORDERED);
    for (int i = 0; i < ORDERED; i++) {
        intptr_t mine = i * 77 % ORDERED;
        int64_t before = weft_now(), ns = base + mine * 5000 - before;
        weft_timer_unref(weft_after_func(ns, note_order, (void *)mine));
        due_from[mine] = before + ns;
        due_until[mine] = weft_now() + ns;
    }
    return weft_now() < base;
}

static void fire_in_order(void *arg)
{
    (void)arg;
    for (int64_t lead_ns = 5 * TEST_MS; !arm_in_disorder(lead_ns); lead_ns *= 2)
        weft_waitgroup_wait(&all);
    weft_waitgroup_wait(&all);
    for (int first = 0; first < ORDERED; first++)
        for (int then = first + 1; then < ORDERED; then++)
            CHECK_GE(due_until[order[then]], due_from[order[first]]);
}

TEST(in_the_order_of_their_times)
{
    /* Goal: on one processor those of different times are called in that order (TM-18). Method: 200, started in
     * another order, 5 us apart; between which times each was due is known by reading the clock around the call. */
    CHECK_EQ(test_run_procs(1, fire_in_order, NULL), 0);
}

static weft_timer *left, *left_for_ever, *reset_for_ever;
static atomic_int left_calls;

static void leave_armed(void *arg)
{
    (void)arg;
    left = weft_after_func(WEFT_HOUR, count, &left_calls);
    for (int i = 0; i < 100; i++)
        weft_timer_unref(weft_after_func(WEFT_HOUR, count, &left_calls));
}

/* Alone: beside others it would lie where they are looked for. */
static void leave_for_ever(void *arg)
{
    (void)arg;
    left_for_ever = weft_after_func(WEFT_FOREVER, count, &left_calls);
}

static void reset_to_for_ever(void *arg)
{
    (void)arg;
    reset_for_ever = weft_after_func(WEFT_HOUR, count, &left_calls);
    CHECK(weft_timer_reset(reset_for_ever, WEFT_FOREVER));
}

static void try_left(void *arg)
{
    (void)arg;
    CHECK(!weft_timer_stop(left));
    CHECK(!weft_timer_stop(left_for_ever));
    CHECK(!weft_timer_stop(reset_for_ever));
    CHECK(!weft_timer_reset(left, 0));
    weft_sleep(TEST_MS);
    CHECK_EQ(atomic_load(&left_calls), 0);
    CHECK_EQ(test_stats().timers, 0);
}

static int handed_on; /* plain */

static void takes_it_on(void *group)
{
    handed_on++;
    weft_waitgroup_done(group);
}

static void hand_on(void *arg)
{
    weft_waitgroup done = {0};
    (void)arg;
    handed_on = 1;
    weft_waitgroup_add(&done, 1);
    weft_timer *t = weft_after_func(WEFT_MICROSECOND, takes_it_on, &done);
    weft_waitgroup_wait(&done);
    weft_timer_unref(t);
    CHECK_EQ(handed_on, 2);
}

TEST(it_sees_what_was_written_before_it_was_armed)
{
    /* Goal: HB-11, without anything else that orders the two; TSan would tell. */
    for (int i = 0; i < 20; i++)
        CHECK_EQ(test_run(hand_on, NULL), 0);
}

TEST(what_a_run_leaves_is_dead)
{
    /* Goal: after its run a timer never calls, nor one that never would have; stop and reset give false; nothing leaks
     * (ASan). */
    CHECK_EQ(test_run(leave_armed, NULL), 0);
    CHECK_EQ(test_run(leave_for_ever, NULL), 0);
    CHECK_EQ(test_run(reset_to_for_ever, NULL), 0);
    try_left(NULL);
    CHECK_EQ(test_run(try_left, NULL), 0);
    weft_timer_unref(left);
    weft_timer_unref(left_for_ever);
    weft_timer_unref(reset_for_ever);
}

static void ask_for_nothing(void *arg)
{
    (void)arg;
    CHECK(!weft_after_func(1, NULL, NULL));
    if (!TEST_TSAN) /* to which errno is shared */
        CHECK_EQ(errno, EINVAL);
}

TEST(refuses)
{
    errno = 0;
    CHECK(!weft_after_func(1, count, &left_calls));
    CHECK_EQ(errno, ESRCH);
    CHECK_EQ(test_run(ask_for_nothing, NULL), 0);
}

static atomic_int foreign_calls;

static void *on_thread(void *arg)
{
    for (int i = 0; i < 50; i++) {
        weft_timer *t = weft_after_func(WEFT_HOUR, count, &foreign_calls);
        REQUIRE(t);
        CHECK(weft_timer_stop(t));
        CHECK(!weft_timer_reset(t, 20000));
        weft_timer_unref(t);
    }
    return arg;
}

/* Goal: foreign threads start, stop and reset them, while the run sleeps. */
IN_RUN(from_foreign_threads)
{
    pthread_t threads[3];
    (void)arg;
    atomic_store(&foreign_calls, 0);
    for (int i = 0; i < 3; i++)
        REQUIRE(pthread_create(&threads[i], NULL, on_thread, NULL) == 0);
    TEST_UNTIL(atomic_load(&foreign_calls) == 150);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    TEST_UNTIL(test_stats().timers == 0);
}

static atomic_int late_calls;

static void is_called(void *arg)
{
    (void)arg;
    atomic_fetch_add(&late_calls, 1);
}

static void *stop_many(void *arg)
{
    struct timespec until_all_sleep = {.tv_nsec = 50000000};
    weft_timer *far = weft_after_func(WEFT_HOUR, is_called, NULL);
    nanosleep(&until_all_sleep, NULL);
    for (int i = 0; i < 1000; i++) {
        weft_timer *t = weft_after_func(WEFT_HOUR, is_called, NULL);
        CHECK(weft_timer_stop(t));
        weft_timer_unref(t);
    }
    int64_t begin = weft_now();
    weft_timer_unref(weft_after_func(TEST_MS, is_called, NULL));
    TEST_UNTIL(atomic_load(&late_calls) == 1);
    CHECK_LT(weft_now() - begin, 5 * WEFT_SECOND); /* before anybody looks for other reasons */
    CHECK(weft_timer_stop(far));
    weft_timer_unref(far);
    weft_waitgroup_done(&all);
    return arg;
}

/* Goal: timers that a foreign thread has stopped hide none that comes later, while all sleep. */
IN_RUN(many_stops_hide_no_later_timer)
{
    pthread_t thread;
    (void)arg;
    atomic_store(&late_calls, 0);
    weft_waitgroup_add(&all, 1);
    REQUIRE(pthread_create(&thread, NULL, stop_many, NULL) == 0);
    weft_waitgroup_wait(&all);
    TEST_UNTIL(pthread_tryjoin_np(thread, NULL) == 0);
}

enum { ROUNDS = 2000, FEW = 200 };

/* One that was stopped, set anew and stopped in each way. */
static void use_up(weft_timer *t, int way)
{
    if (way > 0)
        CHECK(weft_timer_stop(t));
    if (way > 1)
        CHECK(!weft_timer_reset(t, WEFT_HOUR));
    if (way > 2)
        CHECK(weft_timer_reset(t, WEFT_HOUR));
    if (way > 3)
        CHECK(weft_timer_stop(t));
    CHECK_EQ(weft_timer_stop(t), way < 4 && way != 1);
    weft_timer_unref(t);
}

/* Goal: whatever came before its end, a timer's memory is given back, and once. Method: make and drop many; few addresses
 * come, and two that are there at once never have the same. */
IN_RUN(given_back_once)
{
    static weft_timer *seen[FEW];
    atomic_int calls = 0;
    (void)arg;
    for (int way = 0; way < 5; way++) {
        int seen_n = 0;
        for (int i = 0; i < ROUNDS; i++) {
            weft_timer *a = weft_after_func(WEFT_HOUR, count, &calls);
            weft_timer *b = weft_after_func(WEFT_HOUR, count, &calls);
            CHECK(a && b && a != b);
            int at = 0;
            while (at < seen_n && seen[at] != a)
                at++;
            REQUIRE(at < FEW);
            seen[at] = a;
            seen_n += at == seen_n;
            use_up(a, way);
            use_up(b, way);
        }
    }
    CHECK_EQ(atomic_load(&calls), 0);
}

/* Goal: a timer that was dropped while it is armed still calls, whether or not it was stopped before. */
IN_RUN(dropped_while_armed)
{
    atomic_int calls = 0;
    (void)arg;
    for (int i = 1; i <= 100; i++) {
        weft_timer *t = weft_after_func(WEFT_HOUR, count, &calls);
        CHECK(weft_timer_stop(t));
        CHECK(!weft_timer_reset(t, 1));
        weft_timer_unref(t);
        TEST_UNTIL(atomic_load(&calls) == i);
        weft_timer *a = weft_after_func(WEFT_HOUR, count, &calls); /* used again, most likely */
        weft_timer_unref(a);
        weft_timer *b = weft_after_func(WEFT_HOUR, count, &calls);
        CHECK(a != b);
        CHECK(weft_timer_stop(b));
        weft_timer_unref(b);
    }
}
