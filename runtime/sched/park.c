/* SPDX-License-Identifier: Apache-2.0
 * park.c - giving the processor from one goroutine to the next: yield, park, unpark, exit.
 *
 * A goroutine that stops picks its successor itself, from its own P, and switches straight to it.
 * Only when there is none at hand (nothing queued, the candidate is still on a CPU, or it is time for
 * a slow pick) it switches to the scheduler's stack, which may search, steal, spin and sleep.
 *
 *   on_cpu: set by who switches to a goroutine; cleared by arrive, the first thing that runs
 *   after any switch, with a release that pairs with the acquire in runq_pick() and find_runnable():
 *   a picker that sees it clear sees all that the goroutine left on its stack and in its context.
 *
 * An exiting goroutine can't free the stack it stands on: arrive does, on the next stack. But a
 * successor that has never run and wants the same size just starts over on the dead stack.
 *
 * Floors, where `next` is what is woken and picked: park 0 RMWs + 1 switch; unpark 0; exit into a fresh goroutine
 * 0, no switch. Yield 1 RMW (the pop) + 1 switch. */
#include "runtime/sched/runq.h"

SANITIZE_OWNER_DATA_BEGIN

const struct weft_here sched_nowhere = {.place_ = SCHED_NUMBERS};

/* used: they are named in assembly */
__attribute__((used)) _Thread_local struct m *tls_m;
__attribute__((used)) _Thread_local const struct weft_here *weft_here_now = &sched_nowhere;

/* A context that starts g on its stack. */
void g_prepare(struct g *g)
{
    sanitize_fiber_init(&g->fiber, g->stack->low, g->stack->bytes);
    arch_context_init(&g->ctx, stack_top(g->stack), sched_goroutine_entry);
}

/* It runs for the first time. */
static __attribute__((noinline)) void g_take_stack(struct p *p, struct g *g)
{
    g->stack = stack_get(&sched.stack_class, &p->stacks);
    if (unlikely(!g->stack))
        sched_fatal("out of memory: no stack for a goroutine");
    g->stack->began = g->began;
    g_prepare(g);
}

static inline __attribute__((always_inline)) void g_becomes_current(struct m *m, struct g *g)
{
    if (!g->stack)
        g_take_stack(m->p, g);
    m->g = g;
    atomic_store_relaxed(&g->on_cpu, ON_CPU);
}

static __attribute__((noinline)) void left_specially(struct m *m, struct g *g)
{
    if (g->flags & G_LOCKED) {
        m->locked_g = NULL;
        m->ends = true;
    }
    if ((g->flags & G_MAIN) && !atomic_load_relaxed(&sched.main_gone))
        run_main_returned();
}

/* The goroutine that ran here before has left its stack for good. */
static __attribute__((noinline)) void g_reap(struct m *m, struct g *g)
{
    struct p *p = m->p;
    sanitize_fiber_destroy(&g->fiber);
    if (unlikely(g->stack->guard == GUARD_NONE))
        bare_stack_left(g);
    if (likely(g->stack->pooled || g->stack != sched.main_stack))
        stack_put(&sched.stack_class, &p->stacks, g->stack);
    if (unlikely(g->flags & (G_LOCKED | G_MAIN)))
        left_specially(m, g);
    g_free(p, g);
}

static inline __attribute__((always_inline)) void arrive(struct m *m)
{
    struct g *prev = m->prev;
    if (!prev)
        return;
    if (likely(!(prev->flags & (G_EXITING | G_LOCKED))))
        atomic_store_release(&prev->on_cpu, 0); /* pairs with runq_settled, find_runnable */
    else if (prev->flags & G_EXITING)
        g_reap(m, prev);
    else
        g_left_locked(m, prev);
}

static inline __attribute__((always_inline)) void switch_plainly(struct m *m, struct g *from,
                                                                 const struct arch_context *to,
                                                                 struct sanitize_fiber *fiber)
{
    int saved_errno = *m->errno_location;
    arch_fp_save(&m->fp_control);
    uint16_t fp_control = m->fp_control;
    sanitize_release(&sched.main_stack); /* for weft_run, which returns after all of this */
    sanitize_leave(&from->fiber, fiber);
    m = arch_switch(&from->ctx, to, m);
    sanitize_arrive(&from->fiber);
    arrive(m);
    *m->errno_location = saved_errno;
    if (unlikely(m->fp_control != fp_control))
        arch_set_fp_control(fp_control);
}

static inline bool exceptions_live(struct m *m)
{
    return ((uintptr_t)m->exceptions->caught | m->exceptions->uncaught) != 0;
}

