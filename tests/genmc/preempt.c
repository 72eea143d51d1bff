/* SPDX-License-Identifier: Apache-2.0
 * preempt.c - sysmon asks a goroutine to give way that has had its P for a slice, while the M picks another one. An ask
 * that comes too late is answered by the next, once; but whoever keeps the P is asked, and finds out at its next weft
 * call: no pass through find_runnable takes that back.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * bug: what is asked is taken back after the pick | runtime/sched/find.c | s/^        return g;$/        atomic_and_acq_rel(\&m->asked, ASKED_TO_STOP); return g;/
 * bug: a pick is published before what was asked is answered | runtime/sched/find.c | s/^    uint32_t asked = atomic_and_acq_rel(&m->asked/    atomic_store_release(\&m->p->picks_left, 7);&/
 * bug: what is asked is answered again and again | runtime/sched/find.c | s/atomic_and_acq_rel(&m->asked, ASKED_TO_STOP)/atomic_load_relaxed(\&m->asked)/
 * bug: sysmon asks without looking at the picks | runtime/sched/sysmon.c | s/if (!m || picks != p->seen_picks)/if (!m)/ */
#include "asking.h"

#include "runtime/sched/sysmon.c"

/* A whole one: sysmon would look again. */
static bool another_pick(void)
{
    uint32_t left = atomic_load_acquire(&p.picks_left);
    return left != 0 && left != SLOW_PICK_EVERY;
}

/* The thread uses a slice between two looks. */
int64_t os_thread_cpu(int id)
{
    static int64_t used;
    (void)id;
    return used += SLICE_NS;
}

static void *runs(void *arg)
{
    int answers = 0;
    model_m = &m;
    model_here = m_here(&m);
    if (sched_is_asked())
        answers++;
    struct g *to = gives_way(&g[0]); /* asked or not */
    REQUIRE(to == &g[1]);
    AWAIT(sched_is_asked());
    answers++;
    to = gives_way(&g[1]);
    REQUIRE(to == &g[0]);
    if (sched_is_asked())
        answers++;
    REQUIRE(answers <= 2);
    return arg;
}

static void *watches(void *arg)
{
    end_slice(&p, false, SLICE_NS); /* about the first one, if it still is there */
    AWAIT(another_pick());
    AWAIT(atomic_load_acquire(&p.runq.tail) >=
          2); /* the first is queued again: sysmon looks until it sees that */
    end_slice(&p, false, SLICE_NS);
    end_slice(&p, false, SLICE_NS);
    end_slice(&p, false, SLICE_NS);
    return arg;
}

int main(void)
{
    asking_init();
    p.seen_picks = p_picks(&p);
    go(runs, NULL);
    go(watches, NULL);
    return 0;
}
