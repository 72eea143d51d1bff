/* SPDX-License-Identifier: Apache-2.0
 * ticker.c - weft_ticker. */
#include "in_run.h"

static weft_waitgroup all;

/* Goal: ticks lie on the grid of the first one's time, in order, none twice, none early. */
IN_RUN(ticks_lie_on_a_grid)
{
    static const int64_t periods[] = {20000, 333333, 2 * TEST_MS};
    (void)arg;
    for (size_t p = 0; p < TEST_COUNT_OF(periods); p++) {
        int64_t period = periods[p], before = weft_now(), first = 0, last = 0, tick;
        weft_ticker *t = weft_ticker_new(period);
        int64_t after = weft_now();
        for (int i = 0; i < test_scale(100) + 3; i++) {
            CHECK(weft_chan_recv(weft_ticker_chan(t), &tick));
            CHECK_GE(weft_now(), tick);
            if (i == 0)
                first = tick;
            else
                CHECK_GT(tick, last);
            CHECK_EQ((tick - first) % period, 0);
            last = tick;
        }
        CHECK_GE(first, before + period);
        CHECK_LE((first - before) / period * period, first - before);
        CHECK_LE(first % period - after % period, period);
        weft_ticker_stop(t);
        weft_ticker_unref(t);
    }
    TEST_UNTIL(test_stats().timers == 0);
}

/* Goal: who comes 5.5 periods late gets one tick at once, that of the first period, and the next at the sixth
 * (TM-11). Later than that is as well: the machine may be busy. */
IN_RUN(one_tick_waits)
{
    const int64_t period = 4 * TEST_MS;
    int64_t begin = weft_now(), first, second;
    (void)arg;
    weft_ticker *t = weft_ticker_new(period);
    int64_t after = weft_now();
    weft_sleep_until(after + 5 * period + period / 2);
    CHECK_EQ(weft_chan_len(weft_ticker_chan(t)), 0);
    CHECK_EQ(weft_chan_cap(weft_ticker_chan(t)), 0);
    int64_t read = weft_now();
    CHECK_EQ(weft_chan_try_recv(weft_ticker_chan(t), &first), 0);
    CHECK_GE(first, begin + period);
    CHECK_LE(first, after + period);
    CHECK(weft_chan_recv(weft_ticker_chan(t), &second));
    CHECK_EQ((second - first) % period, 0);
    CHECK_GT(second, read);
    CHECK_GE(second, first + 5 * period);
    weft_ticker_unref(t);
}

/* Goal: a reset drops the tick that waits; the next comes a new period from now (TM-13). */
IN_RUN(reset_drops_the_tick)
{
    int64_t tick;
    (void)arg;
    weft_ticker *t = weft_ticker_new(1000);
    for (int i = 0; i < 3; i++) {
        weft_sleep(TEST_MS / 2);
        weft_ticker_reset(t, WEFT_HOUR);
        CHECK_EQ(weft_chan_try_recv(weft_ticker_chan(t), &tick), -EAGAIN);
        int64_t begin = weft_now();
        weft_ticker_reset(t, TEST_MS);
        CHECK(weft_chan_recv(weft_ticker_chan(t), &tick));
        CHECK_GE(tick, begin + TEST_MS);
        int64_t first = tick;
        CHECK(weft_chan_recv(weft_ticker_chan(t), &tick));
        CHECK_EQ((tick - first) % TEST_MS, 0);
    }
    weft_ticker_unref(t);
}

/* Goal: a stop drops the tick that waits, may be repeated, closes nothing, and a reset starts again (TM-14). */
IN_RUN(stop_drops_the_tick)
{
    int64_t tick;
    (void)arg;
    weft_ticker *t = weft_ticker_new(1000);
    weft_chan *ch = weft_ticker_chan(t);
    weft_sleep(TEST_MS);
    weft_ticker_stop(t);
    weft_ticker_stop(t);
    CHECK_EQ(weft_chan_try_recv(ch, &tick), -EAGAIN);
    CHECK_EQ(weft_chan_recv_until(ch, &tick, weft_now() + TEST_MS), -ETIMEDOUT);
    weft_ticker_reset(t, 2000);
    CHECK(weft_chan_recv(ch, &tick));
    CHECK(weft_chan_recv(ch, &tick));
    weft_ticker_unref(t);
    weft_ticker_stop(NULL);
    weft_ticker_unref(NULL);
}

/* Goal: near-overflow periods don't fire (TM-09). */
IN_RUN(the_longest_period)
{
    (void)arg;
    weft_ticker *t = weft_ticker_new(INT64_MAX);
    CHECK_EQ(weft_chan_recv_until(weft_ticker_chan(t), NULL, weft_now() + TEST_MS), -ETIMEDOUT);
    weft_ticker_reset(t, INT64_MAX - 1);
    CHECK_EQ(weft_chan_recv_until(weft_ticker_chan(t), NULL, weft_now() + TEST_MS), -ETIMEDOUT);
    weft_ticker_unref(t);
}

