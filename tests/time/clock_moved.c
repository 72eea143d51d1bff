/* SPDX-License-Identifier: Apache-2.0
 * clock_moved.c - timers through years, and through jumps of the clock as a suspended machine sees them. */
#include "in_run.h"

#include "runtime/hooks.h"

#define DAY (24 * WEFT_HOUR)

static weft_waitgroup all;

/* fn with a clock that flies from one awaited time to the next. */
static void flying(void (*fn)(void))
{
    REQUIRE(weft_priv_clock_move(0));
    weft_priv_clock_fly(true);
    fn();
    weft_priv_clock_fly(false);
}

static void sleep_days(void *arg)
{
    int64_t days = (int64_t)(intptr_t)arg;
    for (int64_t begin = weft_now(), day = 0; day < 365; day += days) {
        int64_t before = weft_now();
        weft_sleep(days * DAY);
        CHECK_GE(weft_now(), before + days * DAY);
        CHECK_GE(weft_now(), begin + (day + days) * DAY);
    }
    weft_waitgroup_done(&all);
}

static void sleep_a_year(void)
{
    int64_t begin = weft_now();
    weft_waitgroup_add(&all, 3);
    for (intptr_t days = 1; days <= 9; days += 4)
        CHECK_EQ(weft_go(sleep_days, (void *)days), 0);
    weft_waitgroup_wait(&all);
    CHECK_GE(weft_now(), begin + 365 * DAY);
}

/* Goal: sleeps of days, several at a time, none too short. */
IN_RUN(a_year_of_sleeps)
{
    (void)arg;
    flying(sleep_a_year);
}

#define PERIOD INT64_C(1000000007)

/* The first tick of a new one, of PERIOD. */
static int64_t first_tick(weft_ticker **t)
{
    int64_t first, before = weft_now();
    *t = weft_ticker_new(PERIOD);
    REQUIRE(*t);
    int64_t after = weft_now();
    weft_priv_clock_move(PERIOD);
    CHECK(weft_chan_recv(weft_ticker_chan(*t), &first));
    CHECK_GE(first, before + PERIOD);
    CHECK_LE(first, after + PERIOD);
    return first;
}

static void wait_for_ticks(void)
{
    weft_ticker *t;
    int64_t first = first_tick(&t), last = first, tick;
    for (int64_t periods = test_scale(100000); last < first + periods * PERIOD; last = tick) {
        CHECK(weft_chan_recv(weft_ticker_chan(t), &tick));
        CHECK_GT(tick, last);
        CHECK_EQ((tick - first) % PERIOD, 0);
    }
    weft_ticker_unref(t);
}

/* Goal: the ticks of one who waits for each lie on the grid of the first, to the last. */
IN_RUN(a_ticker_does_not_drift)
{
    (void)arg;
    flying(wait_for_ticks);
}

/* Goal: the same of 10^6 periods, each of which ends while nobody waits: then its tick is there. One more may have passed where
 * the thread didn't run for a second. */
IN_RUN(a_million_periods_do_not_drift)
{
    weft_ticker *t;
    int64_t periods = test_instrumented() ? test_scale(1000000) : 1000000, tick;
    (void)arg;
    REQUIRE(weft_priv_clock_move(0));
    int64_t first = first_tick(&t), last = first;
    for (int64_t i = 0; i < periods; i++, last = tick) {
        weft_priv_clock_move(PERIOD);
        CHECK_EQ(weft_chan_try_recv(weft_ticker_chan(t), &tick), 0);
        CHECK_GT(tick, last);
        CHECK_EQ((tick - first) % PERIOD, 0);
    }
    CHECK_GE(last, first + periods * PERIOD);
    CHECK_GE(weft_now(), last);
    weft_ticker_unref(t);
}

enum { SPANS = 50 };

static struct span {
    int64_t due;
    weft_timer *timer;
} spans[SPANS];

static void is_due(void *arg)
{
    struct span *span = arg;
    CHECK_GE(weft_now(), span->due);
    weft_waitgroup_done(&all);
}

static void wait_for_spans(void)
{
    weft_waitgroup_add(&all, SPANS);
    for (int i = 0; i < SPANS; i++) {
        int64_t ns = (INT64_C(1000) << i) + i;
        spans[i].due = weft_now() + ns;
        spans[i].timer = weft_after_func(ns, is_due, &spans[i]);
        REQUIRE(spans[i].timer);
    }
    weft_waitgroup_wait(&all);
    CHECK_GE(weft_now(), spans[SPANS - 1].due);
    for (int i = 0; i < SPANS; i++)
        weft_timer_unref(spans[i].timer);
}

/* Goal: timers of all spans from a microsecond to seventeen years, which go through all levels of the wheel. */
IN_RUN(spans_of_every_length)
{
    (void)arg;
    flying(wait_for_spans);
}

static void sleep_an_hour(void *arg)
{
    int64_t before = weft_now();
    weft_sleep(WEFT_HOUR);
    CHECK_GE(weft_now(), before + WEFT_HOUR);
    weft_waitgroup_done(&all);
    (void)arg;
}

/* Goal: the clock jumps, as after a suspension: who has slept long enough wakes up; of a ticker's ticks one is there, and the
 * next lies on its grid (TM-11); a deadline is over. */
IN_RUN(a_clock_that_jumps)
{
    int64_t first, second;
    (void)arg;
    REQUIRE(weft_priv_clock_move(0));
    weft_ticker *t = weft_ticker_new(WEFT_MINUTE);
    weft_chan *never = weft_chan_new(0, 0);
    int64_t begin = weft_now(), due = begin + WEFT_HOUR / 2;
    weft_waitgroup_add(&all, 3);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(sleep_an_hour, NULL), 0);
    while (test_stats().timers < 3)
        weft_yield();
    weft_priv_clock_move(WEFT_HOUR / 2);
    CHECK_EQ(weft_chan_recv_until(never, NULL, due), -ETIMEDOUT);
    CHECK(weft_chan_recv(weft_ticker_chan(t), &first));
    CHECK_LE(first, begin + WEFT_MINUTE);
    weft_priv_clock_move(WEFT_HOUR / 2);
    weft_waitgroup_wait(&all);
    CHECK(weft_chan_recv(weft_ticker_chan(t), &first));
    int64_t read = weft_now();
    CHECK_EQ(weft_chan_try_recv(weft_ticker_chan(t), &second), -EAGAIN);
    weft_priv_clock_move(WEFT_MINUTE);
    CHECK(weft_chan_recv(weft_ticker_chan(t), &second));
    CHECK_EQ((second - first) % WEFT_MINUTE, 0);
    CHECK_GT(second, read);
    weft_ticker_unref(t);
    weft_chan_unref(never);
}