/* Within a catch block, or a destructor while something is thrown: what the C++ runtime knows of that lies in the
 * thread, and goes with the goroutine. Others find the thread as if nothing were thrown. */
static __attribute__((noinline)) void switch_with_exceptions(struct m *m, struct g *from,
                                                             const struct arch_context *to,
                                                             struct sanitize_fiber *fiber)
{
    struct os_exceptions kept = *m->exceptions;
    *m->exceptions = (struct os_exceptions){0};
    switch_plainly(m, from, to, fiber);
    *m_self()->exceptions = kept;
}

/* Stop `from` and go on at `to`, a context of this M or of a goroutine that is ours. */
static inline __attribute__((always_inline)) void switch_from(struct m *m, struct g *from,
                                                              const struct arch_context *to,
                                                              struct sanitize_fiber *fiber)
{
    if (unlikely(exceptions_live(m)))
        switch_with_exceptions(m, from, to, fiber);
    else
        switch_plainly(m, from, to, fiber);
}

/* The caller's frames are left for good. */
static void exceptions_forget(struct m *m)
{
    if (exceptions_live(m))
        *m->exceptions = (struct os_exceptions){0};
}

static inline __attribute__((always_inline)) void g_switch(struct m *m, struct g *from,
                                                           struct g *to)
{
    g_becomes_current(m, to);
    m->prev = from;
    switch_from(m, from, &to->ctx, &to->fiber);
}

/* prev: who is to be cleared there; NULL when the goroutine stays on its CPU (blocking.c). */
void sched_switch_to_loop(struct m *m, struct g *from, struct g *prev)
{
    m->g = NULL;
    m->prev = prev;
    switch_from(m, from, &m->ctx, &m->fiber);
}

void sched_run_g(struct m *m, struct g *g)
{
    g_becomes_current(m, g);
    if (unlikely(g->flags & G_LOCKED))
        p_look_soon(m->p);
    m->prev = NULL;
    sanitize_leave(&m->fiber, &g->fiber);
    struct m *back = arch_switch(&m->ctx, &g->ctx, m);
    WEFT_DEBUG_ASSERT(back == m);
    sanitize_arrive(&back->fiber);
    arrive(back);
}

void weft_yield(void)
{
    struct m *m = m_self();
    if (unlikely(!m || !m->g)) {
        os_yield();
        return;
    }
    struct g *g = m->g, *to = runq_pick_for(m, g);
    if (likely(to)) {
        g_switch(m, g, to);
    } else if (runq_slow_pick_is_due(m->p)) {
        m->gives_way = g;
        sched_switch_to_loop(m, g, g);
    }
}

/* An orphan goes on until it would wait or start something, as it is no part of a run. One who reports the end of the process may be in a
 * signal's handler. */
__attribute__((noinline)) void sched_give_way(void)
{
    struct m *m = m_self();
    if (m->g && !p_is_orphan(m->p) && !sched_dies_here())
        weft_yield();
}

/* The clock is looked at the first, second, fourth, eighth time and so on: who comes here more seldom than every
 * GO_ON_NS / GO_ON_TIMES gives way when he has gone on for between GO_ON_NS and about twice that. */
void sched_go_on_for_now(void)
{
    struct m *m = m_self();
    if (!m || !m->g)
        return;
    uint64_t picks = p_picks(m->p);
    if (picks != m->gone_on_picks) {
        m->gone_on_picks = picks;
        m->gone_on = 0;
    }
    uint32_t times = ++m->gone_on;
    if (times & (times - 1))
        return;
    if (times == 1) {
        m->gone_on_since = os_now();
    } else if (times >= GO_ON_TIMES || os_now() - m->gone_on_since >= GO_ON_NS) {
        m->gone_on = 0;
        sched_give_way();
    }
}

bool sched_on_goroutine(void)
{
    struct m *m = m_self();
    return m && m->g;
}

bool sched_is_orphan(void)
{
    struct m *m = m_self();
    return m && m->g && p_is_orphan(m->p);
}

struct sched_p *sched_p_left(void)
{
    struct m *m = m_self();
    return (struct sched_p *)(m && !m->holds ? m->p : NULL);
}

struct waiter *waiter_self(void)
{
    struct m *m = m_self();
    if (unlikely(!m || !m->g))
        return foreign_waiter();
    if (unlikely(p_is_orphan(m->p)))
        sched_abandon(); /* it would wait for the next run to wake it */
    return &m->g->waiter;
}

