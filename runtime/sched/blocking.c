/* SPDX-License-Identifier: Apache-2.0
 * blocking.c - weft_blocking: a function that may block the thread.
 *
 * The function is called where it stands, but on the thread's own 8 MiB stack, below the scheduler's frames.
 * Meanwhile the P is idle like any other, only that it is found by p.section and not in idle_ps, so that
 * letting it go and taking it back costs little: whoever needs an idle P may take it (idle.c). Work that is
 * there when the section begins, or a timer that nobody watches, wakes an M for it at once. After the
 * function the M takes the same P again if it can, else another idle one; with none free the goroutine is
 * injected, and the M sleeps.
 *
 *   p.section: 0 --section_open--> index of the M + 1 --CAS: section_close, or p_acquire_section--> 0
 *
 * A panic in the function leaves its frames, and is raised again in the goroutine when the section has ended.
 *
 * The M stays registered as online with the QSBR (three fences cheaper): a function that blocks for long holds
 * up grace periods like a goroutine that computes.
 *
 * Cost when nobody takes the P: 5 RMWs, 2 changes of the stack. */
#include <errno.h>
#include <stdlib.h>

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

static bool m_moves(struct m *m, uint32_t from, uint32_t to)
{
    return atomic_cas_acq_rel(&m->state, &from, to);
}

struct called {
    struct m *m;
    struct g *g;
    void *(*fn)(void *);
    void *arg;
};

/* On the thread's own stack. */
static SANITIZE_NO_FRAME void *call_there(void *arg)
{
    struct called *c = arg;
    sanitize_arrive(&c->m->fiber);
    sanitize_acquire(c);
    void *result = leave_call(&c->m->section, c->fn, c->arg);
    sanitize_release(c);
    sanitize_leave(&c->m->fiber, &c->g->fiber);
    return result;
}

void *m_call(struct m *m, struct g *g, void *(*fn)(void *), void *arg)
{
    char *sp = (char *)m->ctx.sp - ARCH_RED_ZONE;
    sanitize_stack_below(sp, (size_t)7 << 20);
    if (!SANITIZE_FIBERS)
        return arch_call_on(&m->section.back, sp, fn, arg);
    struct arch_context unused;
    struct called c = {.m = m, .g = g, .fn = fn, .arg = arg};
    sanitize_release(&c);
    sanitize_leave(&g->fiber, &m->fiber);
    void *result = arch_call_on(&unused, sp, call_there, &c);
    sanitize_arrive(&g->fiber);
    sanitize_acquire(&c);
    return result;
}

/* Also what was raised there. */
static _Noreturn void abandon_with(char *trace)
{
    free(trace);
    sched_abandon();
}

/* No P is to be had: the goroutine waits for one like any other. */
static void wait_for_p(struct m *m, struct g *g, char *trace)
{
    if (!foreign_enter())
        abandon_with(trace); /* the run has ended */
    if (m_is_orphan(m)) {
        foreign_exit();
        abandon_with(trace);
    }
    sched_inject(g); /* nobody runs it before it has left this stack: on_cpu */
    foreign_exit();
    sched_switch_to_loop(m, g, g);
}

static __attribute__((noinline)) void section_end_slowly(struct m *m, struct g *g, char *trace)
{
    if (!m_take_p(m, NULL)) {
        wait_for_p(m, g, trace);
        return;
    }
    m->g = g;
    if (g->flags & G_LOCKED)
        p_look_soon(m->p);
}

/* False: the run has ended meanwhile, or ends now. */
static inline bool section_may_end(struct m *m)
{
    return m_moves(m, M_CALLING, M_RUNNING) &&
           likely(!(atomic_load_acquire(&sched.word) & WORD_STOP));
}

/* Whether p is still there. trace: of what was raised, or NULL. m.g comes after the P: who has none is left alone
 * with its P only when both are there (settle_ms). */
static inline bool section_end(struct m *m, struct g *g, struct p *p, char *trace)
{
    bool took_it = section_close(m, p);
    if (likely(took_it))
        m->g = g;
    else
        section_end_slowly(m, g, trace);
    atomic_store_relaxed(&g->state, G_ALIVE);
    return took_it;
}

/* What was raised lies on the thread's own stack, which is no longer this goroutine's when the section has ended. */
static __attribute__((noinline)) void section_panicked(struct m *m, struct g *g, struct p *p)
{
    struct sched_panic raised = *m->raised;
    m->raised = NULL;
    if (!section_may_end(m))
        abandon_with(raised.trace);
    section_end(m, g, p, raised.trace);
    sched_raise(&raised);
}

struct sched_flow *sched_section_flow(void)
{
    struct m *m = m_self();
    return m && !m->g && !m->p ? &atomic_load_relaxed(&m->calling)->flow : NULL;
}

void sched_leave_section(struct sched_panic *panic)
{
    struct m *m = m_self();
    m->raised = panic;
    leave_to(&m->section, NULL);
}

void *weft_blocking(void *(*fn)(void *), void *arg)
{
    struct m *m = m_self();
    struct g *g = m ? m->g : NULL;
    if (!g)
        return fn(arg);
    struct p *p = m->p;
    if (unlikely(p_is_orphan(p)))
        sched_abandon();
    if (WEFT_HELD_CHECK)
        held_check(m, g);       /* it may come back on another thread */
    arch_context_note(&g->ctx); /* for reports */
    atomic_store_relaxed(&g->state, G_BLOCKING);
    atomic_store_relaxed(&m->calling, g);
    m->g = NULL;
    section_open(m);
    if (!m_moves(m, M_RUNNING, M_CALLING)) { /* also the fence of [WAKE-2] */
        section_close(m, p);                 /* a later run's count of idle Ps must not keep it */
        sched_abandon();
    }
    if (p_left_wanted(p))
        topology_unbind(m);

    void *result = m_call(m, g, fn, arg);

    if (unlikely(m->raised))
        section_panicked(m, g, p);
    if (unlikely(!section_may_end(m)))
        sched_abandon();
    if (likely(section_end(m, g, p, NULL)) && unlikely(atomic_load_relaxed(&m->asked)))
        sched_give_way();
    return result;
}

SANITIZE_OWNER_DATA_END
