/* SPDX-License-Identifier: Apache-2.0
 * wake.c - the wake-up fence: an M finds nothing, lets its P go and goes to sleep, while one that computes
 * pushes a goroutine. Whatever the M sees or doesn't, the goroutine is found: it doesn't wait
 * beside an idle P.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/idle.c | s/ROUNDS_BEFORE_YIELD 16/ROUNDS_BEFORE_YIELD 3/
 * bug: a push looks for idle Ps without a fence | runtime/sched/runq.h | /\[WAKE-1\]/s/atomic_fence_after_rmw();//
 * bug: who idles looks at the queues without a fence | runtime/sched/idle.c | /\[WAKE-2\]/s/atomic_fence_after_rmw();//
 * bug: who idles does not look again | runtime/sched/idle.c | s/((word & WORD_IDLE_MASK) && work_visible(m))/false/ */
#include "idling.h"

static struct g woken = {.id = 1};

static bool all_found(void)
{
    return atomic_load_relaxed(&found) >= 1;
}

/* On the other P, a goroutine makes another runnable and computes: waiter_wake_in_order. */
static void *computes(void *arg)
{
    model_m = &ms[0];
    runq_push_tail(&p[0], &woken);
    wake_check(&p[0]);
    return arg;
}

int main(void)
{
    idling_init(2);
    ms[0].p = &p[0];
    ms[1].p = &p[1];
    go(computes, NULL);
    go(m_thread_idles, &ms[1]);
    go(spare_m, &ms[2]);
    return 0;
}