static weft_chan *shared;
static atomic_bool stop;
static atomic_llong ticks[4];
static _Atomic(int64_t) latest;

static void take_ticks(void *arg)
{
    int64_t tick;
    while (!atomic_load(&stop)) {
        if (weft_chan_recv_until(shared, &tick, weft_now() + WEFT_HOUR) != 0)
            break;
        /* Each tick is a time of its own: given twice it would be no later than another's. */
        int64_t seen = atomic_load(&latest);
        while (tick > seen && !atomic_compare_exchange_weak(&latest, &seen, tick))
            ;
        atomic_fetch_add(&ticks[(intptr_t)arg], 1);
    }
    weft_waitgroup_done(&all);
}

static void share_ticker(int receivers)
{
    weft_ticker *t = weft_ticker_new(50000);
    shared = weft_ticker_chan(t);
    atomic_store(&stop, false);
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, receivers);
    for (intptr_t i = 0; i < receivers; i++) {
        atomic_store(&ticks[i], 0);
        CHECK_EQ(weft_go(take_ticks, (void *)i), 0);
    }
    for (int i = 0; i < receivers; i++)
        TEST_UNTIL(atomic_load(&ticks[i]) >= 20);
    atomic_store(&stop, true);
    weft_waitgroup_wait(&all);
    weft_ticker_unref(t);
}

/* Goal: all who receive from one ticker get on (TM-22). */
IN_RUN(receivers_take_turns)
{
    (void)arg;
    share_ticker(2);
    share_ticker(4);
    TEST_UNTIL(test_stats().timers == 0);
}

static _Atomic(int64_t) given[1 << 16];
static atomic_int given_n;

static void collect(void *arg)
{
    int n;
    (void)arg;
    while ((n = atomic_fetch_add(&given_n, 1)) < test_scale(3000) + 100) {
        int64_t tick;
        CHECK(weft_chan_recv(shared, &tick));
        atomic_store(&given[n], tick);
    }
    weft_waitgroup_done(&all);
}

static int compare(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

/* Goal: no tick is given twice (TM-22). Method: several collect; all values differ. */
IN_RUN(no_tick_comes_twice)
{
    static int64_t sorted[1 << 16];
    int n = test_scale(3000) + 100;
    (void)arg;
    weft_ticker *t = weft_ticker_new(3000);
    shared = weft_ticker_chan(t);
    atomic_store(&given_n, 0);
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_go(collect, NULL), 0);
    weft_waitgroup_wait(&all);
    for (int i = 0; i < n; i++)
        sorted[i] = atomic_load(&given[i]);
    qsort(sorted, (size_t)n, sizeof sorted[0], compare);
    for (int i = 1; i < n; i++) {
        CHECK_GT(sorted[i], sorted[i - 1]);
        CHECK_EQ((sorted[i] - sorted[0]) % 3000, 0);
    }
    weft_ticker_unref(t);
}

static void heartbeat(void *arg)
{
    int beats = 0;
    int64_t begin = weft_now();
    (void)arg;
    weft_ticker *pulse = weft_ticker_new(TEST_MS);
    weft_chan *work = weft_after(20 * TEST_MS);
    for (int chosen = 0; chosen == 0;) {
        chosen = WEFT_SELECT(WEFT_RECV(weft_ticker_chan(pulse), NULL), WEFT_RECV(work, NULL));
        beats += chosen == 0;
    }
    CHECK_GE(beats, 1);
    CHECK_LE(beats, (weft_now() - begin) / TEST_MS); /* 20, if it isn't late */
    weft_ticker_unref(pulse);
    weft_chan_unref(work);
    TEST_UNTIL(test_stats().timers == 0);
}

TEST(a_heartbeat)
{
    /* Goal: a ticker and a timer in one select; where nobody waits nothing is armed. */
    CHECK_EQ(test_run(heartbeat, NULL), 0);
}

/* ---- misuse ---- */

static void new_with_nothing(void *arg)
{
    weft_ticker_new(0);
    (void)arg;
}

static void reset_to_nothing(void *arg)
{
    weft_ticker_reset(weft_ticker_new(1), -1);
    (void)arg;
}

static void reset_null(void *arg)
{
    weft_ticker_reset(NULL, 1);
    (void)arg;
}

static const struct {
    weft_fn fn;
    const char *text;
} misuses[] = {
    {new_with_nothing, "panic: non-positive interval for NewTicker\n"},
    {reset_to_nothing, "panic: non-positive interval for Ticker.Reset\n"},
    {reset_null, "panic: time: Reset called on uninitialized Ticker\n"},
};

CHILD(misused)
{
    weft_run(misuses[test_env("MISUSE", 0)].fn, NULL, NULL);
}

TEST(misuse_ends_the_process)
{
    /* Goal: Go's words (TM-10). */
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