/* `to` is picked and about to run, woken from waiter_wait_unlocking(): is it given the lock? */
static inline bool goes_on_with(struct g *to, _Atomic(uint64_t) *lock)
{
    if (!(to->flags & G_RELOCKS) || to->waiter.elem != lock || atomic_load_relaxed(lock) != 1)
        return false;
    to->waiter.result |= WAITER_HAS_LOCK;
    sanitize_release(&to->waiter);
    return true;
}

/* lock: NULL, or see waiter_wait_unlocking(). */
static inline __attribute__((always_inline)) void
park(struct m *m, struct g *g, _Atomic(uint64_t) *lock, void (*unlock)(_Atomic(uint64_t) *lock))
{
    if (WEFT_HELD_CHECK)
        held_check(m, g);
    counter_add(&m->p->parks, 1);
    atomic_store_release(&g->state, G_PARKED); /* pairs with is_left_parked() */
    struct g *to = runq_pick(m);
    if (lock && !(likely(to) && goes_on_with(to, lock)))
        unlock(lock);
    /* With a successor m was asked nothing: should the run end without it g has been parked for stop_ns by then. */
    if (likely(to)) {
        g_switch(m, g, to);
    } else {
        atomic_fence_light(); /* [ORPHAN-1] */
        bool orphan = m_is_orphan(m);
        if (unlikely(orphan))
            orphan_unlink(g);
        sched_switch_to_loop(m, g, orphan ? NULL : g); /* on_cpu stays: nobody goes on with it */
    }
    atomic_store_relaxed(&g->state, G_ALIVE);
}

/* w is not its goroutine's own. */
static __attribute__((noinline)) uint16_t wait_elsewhere(struct waiter *w)
{
    if (w->g) {
        atomic_store_relaxed(&w->g->waiting, w);
        park(m_self(), w->g, NULL, NULL);
        atomic_store_relaxed(&w->g->waiting, NULL);
    } else {
        foreign_wait(w);
    }
    sanitize_acquire(w);
    return w->result;
}

static inline __attribute__((always_inline)) uint16_t wait_own(struct m *m, struct g *g,
                                                               enum wait_reason reason)
{
    atomic_store_relaxed(&g->waiter.reason, (uint8_t)reason);
    park(m, g, NULL, NULL);
    sanitize_acquire(&g->waiter);
    return g->waiter.result;
}

uint16_t waiter_wait(struct waiter *w, enum wait_reason reason)
{
    struct g *g = container_of(w, struct g, waiter);
    if (likely(w->g == g))
        return wait_own(m_self(), g, reason);
    atomic_store_relaxed(&w->reason, (uint8_t)reason);
    return wait_elsewhere(w);
}

uint16_t waiter_wait_here(struct sched_m *m, enum wait_reason reason)
{
    struct g *g = (struct g *)m->g;
    if (unlikely(g->waiter.g != g))
        return waiter_wait(&g->waiter, reason); /* weft_priv_hold() */
    return wait_own((struct m *)m, g, reason);
}

uint16_t waiter_wait_unlocking(struct waiter *w, enum wait_reason reason, _Atomic(uint64_t) *lock,
                               void (*unlock)(_Atomic(uint64_t) *lock))
{
    struct g *g = container_of(w, struct g, waiter);
    if (unlikely(w->g != g)) {
        unlock(lock);
        return waiter_wait(w, reason);
    }
    atomic_store_relaxed(&w->reason, (uint8_t)reason);
    w->elem = lock;
    g->flags |= G_RELOCKS;
    park(m_self(), g, lock, unlock);
    g->flags &= (uint8_t)~G_RELOCKS;
    sanitize_acquire(w);
    return w->result;
}

/* An orphan that holds nothing took g out when the run was still its own: both have been left behind since. */
static __attribute__((noinline)) void wake_without_p(struct g *g)
{
    struct m *m = m_self();
    if (unlikely(m && m->p && !m->holds))
        return;
    atomic_add_relaxed(&sched.foreign_unparks, 1);
    sched_inject(g);
}

/* Out of line: a wake-up that displaces nobody saves no registers. */
static __attribute__((noinline)) void wake_displacing(struct p *p, struct g *displaced)
{
    runq_settle_next(p, displaced);
}

static inline __attribute__((always_inline)) void wake_next(struct p *p, struct g *g)
{
    counter_add(&p->unparks, 1);
    prefetch_stack(g); /* it most likely runs next */
    struct g *displaced = runq_swap_next(p, g);
    if (unlikely(displaced))
        wake_displacing(p, displaced);
    else
        runq_settle_next(p, NULL);
}

