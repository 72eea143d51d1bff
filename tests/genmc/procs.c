/* SPDX-License-Identifier: Apache-2.0
 * procs.c - maxprocs goes from 2 to 1, and to 2 again, while an M comes by with a goroutine in its P, which is the one to go.
 * The M runs it or gives it to all, and afterwards each P has one place. There are no more threads to be had, and the other
 * M computes.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/procs.c | s/magazine_flush([^;]*;/(void)0;/
 * bug: what the P has goes with it | runtime/sched/procs.c | s/        injection_push(g);/        (void)g;/
 * bug: it retires though it is wanted again | runtime/sched/procs.c | s/return atomic_cas_acq_rel(&p->life, &retiring, P_RETIRED);/return atomic_store_release(\&p->life, P_RETIRED), true;/
 * bug: one that has retired is not let go again | runtime/sched/procs.c | /P_ACTIVE);$/{n;s/p_release(p);/(void)0;/}
 * bug: who shrinks retires a P that another holds | runtime/sched/procs.c | /^static void shrink/,/^}/s/p_take_if_idle(p)/true/ */
#include "resizing.h"

static struct g kept = {.id = 1};

static bool all_found(void)
{
    return false;
}

static void *resizes(void *arg)
{
    resize(NULL, 1);
    resize(NULL, 2);
    return arg;
}

/* As find_runnable(), without what it has for an M that has no P. */
static void *comes_by(void *arg)
{
    struct m *m = arg;
    model_m = m;
    if (atomic_load_relaxed(&m->asked))
        answer(m);
    hold_p(m);
    if (p_is_retiring(m->p))
        retire_own_p(m);
    if (!m->p)
        return NULL;
    hold_p(m);
    struct g *g = take_any(m);
    if (g)
        ran(m, g);
    return NULL;
}

int main(void)
{
    pthread_t threads[2];
    idling_init(2);
    ms[0].p = &p[0];
    ms[1].p = &p[1];
    atomic_store_relaxed(&started, 1);
    atomic_store_relaxed(&p[1].last_m, &ms[1]);
    atomic_store_relaxed(&p[1].next, &kept);
    threads[0] = go(resizes, NULL);
    threads[1] = go(comes_by, &ms[1]);
    for (int i = 0; i < 2; i++)
        join(threads[i]);
    REQUIRE(atomic_load_relaxed(&found) + (atomic_load_relaxed(&sched.injected) != NULL) == 1);
    check_places(2);
    return 0;
}
