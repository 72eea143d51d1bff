/* SPDX-License-Identifier: Apache-2.0
 * sem.c - weft_sem from inside: units are neither lost nor made, runs that end while goroutines wait. */
#include "queued.h"

enum { UNITS = 10 };

static weft_sem sem = WEFT_SEM_INIT(UNITS);
static atomic_long out;
static atomic_int got;
static int rounds;

/* ---- units ---- */

static void use_units(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)&seed;
    (void)arg;
    for (int i = 0; i < rounds; i++) {
        int64_t n = (int64_t)(test_random(&seed) % (UNITS + 1));
        if (i % 8 == 0) {
            while (!weft_sem_try_acquire(&sem, n)) {
                weft_yield();
                n = n > 1 ? n / 2 : 0;
                if (!n && !weft_sem_try_acquire(&sem, 0))
                    weft_sem_acquire(&sem, 0);
                if (!n)
                    break;
            }
        } else {
            weft_sem_acquire(&sem, n);
        }
        CHECK_LE(atomic_fetch_add(&out, n) + n, UNITS);
        if (i % 4 == 0)
            weft_yield();
        atomic_fetch_sub(&out, n);
        weft_sem_release(&sem, n / 2);
        weft_sem_release(&sem, n - n / 2);
    }
}

TEST(units_are_conserved)
{
    /* Goal: never more units out than there are, and all there in the end. Method: goroutines and threads that take and
     * give back random numbers of them. */
    rounds = test_scale(20000);
    crowd_run(8, 3, use_units, NULL);
    CHECK_EQ(peek(&sem.state_), 0);
    CHECK_EQ(peek(&sem.queue_), 0);
}

/* ---- the end of a run ---- */

static void acquire(void *arg)
{
    weft_sem_acquire(&sem, (int64_t)(intptr_t)arg);
    atomic_fetch_add(&got, 1);
}

static struct outsider outside[2];

static void leave_waiting(void *arg)
{
    (void)arg;
    weft_sem_acquire(&sem, UNITS - 2);
    CHECK_EQ(weft_go(acquire, (void *)(intptr_t)UNITS), 0);
    until_queued(&sem.queue_, 1);
    outsider_start(&outside[0], acquire, (void *)(intptr_t)2);
    until_queued(&sem.queue_, 2);
    CHECK_EQ(weft_go(acquire, (void *)(intptr_t)1), 0);
    until_queued(&sem.queue_, 3);
    outsider_start(&outside[1], acquire, (void *)(intptr_t)UNITS);
    until_queued(&sem.queue_, 4);
}

TEST(waiters_of_an_ended_run_are_forgotten)
{
    /* Goal: when a goroutine that stood first goes with its run, those behind it whose units are there go on.
     * Method: it wants all; behind it a thread that wants what is there, then one that has to wait. */
    atomic_store(&got, 0);
    CHECK_EQ(test_run(leave_waiting, NULL), 0);
    outsider_join(&outside[0]);
    CHECK_EQ(atomic_load(&got), 1);
    CHECK_EQ(queued(&sem.queue_), 1);
    weft_sem_release(&sem, 2);
    weft_sem_release(&sem, UNITS - 2);
    outsider_join(&outside[1]);
    weft_sem_release(&sem, UNITS);
    CHECK_EQ(peek(&sem.state_), 0);
    CHECK_EQ(peek(&sem.queue_), 0);
}

static atomic_bool stop;

static void pass_often(void *arg)
{
    while (!atomic_load(&stop)) {
        weft_sem_acquire(&sem, UNITS);
        atomic_fetch_add(&got, 1);
        weft_sem_release(&sem, UNITS);
    }
    (void)arg;
}

static void wait_often(void *arg)
{
    (void)arg;
    for (;;) {
        weft_sem_acquire(&sem, 0); /* so that none are out when it is stopped */
        weft_yield();
    }
}

static void briefly(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_go(wait_often, NULL), 0);
    int seen = atomic_load(&got);
    TEST_UNTIL(atomic_load(&got) > seen);
}

static void nothing(void) {}

TEST(runs_end_amid_waiters)
{
    /* Goal: the end of a run takes its goroutines out while threads acquire and release. Method: many runs. */
    void *args[2] = {NULL};
    outsiders_amid_runs(2, pass_often, args, briefly, nothing, &stop);
    CHECK_EQ(peek(&sem.state_), 0);
    CHECK_EQ(peek(&sem.queue_), 0);
}
