/* SPDX-License-Identifier: Apache-2.0
 * end_orphan.c - a goroutine computes on when the run has ended without it, and enters a blocking section in
 * a later run: the count of idle Ps, by now that run's, stays as it was.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * bug: an orphan's P counts as idle | runtime/sched/blocking.c | /if (unlikely(p_is_orphan/,+1d; s/^        section_close(m, p);.*$//
 * bug: an orphan enters the section all the same | runtime/sched/blocking.c | /if (unlikely(p_is_orphan/,+1d; s/if (!m_moves(m, M_RUNNING, M_CALLING))/if (m_moves(m, M_RUNNING, M_CALLING), false)/ */
#include "ending.h"

static _Atomic(uint32_t) inside, later_run;

static void body(void *arg)
{
    struct m *here = arg;
    here->p->id_next++; /* plain: a P with two holders is a race */
    atomic_store_release(&inside, 1);
    AWAIT(atomic_load_acquire(&later_run)); /* it computes */
    weft_blocking(section, NULL);
    REQUIRE(false);
}

int main(void)
{
    static struct grave grave;
    static struct stack pooled = {.pooled = true};
    static struct p later;
    bool computes = false;
    run_of_one(G_BLOCKING);
    g.stack = &pooled;
    pthread_t t = go(thread, &m);
    AWAIT(atomic_load_acquire(&inside));
    REQUIRE(settle_ms(-1, &computes) && computes);
    sched.ps[0] = &later; /* instead of the one that went with the orphan */
    atomic_store_release(&later_run, 1);
    AWAIT(atomic_load_acquire(&m.state) == M_GONE);
    bury_orphans(&grave);
    REQUIRE(atomic_load_relaxed(&m.state) == M_FREE);
    REQUIRE(atomic_load_relaxed(&idle) == 0);
    join(t);
    return 0;
}
