/* SPDX-License-Identifier: Apache-2.0
 * procs.c - weft_maxprocs: more or fewer Ps while goroutines run. Nothing is stopped for it.
 *
 *                 .-------------- grow, CAS --------------.
 *                 v                                       |
 *   (new) --> ACTIVE --shrink--> RETIRING --its holder or sysmon, CAS--> RETIRED --grow--> ACTIVE, idle
 *
 * Who holds a P that retires (the M that runs on it, at its next pass through find_runnable, or whoever found
 * it idle) empties it first, then moves it to RETIRED; where maxprocs was raised again meanwhile the CAS
 * fails and the P goes on. A retired P is neither held nor idle; its timers stay in it and are run by
 * others like those of any P, its counters are summed on. sched.procs is how many there should be,
 * sched.ps_made how many of this run there are.
 *
 * The first P of a run with one does without RMWs (P_SOLO). Only its holder can make it share. */
#include "runtime/sched/runq.h"

SANITIZE_OWNER_DATA_BEGIN

bool p_is_retiring(struct p *p)
{
    return atomic_load_acquire(&p->life) == P_RETIRING;
}

/* Everything that others can use goes to where they find it. */
static void empty(struct p *p)
{
    bool some = false;
    for (struct g *g; (g = runq_take_next(p)) || (g = runq_take_waiting(p)); some = true)
        injection_push(g);
    magazine_flush(&p->gs.free, &sched.g_class.depot);
    caches_flush(p->caches);
    spares_free(&p->chans);
    stacks_flush(&sched.stack_class, &p->stacks);
    atomic_fence_full(); /* [WAKE-1] */
    if (some)
        wake_one(NULL, NULL);
}

bool p_retire(struct p *p)
{
    uint32_t retiring = P_RETIRING;
    empty(p);
    return atomic_cas_acq_rel(&p->life, &retiring, P_RETIRED);
}

/* ---- one P becomes several ---- */

void p_share(struct p *p)
{
    if (atomic_load_relaxed(&p->mode) == P_SOLO)
        atomic_store_release(&p->mode, P_SHARED);
}

/* On a goroutine the only P is the caller's. Else it is taken while it is idle, or its M is asked. False: the run ends,
 * and its M may have left with the P. */
static bool make_first_share(struct m *m)
{
    struct p *p = sched.ps[0];
    os_fence_prepare(); /* for thieves, see runq.h */
    if (m)
        p_share(p);
    while (atomic_load_acquire(&p->mode) == P_SOLO) {
        if (atomic_load_acquire(&sched.word) & WORD_STOP)
            return false;
        if (p_take_if_idle(p)) {
            p_share(p);
            p_release(p);
            return true;
        }
        p_ask_holder(p, ASKED_TO_SHARE);
        os_yield();
    }
    return true;
}

/* ---- more, fewer ---- */

/* Ps [first, n) for this run. How many there are then. */
static unsigned make_more(unsigned first, unsigned n)
{
    unsigned made = first;
    for (; made < n; made++) {
        if (!sched.ps[made] && !(sched.ps[made] = p_new(made)))
            break;
        p_reset(sched.ps[made]);
        atomic_store_relaxed(&sched.ps[made]->mode, P_SHARED);
        atomic_store_relaxed(&sched.ps[made]->life, P_RETIRED);
    }
    topology_extend(first, made, !sched.config.no_pin);
    atomic_store_release(&sched.ps_made, made); /* pairs with ps_made() */
    return made;
}

static unsigned grow(struct m *m, unsigned old, unsigned n)
{
    if (old == 1 && !make_first_share(m))
        return old;
    unsigned made = ps_made();
    if (made < n)
        made = make_more(made, n);
    if (n > made)
        n = made; /* no memory for more */
    atomic_store_release(&sched.procs, n);
    for (unsigned i = old; i < n; i++) {
        struct p *p = sched.ps[i];
        uint32_t retiring = P_RETIRING;
        if (atomic_cas_acq_rel(&p->life, &retiring, P_ACTIVE))
            continue; /* it has not got round to it */
        atomic_store_release(&p->life, P_ACTIVE);
        p_release(p);
    }
    if (work_queued()) /* [WAKE-2] after p_release */
        wake_one(NULL, NULL);
    return n;
}

static void shrink(unsigned old, unsigned n)
{
    atomic_store_release(&sched.procs, n);
    for (unsigned i = n; i < old; i++) {
        struct p *p = sched.ps[i];
        atomic_store_release(&p->life, P_RETIRING);
        if (p_take_if_idle(p)) {
            if (!p_retire(p))
                p_release(p);
            continue;
        }
        p_ask_holder(p, ASKED_TO_YIELD);
    }
}

/* The caller has the right to. */
static void resize(struct m *m, unsigned n)
{
    unsigned old = atomic_load_relaxed(&sched.procs);
    n = n < PROCS_MAX ? n : PROCS_MAX;
    if (n > old)
        n = grow(m, old, n);
    else if (n < old)
        shrink(old, n);
    sched_may_spin(n);
}

int weft_maxprocs(int n)
{
    static _Atomic(bool) busy;
    sched_checkpoint();
    struct m *m = m_self();
    bool on_goroutine = m && m->g && !p_is_orphan(m->p);
    if (!on_goroutine && !foreign_enter())
        return procs_outside_runs(n);
    while (n > 0 && atomic_swap_acq_rel(&busy, true)) { /* another is at it */
        if (on_goroutine)
            weft_yield();
        else
            os_yield(); /* an orphan, too: it is inside as a foreign thread, and must come out */
    }
    int old = (int)atomic_load_relaxed(&sched.procs);
    if (n > 0) {
        m = on_goroutine ? m_self() : NULL;
        resize(m, (unsigned)n);
        atomic_store_release(&busy, false);
        if (m && p_is_retiring(m->p))
            weft_yield(); /* this one goes on elsewhere */
    }
    if (!on_goroutine)
        foreign_exit();
    return old;
}

SANITIZE_OWNER_DATA_END
