/* SPDX-License-Identifier: Apache-2.0
 * wake_foreign.c - as wake.c, where the goroutine comes from a thread that holds no P, by way of the
 * injection stack.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/idle.c | s/ROUNDS_BEFORE_YIELD 16/ROUNDS_BEFORE_YIELD 3/
 * bug: who injects looks for idle Ps without a fence | runtime/sched/injection.c | /\[WAKE-1\]/s/atomic_fence_after_rmw();//
 * bug: who idles looks at the queues without a fence | runtime/sched/idle.c | /\[WAKE-2\]/s/atomic_fence_after_rmw();//
 * bug: who idles does not look at what was injected | runtime/sched/find.c | /^bool work_visible/,/^}/s/atomic_load_acquire(&sched.injected)/false/ */
#include "idling.h"

static struct g woken = {.id = 1};

static bool all_found(void)
{
    return atomic_load_relaxed(&found) >= 1;
}

/* A foreign thread. */
static void *injects(void *arg)
{
    sched_inject(&woken);
    return arg;
}

int main(void)
{
    idling_init(2);
    ms[0].p = &p[0];
    ms[1].p = &p[1];
    go(injects, NULL);
    go(m_thread_idles, &ms[1]);
    go(spare_m, &ms[2]);
    return 0;
}
