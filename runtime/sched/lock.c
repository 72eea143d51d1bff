/* SPDX-License-Identifier: Apache-2.0
 * lock.c - a goroutine and a thread that belong to each other.
 *
 * While a goroutine is locked its M runs no other one, and no other M runs it. It never switches to another
 * goroutine directly (each of its picks is a slow one, and pick_slowly gives nothing), so when it stops,
 * its M is in find_runnable, on its own stack:
 *
 *   RUNNING --stops, on_cpu = ON_CPU_LOCKED--> its M lets the P go and waits on `park`
 *      ^                                          | another M picks the goroutine, sees ON_CPU_LOCKED
 *      '------- handed that M's P, runs ----------'
 *
 * `park` is cleared before on_cpu becomes ON_CPU_LOCKED, so a hand-over that comes before the M sleeps isn't
 * lost. The M is not in idle_ms: nobody else wakes it but the end of the run.
 *
 * Cost: none where nobody is locked; two futex wake-ups each time a locked one stops for another. */
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

void weft_lock_os_thread(void)
{
    sched_checkpoint();
    struct m *m = m_self();
    if (!m || !m->g)
        return; /* a foreign thread is its own anyway */
    m->locks++;
    if (m->locks > 1)
        return;
    m->g->flags |= G_LOCKED;
    m->g->locked_to = m;
    m->locked_g = m->g;
    p_look_soon(m->p);
}

void weft_unlock_os_thread(void)
{
    struct m *m = m_self();
    if (!m || !m->g || m->locks == 0)
        return;
    m->locks--;
    if (m->locks > 0)
        return;
    m->g->flags &= (uint8_t)~G_LOCKED;
    m->locked_g = NULL;
}

/* g, which is locked to m, has left its stack. */
void g_left_locked(struct m *m, struct g *g)
{
    m->handed = NULL;
    atomic_store_relaxed(&m->park, 0);
    atomic_store_release(&g->on_cpu, ON_CPU_LOCKED); /* pairs with find_runnable() */
}

static void unpark(struct m *m, uint32_t why)
{
    uint32_t asleep = 0;
    if (atomic_cas_acq_rel(&m->park, &asleep, why))
        os_futex_wake(&m->park, 1);
}

/* m has picked g, which only another M may run: that one gets m's P. */
void locked_hand_over(struct m *m, struct g *g)
{
    struct p *p = m->p;
    m_set_p(m, NULL);
    alloc_bind(NULL);
    g->locked_to->handed = p;
    unpark(g->locked_to, M_HANDED);
}

/* The goroutine of m can't run yet: wait until somebody finds that it can. False: the run ends. */
bool locked_wait(struct m *m)
{
    if (m->spinning)
        m_stop_spinning(m);
    if (m->p)
        m_give_p_away(m);
    atomic_fence_full(); /* [STOP-1] after `park` was cleared */
    if (atomic_load_acquire(&sched.word) & WORD_STOP)
        return false;
    uint32_t why;
    qsbr_offline();
    while (!(why = atomic_load_acquire(&m->park))) /* pairs with unpark() */
        os_futex_wait(&m->park, 0, OS_FOREVER);
    qsbr_online();
    if (why == M_TOLD_TO_STOP)
        return false;
    m_hold(m, m->handed);
    return true;
}

/* The run ends. */
void locked_stop(struct m *m)
{
    if (atomic_load_acquire(&m->state) == M_RUNNING) /* [STOP-2] */
        unpark(m, M_TOLD_TO_STOP);
}

SANITIZE_OWNER_DATA_END
