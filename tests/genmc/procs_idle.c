/* SPDX-License-Identifier: Apache-2.0
 * procs_idle.c - maxprocs goes from 2 to 1 while the M of the P that is to go lets it go, finding nothing, and takes it again: the
 * P is retired by one of them, or left for sysmon to find, and has one place.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/procs.c | s/magazine_flush([^;]*;/(void)0;/
 * bug: who shrinks looks only whether it is idle | runtime/sched/procs.c | /^static void shrink/,/^}/s/p_take_if_idle(p)/p_is_idle(p)/
 * bug: who has retired it keeps it | runtime/sched/find.c | /^static void retire_own_p/,/^}/s/m_set_p(m, NULL);/(void)0;/ */
#include "resizing.h"

static bool all_found(void)
{
    return false;
}

static void *shrinks(void *arg)
{
    resize(NULL, 1);
    return arg;
}

static void *idles(void *arg)
{
    struct m *m = arg;
    model_m = m;
    if (p_is_retiring(m->p))
        retire_own_p(m);
    if (m->p)
        m_drop_p(m);
    if (m_take_p(m, &p[1]))
        hold_p(m);
    if (m->p && p_is_retiring(m->p))
        retire_own_p(m);
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    idling_init(2);
    ms[0].p = &p[0];
    ms[1].p = &p[1];
    atomic_store_relaxed(&p[1].last_m, &ms[1]);
    threads[0] = go(shrinks, NULL);
    threads[1] = go(idles, &ms[1]);
    for (int i = 0; i < 2; i++)
        join(threads[i]);
    check_places(1);
    return 0;
}
