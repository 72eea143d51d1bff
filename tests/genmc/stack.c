/* SPDX-License-Identifier: Apache-2.0
 * stack.c - dying stacks: on the first M a goroutine ends and hands its stack to its successor, which
 * parks, is woken and goes on on the second M, ends there and hands the stack on once more; on that
 * M another one ends on a stack of its own size, which the next flow of control frees. A stack has one user
 * at a time, and none after it is freed.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a stack is freed by who stands on it | runtime/sched/park.c | /void exit_here/,/^}/s/m->prev = g;/m->prev = NULL, g_reap(m, g);/
 * bug: a stack is handed over and put back | runtime/sched/park.c | s/to->stack = g->stack;/to->stack = g->stack, stack_put(\&sched.stack_class, \&p->stacks, g->stack);/
 * bug: who starts on a dead stack is taken to have left it | runtime/sched/park.c | s/atomic_store_relaxed(&to->on_cpu, ON_CPU);/(void)0;/ */
#include "flows.h"

#define GATE_OPEN ((struct waiter *)1)

static struct g ends_first, parks, wakes, follows, fresh;
static _Atomic(struct waiter *) gate;
static _Atomic(uint32_t) ended;

static void fn_end(void *arg)
{
    (void)arg;
    atomic_add_relaxed(&ended, 1);
}

static void fn_park(void *arg)
{
    struct waiter *w = waiter_self();
    if (!atomic_swap_acq_rel(&gate, w))
        waiter_wait(w, WAIT_GATE);
    fn_end(arg);
}

static void fn_wake(void *arg)
{
    struct waiter *w = atomic_swap_acq_rel(&gate, GATE_OPEN);
    if (w)
        waiter_wake(w);
    fn_end(arg);
}

int main(void)
{
    ms_init();
    g_make(&ends_first, fn_end, NULL, &p[0]);
    g_make(&parks, fn_park, NULL, &p[0]);
    g_make(&fresh, fn_end, NULL, &p[0]);
    g_make(&wakes, fn_wake, NULL, &p[1]);
    g_make(&follows, fn_end, NULL, &p[1]);
    pthread_t a = go(m_thread, &ms[0]), b = go(m_thread, &ms[1]);
    join(a);
    join(b);
    REQUIRE(atomic_load_relaxed(&ended) == 5);
    return 0;
}
