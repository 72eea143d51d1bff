/* SPDX-License-Identifier: Apache-2.0
 * preempt.c - a goroutine that never waits, but calls weft again and again, gives way when its time slice is used up.
 *
 * One goroutine for each processor repeats one call; the last to begin starts another goroutine, which no
 * processor is free for. A call that doesn't give way makes the test hang, which the watchdog reports with its name. */
#include "calls.h"

static atomic_int began;

/* ---- those that give way ---- */

struct looping {
    void (*call)(struct objects *o);
    int loopers;
    weft_waitgroup all;
};

static void loop(void *arg)
{
    struct looping *l = arg;
    struct objects o;
    objects_make(&o);
    int place = atomic_fetch_add(&began, 1) + 1;
    TEST_COMPUTE_UNTIL(atomic_load(&began) == l->loopers);
    if (place == l->loopers)
        CHECK_EQ(weft_go(let_ran, NULL), 0);
    while (!atomic_load(&ran))
        l->call(&o);
    objects_free(&o);
    weft_waitgroup_done(&l->all);
}

static void loop_on_all(void *arg)
{
    struct looping *l = arg;
    weft_waitgroup_add(&l->all, l->loopers);
    for (int i = 0; i < l->loopers; i++)
        CHECK_EQ(weft_go(loop, l), 0);
    weft_waitgroup_wait(&l->all);
}

TEST(no_call_is_repeated_for_ever)
{
    /* Goal: whatever a goroutine repeats without ever waiting, others run (GO-04). Method: above, each call in turn on one
     * processor; on several, where the calls are the same, some. */
    key = weft_local_new(NULL);
    for (size_t i = 0; i < TEST_COUNT_OF(calls); i += test_procs(2) == 1 ? 1 : 5) {
        struct looping l = {.call = calls[i].call, .loopers = test_procs(2)};
        test_note_ = calls[i].name;
        atomic_store(&ran, 0);
        atomic_store(&began, 0);
        CHECK_EQ(test_run(loop_on_all, &l), 0);
    }
    test_note_ = NULL;
}

/* ---- what else makes it give way ---- */

static void sleep_a_little(void *arg)
{
    (void)arg;
    weft_sleep(WEFT_MILLISECOND);
    atomic_store(&ran, 1);
}

static void loop_beside_a_sleeper(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(sleep_a_little, NULL), 0);
    test_until_parked(1);
    while (!atomic_load(&ran))
        weft_chan_try_recv(NULL, NULL);
}

TEST(who_sleeps_runs_when_its_time_has_come)
{
    /* Goal: on one processor a timer comes to its right, too, though nobody else can run until it fires. */
    atomic_store(&ran, 0);
    CHECK_EQ(test_run_procs(1, loop_beside_a_sleeper, NULL), 0);
}

static void loop_locked(void *arg)
{
    weft_lock_os_thread();
    CHECK_EQ(weft_go(let_ran, NULL), 0);
    while (!atomic_load(&ran))
        weft_chan_try_recv(arg, NULL);
    weft_unlock_os_thread();
}

TEST(one_that_is_locked_to_its_thread_gives_way)
{
    /* Goal: as Go's. Method: one processor. */
    atomic_store(&ran, 0);
    CHECK_EQ(test_run_procs(1, loop_locked, NULL), 0);
}

static void loop_for_ever(void *arg)
{
    atomic_fetch_add(&began, 1);
    for (;;)
        weft_chan_try_recv(arg, NULL);
}

static void leave_them_looping(void *arg)
{
    int loopers = test_procs(2);
    for (int i = 0; i < loopers; i++)
        CHECK_EQ(weft_go(loop_for_ever, arg), 0);
    TEST_UNTIL(atomic_load(&began) == loopers);
}

TEST(the_end_of_a_run_stops_it)
{
    /* Goal: main returns, and those that only try are stopped at their next call. Method: with a patience
     * that would outlast the watchdog's. */
    weft_config config = {.maxprocs = test_procs(2), .stop_ns = WEFT_HOUR};
    atomic_store(&began, 0);
    CHECK_EQ(test_run_config(leave_them_looping, NULL, &config), 0);
}
