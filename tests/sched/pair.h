/* SPDX-License-Identifier: Apache-2.0
 * pair.h - a pair of goroutines that send each other to other threads. Included once, after test.h. */
#ifndef WEFT_TESTS_PAIR_H
#define WEFT_TESTS_PAIR_H

#include <sys/syscall.h>

#include "runtime/hooks.h"

/* pthread_self() won't do: the compiler calls it once. */
static TEST_NOINLINE int thread_now(void)
{
    __asm__ volatile("" ::: "memory");
    return (int)syscall(SYS_gettid);
}

/* Who opens the partner's gate and then parks is followed on its own processor; who opens and then computes
 * until the partner ran has it stolen. */
struct pair {
    weft_priv_gate gates[2];
    atomic_int turn;
};

static struct pair pair;
static weft_waitgroup all;
static atomic_int moves;

/* One step of the pair, for member `me`; every second time the partner must be moved away. */
static TEST_NOINLINE void move(int me, int step)
{
    int turn = atomic_fetch_add(&pair.turn, 1) + 1;
    weft_priv_gate_open(&pair.gates[!me]);
    if (step % 2 && test_procs(2) > 1)
        TEST_COMPUTE_UNTIL(atomic_load(&pair.turn) != turn);
    weft_priv_gate_wait(&pair.gates[me]);
}

static void run_pair(weft_fn fn)
{
    memset(&pair, 0, sizeof(pair));
    weft_waitgroup_add(&all, 2);
    CHECK_EQ(weft_go(fn, (void *)0), 0);
    CHECK_EQ(weft_go(fn, (void *)1), 0);
    weft_waitgroup_wait(&all);
}

/* Moves take a time slice each where threads share a CPU. */
TEST_UNUSED static int move_rounds(void)
{
    int n = test_scale(300);
    return n < 40 ? 40 : n;
}

/* A pair that runs on two processors all the time doesn't move: until it has. */
TEST_UNUSED static void run_until_moved(weft_fn fn)
{
    int tries = 0;
    do {
        CHECK_EQ(test_run(fn, NULL), 0);
    } while (test_procs(2) > 1 && atomic_load(&moves) == 0 && ++tries < 100);
    CHECK_LE(tries, 99);
}

#endif