void waiter_wake(struct waiter *w)
{
    struct g *g = w->g;
    sanitize_release(w);
    if (unlikely(!g)) {
        foreign_wake(w);
        return;
    }
    struct p *p = p_self();
    if (unlikely(!p)) {
        wake_without_p(g);
        return;
    }
    wake_next(p, g);
}

void waiter_wake_here(struct waiter *w, struct sched_m *m)
{
    sanitize_release(w);
    wake_next((struct p *)m->p, w->g);
}

void waiter_wake_in_order(struct waiter *w)
{
    struct g *g = w->g;
    struct p *p = p_self();
    if (unlikely(!g || !p)) {
        waiter_wake(w);
        return;
    }
    sanitize_release(w);
    counter_add(&p->unparks, 1);
    runq_push_last(p, g);
}

static inline __attribute__((always_inline, noreturn)) void exit_to_loop(struct m *m, struct g *g)
{
    g->flags |= G_EXITING;
    m->g = NULL;
    m->prev = g;
    sanitize_leave(NULL, &m->fiber);
    arch_jump(&m->ctx, m);
}

/* Go on at the next goroutine; the caller's is left behind, exiting. Inlined into the goroutine's first
 * frame, so that exiting leaves no call without its return. */
static inline __attribute__((always_inline, noreturn)) void exit_here(void)
{
    struct m *m = m_self();
    struct p *p = m->p;
    struct g *g = m->g;
    counter_add_release(&p->ended,
                        1); /* pairs with the acquire in sched_alive(): started is seen too */
    arch_fp_save(&m->fp_control);
    struct g *to = runq_pick(m);
    sanitize_release(&sched.main_stack);
    if (likely(to)) {
        m->g = to;
        atomic_store_relaxed(&to->on_cpu, ON_CPU);
        if (!to->stack && !SANITIZE_FIBERS && likely(g->stack->pooled)) {
            to->stack = g->stack;
            to->stack->began = to->began;
            g_free(p, g);
            m->prev = NULL;
            arch_restart(stack_top(to->stack), sched_goroutine_entry, m);
        }
        if (unlikely(!to->stack))
            g_take_stack(p, to);
        g->flags |= G_EXITING;
        m->prev = g;
        sanitize_leave(NULL, &to->fiber);
        arch_jump(&to->ctx, m);
    }
    exit_to_loop(m, g);
}

_Noreturn void sched_exit(void)
{
    struct g *g = m_self()->g;
    exceptions_forget(m_self());
    if (unlikely(g->flags & G_LOCALS))
        locals_destroy();
    if (unlikely(g->flags & G_WATCHES))
        g_end_watch(g);
    if (g->flags & G_MAIN)
        atomic_store_relaxed(&sched.main_gone, true); /* the others go on */
    exit_here();
}

/* The run ends and this goroutine goes no further; what it is doing is never finished. */
_Noreturn void sched_abandon(void)
{
    struct m *m = m_self();
    exceptions_forget(m);
    m->g = NULL;
    m->prev = NULL;
    sanitize_leave(NULL, &m->fiber);
    arch_jump(&m->ctx, m);
}

/* The run ends when main has left its stack, and its M runs no goroutine (g_reap): were that M held up while it still did,
 * the end would let it go as an orphan, on the stack that the next run's main gets, and it would go on to end that run. */
static _Noreturn void main_returned(struct g *g)
{
    struct m *m = m_self();
    counter_add_release(&m->p->ended, 1); /* pairs with sched_alive(), as in exit_here() */
    arch_fp_save(&m->fp_control);
    sanitize_release(&sched.main_stack);
    exit_to_loop(m, g);
}

/* Its function has returned. */
static __attribute__((noinline)) void returned_specially(struct g *g)
{
    if (g->flags & G_LOCALS)
        locals_destroy();
    if (g->flags & G_WATCHES)
        g_end_watch(g);
    if (g->flags & G_MAIN)
        main_returned(g);
}

_Noreturn void sched_goroutine_entry(void *arg)
{
    struct m *m = arg;
    struct g *g = m->g;
    sanitize_arrive(&g->fiber);
    arrive(m);
    sanitize_acquire(g);
    *m->errno_location = 0;
    if (unlikely(m->fp_control != g->fp_control))
        arch_set_fp_control(g->fp_control);
    g->fn(g->arg);
    if (unlikely(g->flags & (G_MAIN | G_LOCALS | G_WATCHES)))
        returned_specially(g);
    exit_here();
}

SANITIZE_OWNER_DATA_END
