/* SPDX-License-Identifier: Apache-2.0
 * asking.h - an M that runs goroutines in turn, and is asked to give way: find.c's answer, over stubs of the rest. A
 * goroutine is what the M's thread does between two picks. */
#ifndef WEFT_TESTS_GENMC_ASKING_H
#define WEFT_TESTS_GENMC_ASKING_H

#include "fence.h"

#include "runtime/sched/deque.c"
#include "runtime/sched/find.c"

struct sched sched;
_Thread_local struct m *tls_m; /* model_m stands for it */

static struct p p;
static struct m m;
static struct g g[2];

/* ---- what find.c needs of its neighbours ---- */

int64_t os_now(void)
{
    return 1;
}

bool p_is_idle(struct p *here)
{
    (void)here;
    return false;
}

bool p_is_retiring(struct p *here)
{
    (void)here;
    return false;
}

void injection_take(struct p *here)
{
    (void)here;
}

void m_hunt_ended(struct m *here, bool paid)
{
    (void)here, (void)paid;
}

void watcher_ensure(struct m *here)
{
    (void)here;
}

void qsbr_quiescent(void) {}

/* ---- the M ---- */

/* As weft_yield() in park.c. NULL: the run ends. */
static struct g *gives_way(struct g *from)
{
    struct g *to = runq_pick_for(&m, from);
    if (to)
        return to;
    REQUIRE(runq_slow_pick_is_due(&p));
    runq_push_tail(&p, from);
    return find_runnable(&m);
}

static void retire(struct deque_array *a)
{
    alloc_free(a);
}

/* The first goroutine runs, the other waits. */
static void asking_init(void)
{
    atomic_store_relaxed(&sched.procs, 1);
    atomic_store_relaxed(&sched.ps_made, 1);
    sched.ps[0] = &p;
    atomic_store_relaxed(&p.mode, P_SOLO);
    atomic_store_relaxed(&p.timer.earliest, OS_FOREVER);
    atomic_store_relaxed(&p.timer.loose, OS_FOREVER);
    atomic_store_relaxed(&p.picks_left, SLOW_PICK_EVERY);
    atomic_store_relaxed(&p.last_m, &m);
    deque_init(&p.runq, retire);
    m.p = &p;
    REQUIRE(deque_push(&p.runq, &g[1]) == 0);
}

#endif
