/* SPDX-License-Identifier: Apache-2.0
 * preempt_stop.c - main has returned while an M that was asked to give way picks a goroutine that computes. That one stops at its
 * next weft call.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * bug: the M looks whether the run ends before it answers | runtime/sched/find.c | /before the look at WORD_STOP/d; s/^        if (unlikely(m->p && p_is_retiring(m->p)))/        if (atomic_load_relaxed(\&m->asked)) answer(m);\n&/ */
#include "asking.h"

static void *runs(void *arg)
{
    model_m = &m;
    model_here = m_here(&m);
    REQUIRE(sched_is_asked());
    struct g *to = gives_way(&g[0]);
    if (!to)
        return arg;
    AWAIT(sched_is_asked());
    to = gives_way(to);
    REQUIRE(to == NULL);
    return arg;
}

/* As run_main_returned() in end.c. */
static void *main_returns(void *arg)
{
    atomic_or_acq_rel(&sched.word, WORD_STOP);
    atomic_fence_after_rmw();
    atomic_or_acq_rel(&m.asked, ASKED_TO_STOP);
    return arg;
}

int main(void)
{
    asking_init();
    atomic_store_relaxed(&m.asked, ASKED_TO_YIELD);
    go(runs, NULL);
    go(main_returns, NULL);
    return 0;
}
