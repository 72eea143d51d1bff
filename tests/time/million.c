/* SPDX-License-Identifier: Apache-2.0
 * million.c - a million timers at once: all stopped, all fired, or some of both; each comes to one end, and what they took
 * serves the next million. */
#include "in_run.h"

struct one {
    weft_timer *timer;
    int64_t due;
    atomic_int ran;
    bool stopped;
};

static struct one *all;
static int n;
static atomic_int ran;

static void fired(void *arg)
{
    struct one *one = arg;
    CHECK_GE(weft_now(), one->due);
    atomic_fetch_add(&one->ran, 1);
    atomic_fetch_add(&ran, 1);
}

/* At times that are spread over `spread` ns from `first` on, in no order. */
static void arm_all(int64_t first, int64_t spread)
{
    int64_t begin = weft_now();
    atomic_store(&ran, 0);
    for (int i = 0; i < n; i++) {
        int64_t ns = first + (int64_t)((uint64_t)i * 7919 * 1000003 % (uint64_t)spread);
        atomic_store(&all[i].ran, 0);
        all[i].stopped = false;
        all[i].due = begin + ns;
        all[i].timer = weft_after_func(begin + ns - weft_now(), fired, &all[i]);
        REQUIRE(all[i].timer);
    }
}

static void stop_all(void)
{
    for (int i = 0; i < n; i++)
        all[i].stopped = weft_timer_stop(all[i].timer);
}

/* Each has come to one end; how many were stopped. */
static int drop_all(void)
{
    int stopped = 0;
    for (int i = 0; i < n; i++)
        stopped += all[i].stopped;
    TEST_UNTIL(atomic_load(&ran) >= n - stopped);
    test_until_goroutines(1);
    for (int i = 0; i < n; i++) {
        if (atomic_load(&all[i].ran) + all[i].stopped != 1)
            FAIL("timer %d: ran %d times, stopped: %d", i, atomic_load(&all[i].ran),
                 all[i].stopped);
        weft_timer_unref(all[i].timer);
    }
    TEST_UNTIL(test_stats().timers == 0);
    return stopped;
}

static void arm_and_stop(void)
{
    arm_all(WEFT_HOUR, WEFT_HOUR);
    CHECK_EQ(test_stats().timers, n);
    stop_all();
    CHECK_EQ(test_stats().timers, 0);
    CHECK_EQ(drop_all(), n);
}

/* Those that were stopped on another processor than their own are free when somebody has looked at that one: soon, but more
 * may have been made before. */
static bool grows_no_more(void)
{
    for (int i = 0; i < 10; i++) {
        weft_sleep(TEST_MS);
        long before = test_rss_kib();
        arm_and_stop();
        if (!test_rss_tells() ||
            test_rss_kib() - before <= n / 32) /* a record takes 200 bytes and more */
            return true;
    }
    return false;
}

static void each_way(void)
{
    arm_and_stop();
    arm_all(TEST_MS, 100 * TEST_MS);
    CHECK_EQ(drop_all(), 0);
    arm_all(TEST_MS, 100 * TEST_MS);
    stop_all(); /* some have fired by now */
    drop_all();
    CHECK(grows_no_more());
}

/* Goal: of each timer exactly one of: it ran, a stop said true; the count of those that are armed is exact, and the records of a
 * million that are over are used again. Method: never early; RSS, where no tool has a share in it. */
IN_RUN(a_million_timers)
{
    (void)arg;
    n = !test_rss_tells() ? 2000 : getenv("WEFT_DELAY") ? 20000 : 1000000;
    n /= test_env("WEFT_TEST_QUICK", 0) ? 10 : 1;
    all = calloc((size_t)n, sizeof(*all));
    REQUIRE(all);
    memset(all, 1, (size_t)n * sizeof(*all)); /* it is there before memory is measured */
    each_way();
    free(all);
}
