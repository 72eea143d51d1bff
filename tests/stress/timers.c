/* SPDX-License-Identifier: Apache-2.0
 * timers.c - stops, resets, receives and firings of the same timers at once: each firing comes to exactly one. */
#include "../test.h"

enum { TIMERS = 6, WORKERS = 6, FOREIGN = 2 };

static weft_timer *timers[TIMERS];
static atomic_llong armed, undone, taken;
static atomic_bool stop;
static weft_waitgroup workers;

static int64_t some_ns(uint64_t random)
{
    return random % 4 ? (int64_t)(random >> 8) % 60000 : random % 8 ? 0 : WEFT_HOUR;
}

static void worker(void *arg)
{
    uint64_t seed = (uint64_t)(intptr_t)arg * 7919 + 1;
    while (!atomic_load(&stop)) {
        uint64_t random = test_random(&seed);
        weft_timer *t = timers[random % TIMERS];
        switch (random >> 32 & 3) {
        case 0:
            atomic_fetch_add(&undone, weft_timer_stop(t));
            break;
        case 1:
            atomic_fetch_add(&armed, 1);
            atomic_fetch_add(&undone, weft_timer_reset(t, some_ns(random)));
            break;
        default:
            weft_yield();
        }
    }
    weft_waitgroup_done(&workers);
}

static void *foreign_worker(void *arg)
{
    worker(arg);
    return NULL;
}

static void called(void *arg)
{
    (void)arg;
    atomic_fetch_add(&taken, 1);
}

static void receiver(void *arg)
{
    uint64_t seed = (uint64_t)(intptr_t)arg;
    int64_t value;
    while (!atomic_load(&stop)) {
        uint64_t random = test_random(&seed);
        weft_chan *a = weft_timer_chan(timers[random % TIMERS]);
        weft_chan *b = weft_timer_chan(timers[(random >> 8) % TIMERS]);
        int64_t patience = (int64_t)(random >> 16) % 100000;
        int got;
        if (random >> 40 & 1)
            got = weft_chan_recv_until(a, &value, weft_now() + patience) == 0;
        else
            got = WEFT_SELECT(WEFT_RECV(a, &value), WEFT_RECV(b, &value), WEFT_AFTER(patience)) < 2;
        if (got)
            CHECK_GE(weft_now(), value);
        atomic_fetch_add(&taken, got);
    }
    weft_waitgroup_done(&workers);
}

static void run_workers(bool receivers)
{
    pthread_t threads[FOREIGN];
    atomic_store(&stop, false);
    workers = (weft_waitgroup){0};
    weft_waitgroup_add(&workers, FOREIGN + WORKERS + (receivers ? WORKERS : 0));
    for (intptr_t i = 0; i < WORKERS; i++)
        CHECK_EQ(weft_go(worker, (void *)i), 0);
    for (intptr_t i = 0; receivers && i < WORKERS; i++)
        CHECK_EQ(weft_go(receiver, (void *)i), 0);
    for (intptr_t i = 0; i < FOREIGN; i++)
        REQUIRE(pthread_create(&threads[i], NULL, foreign_worker, (void *)(i + WORKERS)) == 0);
    weft_sleep((int64_t)(test_seconds() * 1e9) / 2);
    atomic_store(&stop, true);
    weft_waitgroup_wait(&workers);
    for (int i = 0; i < FOREIGN; i++)
        pthread_join(threads[i], NULL);
}

static void make_timers(bool funcs)
{
    atomic_store(&armed, TIMERS);
    atomic_store(&undone, 0);
    atomic_store(&taken, 0);
    for (int i = 0; i < TIMERS; i++) {
        timers[i] = funcs ? weft_after_func(1000, called, NULL) : weft_timer_new(1000);
        REQUIRE(timers[i]);
    }
}

static void check_sums(void)
{
    for (int i = 0; i < TIMERS; i++)
        atomic_fetch_add(&undone, weft_timer_stop(timers[i]));
    TEST_UNTIL(atomic_load(&armed) == atomic_load(&undone) + atomic_load(&taken));
    test_until_goroutines(1);
    CHECK_EQ(atomic_load(&armed), atomic_load(&undone) + atomic_load(&taken));
    TEST_UNTIL(test_stats().timers == 0);
    CHECK_GT(atomic_load(&taken), 0);
    for (int i = 0; i < TIMERS; i++)
        weft_timer_unref(timers[i]);
}

static void functions(void *arg)
{
    (void)arg;
    make_timers(true);
    run_workers(false);
    check_sums();
}

