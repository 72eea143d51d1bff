/* SPDX-License-Identifier: Apache-2.0
 * injection.c - goroutines made runnable by those who hold no P: foreign threads, blocking sections.
 *
 * An intrusive stack, pushed by CAS and taken whole by one swap, then reversed: first in first out
 * within a batch, no lock, nothing to allocate. Every slow pick looks at it, and who is idle. */
#include "runtime/sched/runq.h"

SANITIZE_OWNER_DATA_BEGIN

void injection_push(struct g *g)
{
    g->next = atomic_load_relaxed(&sched.injected);
    while (!atomic_cas_acq_rel(&sched.injected, &g->next, g))
        ;
}

/* All of it, to the tail of this P's queue. */
void injection_take(struct p *p)
{
    if (likely(!atomic_load_relaxed(&sched.injected)))
        return;
    struct g *newest = atomic_swap_acq_rel(&sched.injected, NULL), *oldest = NULL;
    while (newest) {
        struct g *g = newest;
        newest = g->next;
        g->next = oldest;
        oldest = g;
    }
    while (oldest) {
        struct g *g = oldest;
        oldest = g->next;
        runq_push_tail(p, g);
    }
}

/* Push, and wake somebody, maybe. */
void sched_inject(struct g *g)
{
    injection_push(g);
    atomic_fence_after_rmw(); /* [WAKE-1] */
    wake_one(NULL, NULL);
}

SANITIZE_OWNER_DATA_END
