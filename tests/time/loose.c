/* SPDX-License-Identifier: Apache-2.0
 * loose.c - timers that are armed after nearer ones, and so wait beside the wheel of their processor: they are due in
 * time, whoever looks, and are stopped in any order, from anywhere. */
#include "in_run.h"

enum { TIMERS = 50, FEW = 10 };

static void count(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

/* Sets FEW, the nearest first. Others than the first are loose. */
static void arm_few(int64_t first_ns, atomic_int *calls)
{
    for (int i = 0; i < FEW; i++)
        weft_timer_unref(weft_after_func(first_ns + i * INT64_C(10000), count, calls));
}

static void computes(void *arg)
{
    atomic_int calls = 0;
    (void)arg;
    for (int round = 0; round < 20; round++) {
        atomic_store(&calls, 0);
        arm_few(round % 2 * TEST_MS, &calls);
        TEST_COMPUTE_UNTIL(atomic_load(&calls) == FEW);
    }
}

/* Goal: nobody misses them where their processor's holder computes. Method: no weft call until all have called. */
TEST(due_while_the_holder_computes)
{
    CHECK_EQ(test_run_procs(test_procs_min(2), computes, NULL), 0);
}

static void *until_called(void *calls)
{
    TEST_COMPUTE_UNTIL(atomic_load((atomic_int *)calls) == FEW);
    return NULL;
}

/* Goal: nor where it is in a blocking section; then its processor has another holder. */
IN_RUN(due_while_the_holder_blocks)
{
    atomic_int calls = 0;
    (void)arg;
    for (int round = 0; round < 20; round++) {
        atomic_store(&calls, 0);
        arm_few(round % 2 * TEST_MS, &calls);
        weft_blocking(until_called, &calls);
    }
}

static weft_timer *timers[TIMERS];
static weft_waitgroup all;

static void stop_all(void *stride)
{
    int i = 0;
    for (int n = 0; n < TIMERS; n++, i = (i + (int)(intptr_t)stride) % TIMERS) {
        CHECK(weft_timer_stop(timers[i]));
        CHECK(!weft_timer_stop(timers[i]));
        weft_timer_unref(timers[i]);
    }
    weft_waitgroup_done(&all);
}

static void *stop_all_there(void *stride)
{
    stop_all(stride);
    return NULL;
}

/* Goal: each is stopped once, in whatever order, where it was made, on another processor, and on a thread that has none;
 * none is left. */
IN_RUN(stopped_in_any_order)
{
    static const int strides[] = {1, TIMERS - 1, 3, 7};
    atomic_int calls = 0;
    (void)arg;
    all = (weft_waitgroup){0};
    for (int round = 0; round < 12; round++) {
        void *stride = (void *)(intptr_t)strides[round % 4];
        for (int i = 0; i < TIMERS; i++)
            timers[i] = weft_after_func(WEFT_HOUR + i % 5 * WEFT_SECOND, count, &calls);
        CHECK_EQ(test_stats().timers, TIMERS);
        weft_waitgroup_add(&all, 1);
        if (round < 4)
            stop_all(stride);
        else if (round < 8)
            CHECK_EQ(weft_go(stop_all, stride), 0);
        else
            weft_blocking(stop_all_there, stride);
        weft_waitgroup_wait(&all);
        TEST_UNTIL(test_stats().timers == 0);
    }
    CHECK_EQ(atomic_load(&calls), 0);
}

/* Goal: stops and new ones take turns, with few that stay: each of those calls once. */
IN_RUN(some_stay)
{
    atomic_int calls = 0, stopped_calls = 0;
    (void)arg;
    weft_timer_unref(weft_after_func(0, count, &calls));
    for (int i = 1; i < 500; i++) {
        weft_timer *t = weft_after_func(WEFT_HOUR, count, &stopped_calls);
        weft_timer_unref(weft_after_func(i * INT64_C(10000), count, &calls));
        CHECK(weft_timer_stop(t));
        weft_timer_unref(t);
    }
    TEST_UNTIL(atomic_load(&calls) == 500);
    TEST_UNTIL(test_stats().timers == 0);
    CHECK_EQ(atomic_load(&stopped_calls), 0);
}

static void arm_and_end(void *calls)
{
    arm_few(TEST_MS, calls);
    weft_waitgroup_done(&all);
}

/* Goal: they fire where their processor has gone meanwhile. */
IN_RUN(due_after_fewer_processors)
{
    enum { ARMERS = 20 };
    atomic_int calls = 0;
    (void)arg;
    int procs = weft_maxprocs(0);
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, ARMERS);
    for (int i = 0; i < ARMERS; i++)
        CHECK_EQ(weft_go(arm_and_end, &calls), 0);
    weft_waitgroup_wait(&all);
    weft_maxprocs(1);
    TEST_UNTIL(atomic_load(&calls) == ARMERS * FEW);
    weft_maxprocs(procs);
}

static void leave_some(void *arg)
{
    static atomic_int calls;
    weft_timer **kept = arg;
    kept[0] = weft_after_func(WEFT_HOUR, count, &calls);
    kept[1] = weft_after_func(2 * WEFT_HOUR, count, &calls);
}

/* Goal: those that are left when a run ends are dead, and their memory is used again. */
TEST(left_at_the_end)
{
    for (int i = 0; i < 20; i++) {
        weft_timer *kept[2];
        CHECK_EQ(test_run(leave_some, kept), 0);
        for (int k = 0; k < 2; k++) {
            CHECK(!weft_timer_stop(kept[k]));
            CHECK(!weft_timer_reset(kept[k], 0));
            weft_timer_unref(kept[k]);
        }
    }
}
