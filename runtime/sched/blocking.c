/* SPDX-License-Identifier: Apache-2.0
 * blocking.c - weft_blocking: a function that may block the thread.
 *
 * The goroutine stays on its M (on_cpu stays set, nobody can pick it) and the M runs the function on
 * its own 8 MiB stack. Before that it lets its P go: the P is idle like any other, and when there is
 * work for it, or a timer that nobody watches, another M is woken for it at once. Afterwards the M
 * takes the same P again if it is still idle, else any idle one, and goes on where it was; with none
 * free the goroutine is injected and the M sleeps.
 *
 * Cost with nothing else runnable: 4 RMWs, 2 switches, 2 moves in and out of the QSBR. */
#include <errno.h>

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

static bool m_moves(struct m *m, uint32_t from, uint32_t to)
{
    return atomic_cas_acq_rel(&m->state, &from, to);
}

/* No P is to be had: the goroutine waits for one like any other. */
static void inject_resumed(struct m *m, struct g *g)
{
    if (!foreign_enter())
        return; /* the run has ended */
    if (!m_is_orphan(m)) {
        if (unlikely(g->flags & G_LOCKED))
            g_left_locked(m, g);
        else
            atomic_store_release(&g->on_cpu, 0); /* pairs with find_runnable */
        sched_inject(g);
    }
    foreign_exit();
}

/* On the scheduler's stack, which the goroutine has just switched to. */
void m_run_call(struct m *m)
{
    struct blocking_call *call = m->call;
    struct p *p = m->p;
    m->call = NULL;
    atomic_store_release(&m->calling, call);
    if (!m_moves(m, M_RUNNING, M_CALLING))
        return;
    atomic_add_acq_rel(&sched.in_blocking, 1);
    if (m_give_p_away(m))
        topology_unbind(m);
    qsbr_offline();

    *m->errno_location = call->error;
    sanitize_acquire(call);
    call->result = call->fn(call->arg);
    sanitize_release(call);
    call->error = *m->errno_location;
    arch_fp_save(&m->fp_control);

    if (!m_moves(m, M_CALLING, M_RUNNING))
        return;
    qsbr_online();
    atomic_sub_acq_rel(&sched.in_blocking, 1);
    atomic_store_release(&m->calling, NULL);
    if (atomic_load_acquire(&sched.word) & WORD_STOP)
        return;
    if (m_take_p(m, p))
        sched_run_g(m, call->g); /* may ask for the next call: m_loop sees to that */
    else
        inject_resumed(m, call->g);
}

void *weft_blocking(void *(*fn)(void *), void *arg)
{
    struct m *m = m_self();
    if (!m || !m->g)
        return fn(arg);
    struct g *g = m->g;
    struct blocking_call call = {.fn = fn, .arg = arg, .error = *m->errno_location, .g = g};
    m->call = &call;
    atomic_store_relaxed(&g->state, G_BLOCKING);
    sanitize_release(&call);
    sched_switch_to_loop(m, g, NULL);
    sanitize_acquire(&call);
    *m_self()->errno_location = call.error;
    return call.result;
}

SANITIZE_OWNER_DATA_END