TEST(each_function_is_called_or_undone)
{
    /* Goal: of every arming exactly one is true: f was called, a stop or a reset gave true (TM-19). Method: counts
     * of all three after goroutines and foreign threads have worked on the same timers. */
    CHECK_EQ(test_run(functions, NULL), 0);
}

static void channels(void *arg)
{
    (void)arg;
    make_timers(false);
    run_workers(true);
    check_sums();
}

TEST(each_value_is_received_or_undone)
{
    /* Goal: the same for values in channels, with receives, receives with deadlines and selects. */
    CHECK_EQ(test_run(channels, NULL), 0);
}

static weft_chan *ticks;
static atomic_llong ticked;

static void take_until_closed(void *arg)
{
    weft_chan *done = arg;
    bool ok = true;
    int64_t value;
    while (ok) {
        int chosen = WEFT_SELECT(WEFT_RECV(ticks, &value), WEFT_RECV_OK(done, NULL, &ok));
        atomic_fetch_add(&ticked, chosen == 0);
        weft_yield(); /* where this takes longer than a period it would never wait */
    }
    weft_waitgroup_done(&workers);
}

/* A receiver waits for good, so it is lost if the last alarm was. */
static void waits_for_tick(void *arg)
{
    while (!atomic_load(&stop)) {
        int64_t value;
        CHECK(weft_chan_recv(ticks, &value));
        atomic_fetch_add(&ticked, 1);
        weft_yield();
    }
    (void)arg;
    weft_waitgroup_done(&workers);
}

static void resetting(void *arg)
{
    uint64_t seed = test_seed();
    (void)arg;
    weft_ticker *t = weft_ticker_new(10000);
    weft_chan *done = weft_chan_new(1, 0);
    ticks = weft_ticker_chan(t);
    atomic_store(&stop, false);
    workers = (weft_waitgroup){0};
    weft_waitgroup_add(&workers, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_go(i % 2 ? take_until_closed : waits_for_tick, done), 0);
    int64_t end = weft_now() + (int64_t)(test_seconds() * 1e9) / 2;
    while (weft_now() < end) {
        uint64_t random = test_random(&seed);
        if (random % 4 == 0)
            weft_ticker_stop(t);
        weft_ticker_reset(t, 1000 + (int64_t)(random >> 8) % 30000);
        long long before = atomic_load(&ticked);
        if (random % 2)
            TEST_UNTIL(atomic_load(&ticked) > before);
        else
            weft_yield();
    }
    atomic_store(&stop, true);
    weft_chan_close(done);
    weft_waitgroup_wait(&workers);
    weft_ticker_unref(t);
    weft_chan_unref(done);
    TEST_UNTIL(test_stats().timers == 0); /* an alarm may just be on its way out */
}

TEST(a_ticker_that_is_reset_all_the_time)
{
    /* Goal: nobody who waits is forgotten, whatever the stops and resets. */
    CHECK_EQ(test_run(resetting, NULL), 0);
}

static void reset_on(void *timer)
{
    for (int i = 0; !atomic_load(&stop); i++) {
        weft_timer_reset(timer, WEFT_HOUR);
        if (i % 16 == 0)
            weft_yield();
    }
    weft_waitgroup_done(&workers);
}

static void *reset_on_thread(void *timer)
{
    reset_on(timer);
    return NULL;
}

static void stop_truly(weft_timer *t)
{
    pthread_t thread;
    atomic_store(&stop, false);
    workers = (weft_waitgroup){0};
    weft_waitgroup_add(&workers, 2);
    CHECK_EQ(weft_go(reset_on, t), 0);
    REQUIRE(pthread_create(&thread, NULL, reset_on_thread, t) == 0);
    int64_t end = weft_now() + (int64_t)(test_seconds() * 1e9) / 4;
    while (weft_now() < end) {
        CHECK(weft_timer_stop(t));
        weft_timer_reset(t, WEFT_HOUR);
        weft_yield();
    }
    atomic_store(&stop, true);
    weft_waitgroup_wait(&workers);
    pthread_join(thread, NULL);
    weft_timer_stop(t);
    TEST_UNTIL(test_stats().timers == 0);
    weft_timer_unref(t);
}

static void pending(void *arg)
{
    (void)arg;
    stop_truly(weft_after_func(WEFT_HOUR, called, NULL));
    stop_truly(weft_timer_new(WEFT_HOUR));
}

TEST(a_stop_of_a_pending_timer_is_true)
{
    /* Goal: a timer that is pending at every instant is found pending, whatever resets are on. Method: two reset
     * it all the time, one stops it and sets it again. */
    CHECK_EQ(test_run(pending, NULL), 0);
}
