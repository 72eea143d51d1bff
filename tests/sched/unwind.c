/* SPDX-License-Identifier: Apache-2.0
 * unwind.c - an unwinder finds its way: from any frame of a goroutine down to its start function, and there it
 * ends, also after switches and moves to other threads. What exceptions, backtraces and debuggers rely on. */
#include "../test.h"

#include <unwind.h>

#include "pair.h"

enum { FRAMES_MAX = 64 };

struct walk {
    void *functions[FRAMES_MAX]; /* where those of the frames begin, innermost first */
    int n;
};

static _Unwind_Reason_Code note_frame(struct _Unwind_Context *context, void *arg)
{
    struct walk *walk = arg;
    uintptr_t pc = _Unwind_GetIP(context);
    if (walk->n < FRAMES_MAX && pc)
        walk->functions[walk->n++] = _Unwind_FindEnclosingFunction((void *)(pc - 1));
    return _URC_NO_REASON;
}

static int depth_of(const struct walk *walk, void (*fn)(void *))
{
    for (int i = 0; i < walk->n; i++)
        if (walk->functions[i] == (void *)fn)
            return i;
    return -1;
}

/* From here to `start`, some `below` frames away at least, and to an end soon after. */
static TEST_NOINLINE void check_walk(void (*start)(void *), int below)
{
    struct walk walk = {.n = 0};
    _Unwind_Reason_Code end = _Unwind_Backtrace(note_frame, &walk);
    int depth = depth_of(&walk, start);
    CHECK_EQ(end, _URC_END_OF_STACK);
    CHECK_GE(depth, below);
    CHECK_LT(walk.n, FRAMES_MAX);
    /* Below it there are the entry in the library and, maybe, the entry in assembly. */
    CHECK_LE(walk.n - depth, 4);
}

static TEST_NOINLINE void walk_at(void (*start)(void *), int level, int depth)
{
    if (level < depth)
        walk_at(start, level + 1, depth);
    else
        check_walk(start, depth);
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

static void walks(void *arg)
{
    (void)arg;
    for (int i = 0; i < 20; i++) {
        walk_at(walks, 0, i % 5);
        if (i % 2)
            weft_yield();
        else
            weft_sleep(1000);
    }
    weft_waitgroup_done(&all);
}

static void run_walks(void *arg)
{
    (void)arg;
    walk_at(run_walks, 0, 3);
    weft_waitgroup_add(&all, 10);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_go(walks, NULL), 0);
    walk_at(run_walks, 0, 3);
    weft_waitgroup_wait(&all);
    walk_at(run_walks, 0, 3);
    __asm__ volatile("" ::: "memory"); /* no tail call */
}

TEST(a_walk_reaches_the_start_function_and_ends)
{
    /* Goal: from 1 to 5 calls deep a walk passes the start function and ends right below. Method: ten goroutines
     * that walk between yields and sleeps, and main, whose stack is another. */
    all = (weft_waitgroup){0};
    CHECK_EQ(test_run(run_walks, NULL), 0);
}

static void walks_elsewhere(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < 40; i++) {
        int thread = thread_now();
        move(me, i);
        walk_at(walks_elsewhere, 0, 2);
        atomic_fetch_add(&moves, thread != thread_now());
    }
    atomic_fetch_add(&pair.turn, 1);
    weft_priv_gate_open(&pair.gates[!me]);
    weft_waitgroup_done(&all);
}

static void run_moves(void *arg)
{
    (void)arg;
    run_pair(walks_elsewhere);
}

TEST(a_walk_after_a_move_to_another_thread)
{
    /* Goal: the same on another thread than the frames were made on. Method: a pair that moves each other. */
    all = (weft_waitgroup){0};
    atomic_store(&moves, 0);
    run_until_moved(run_moves);
}
