/* SPDX-License-Identifier: Apache-2.0
 * spin_gives_up.c - the wake word: a push wakes nobody while an M spins, which gives up just then. The
 * goroutine is found: either the push sees that nobody spins any more, or the M sees the goroutine.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/idle.c | s/ROUNDS_BEFORE_YIELD 16/ROUNDS_BEFORE_YIELD 3/
 * bug: who stops spinning looks at the queues without a fence | runtime/sched/idle.c | /^bool m_idle/,/^}/{/\[WAKE-2\]/s/atomic_fence_after_rmw();//}
 * bug: who stops spinning is counted until it sleeps | runtime/sched/idle.c | /^bool m_idle/,/^}/{/^        if (spinning)/,+2d; s/^        if (m_sleep(m))/        if (spinning) atomic_sub_acq_rel(\&sched.word, WORD_SPIN_ONE); spinning = false; if (m_sleep(m))/}
 * bug: an idle M is listed after it has looked | runtime/sched/idle.c | /^bool m_idle/,/^}/{/^        idle_m_add(m);/d; s/^        if (m_sleep(m))/        idle_m_add(m); if (m_sleep(m))/} */
#include "idling.h"

static struct g woken = {.id = 1};

static bool all_found(void)
{
    return atomic_load_relaxed(&found) >= 1;
}

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
    ms[1].spinning = true;
    atomic_store_relaxed(&sched.word, WORD_SPIN_ONE);
    go(computes, NULL);
    go(m_thread_idles, &ms[1]);
    go(spare_m, &ms[2]);
    return 0;
}
