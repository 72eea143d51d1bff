/* SPDX-License-Identifier: Apache-2.0
 * end.c - the end of a run: stopping the Ms, and taking everything down so that the next run finds nothing
 * of this one.
 *
 * When main returns WORD_STOP is set: every M leaves at its next pass through find_runnable, which each
 * goroutine reaches with its next yield or park. Those that compute are waited for up to
 * stop_ns and named on stderr if that is not enough; those in a blocking section are abandoned like a
 * parked goroutine. An M that isn't out by then is an orphan: it keeps its P, its goroutine and its stack,
 * and its thread ends by itself should it ever come back; a later run then takes in what it left.
 *
 * Parked goroutines are unlinked from objects that outlive the run: first all their waiters are killed,
 * then each object is asked once to take the dead out of its list. */
#include <errno.h>
#include <stdio.h>

#include "runtime/sched/internal.h"

#define STOP_NS_DEFAULT INT64_C(1000000000)
#define BLOCKING_GRACE_NS 10000000
#define AGAIN_NS 1000000 /* so long those are waited for again that can't be left alone */
#define STACKS_KEPT 1024 /* more than these are unmapped at the end of a run */

SANITIZE_OWNER_DATA_BEGIN

/* Where what the dead leave behind is gathered for later runs: no P may be left, nor memory for one. */
struct grave {
    struct slab_cache gs;
    struct stack_cache stacks;
};

void run_main_returned(void)
{
    atomic_store_release(&sched.state, RUN_STOPPING);
    atomic_or_acq_rel(&sched.word, WORD_STOP);
    atomic_fence_after_rmw();                                                         /* [WAKE-1] */
    for (unsigned i = 0, made = atomic_load_acquire(&sched.ms_made); i < made; i++) { /* [STOP-2] */
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        if (!m)
            continue;
        atomic_or_acq_rel(&m->asked, ASKED_TO_STOP);
        locked_stop(m);
    }
    idle_wake_all();
    sysmon_stop();
}

static void name_orphan(struct g *g)
{
    char text[160];
    bool named = g->flags & G_NAMED;
    snprintf(text, sizeof text, "weft: goroutine %llu%s%s%s did not stop and is left alone\n",
             (unsigned long long)g->id, named ? " (" : "", named ? g->name : "", named ? ")" : "");
    os_write_stderr(text);
}

/* The run goes on without m, whose state was `from`: its P goes with it, and what it runs keeps its
 * descriptor and its stack. False: it has just moved, or runs none: then it may be about to take a P, or another goroutine. */
static bool make_orphan(struct m *m, uint32_t from)
{
    m->orphan_g = from == M_CALLING ? atomic_load_acquire(&m->calling) : m->g;
    if (from == M_RUNNING && (!m->orphan_g || atomic_load_relaxed(&m->orphan_g->state) == G_PARKED))
        return false;
    if (!atomic_cas_acq_rel(&m->state, &from, M_ORPHAN))
        return false;
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        struct p *p = sched.ps[i];
        if (p != m->p)
            continue;
        atomic_store_relaxed(&p->mode, P_ORPHAN); /* before all that may take long */
        m->orphan_p = p;
    }
    m->orphan_run = sched_run_number();
    os_thread_detach(m->thread);
    sched.orphans++;
    if (from == M_RUNNING)
        name_orphan(m->orphan_g);
    return true;
}

/* What waiter_kill() left. */
static void g_forget_wait(struct g *g)
{
    g->waiter.cancellable = false;
    atomic_store_relaxed(&g->waiter.holders, 0);
    atomic_store_relaxed(&g->waiting, NULL);
}

/* An orphan's thread has ended. Its goroutine's stack, if it is one of many, stays where it is: the slab may
 * be of an earlier default size. */
static void bury_orphan(struct m *m, struct grave *grave)
{
    struct g *g = m->orphan_g;
    if (g && atomic_load_relaxed(&g->state) != G_FREE) {
        sanitize_fiber_destroy(&g->fiber);
        if (g->stack != sched.main_stack && !g->stack->pooled)
            stack_unmap(g->stack);
        g_forget_wait(g);
        g_end_watch(g);
        g->flow = (struct sched_flow){0};
        g_free_to(&grave->gs, g);
    }
    if (m->orphan_p) {
        if (sched.timer_ops.drop_all)
            sched.timer_ops.drop_all(m->orphan_p);
        m->orphan_p->next_spare = sched.spare_ps;
        sched.spare_ps = m->orphan_p;
    }
    m_free(m);
    sched.orphans--;
}

static void bury_orphans(struct grave *grave)
{
    unsigned made = atomic_load_acquire(&sched.ms_made);
    for (unsigned i = 0; sched.orphans && i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        if (m && atomic_load_acquire(&m->state) == M_GONE)
            bury_orphan(m, grave);
    }
}

/* Whether an M that hasn't left is running goroutines, and not in a blocking section. */
static bool some_compute(void)
{
    unsigned made = atomic_load_acquire(&sched.ms_made);
    for (unsigned i = 0; i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        if (m && atomic_load_acquire(&m->state) == M_RUNNING)
            return true;
    }
    return false;
}

/* Those that compute get stop_ns; those in blocking sections, which only the kernel can end, a grace. Where this thread
 * wasn't run for a while the others, most likely, weren't either: that doesn't count. */
static void await_ms(int64_t *deadline)
{
    int64_t now = os_now(), grace = now + BLOCKING_GRACE_NS;
    for (;;) {
        uint32_t seen = atomic_load_acquire(&sched.leave_futex);
        if (atomic_load_acquire(&sched.threads) == 0 || now >= *deadline ||
            (now >= grace && !some_compute()))
            return;
        idle_wake_all();
        int64_t until = now < grace ? grace : now + BLOCKING_GRACE_NS;
        until = until < *deadline ? until : *deadline;
        os_futex_wait(&sched.leave_futex, seen, until);
        now = os_now();
        if (now > until && *deadline < OS_FOREVER - (now - until))
            *deadline += now - until;
    }
}

/* Join the Ms that have left and let go of the others; *computes: one of those computes. False: some should be waited for
 * again. One that runs no goroutine is within the scheduler, where nothing takes long but what the kernel makes long: were
 * it left alone it would go on with a later run's counts. */
static bool settle_ms(int64_t deadline, bool *computes)
{
    unsigned made = atomic_load_acquire(&sched.ms_made);
    for (unsigned i = 0; i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        uint32_t state = m ? atomic_load_acquire(&m->state) : M_FREE;
        if (state == M_FREE || state >= M_ORPHAN)
            continue;
        if (state == M_LEFT) {
            if (!m_take_left(m, true))
                return false;
            m_free(m);
        } else if (state == M_JOINING || (state == M_RUNNING && (os_now() < deadline || !m->g)) ||
                   !make_orphan(m, state)) {
            return false;
        } else if (state == M_RUNNING) {
            *computes = true;
        }
    }
    return true;
}

/* Not before all others are out: they may be looking at all Ps still. */
static void give_up_orphans_ps(void)
{
    for (unsigned i = 0, made = ps_made(); sched.orphans && i < made; i++)
        if (sched.ps[i] && p_is_orphan(sched.ps[i]))
            sched.ps[i] = NULL;
}

/* All Ms have left or are orphans. -ETIMEDOUT: one of those computes. */
int join_ms(void)
{
    int64_t patience = sched.config.stop_ns ? sched.config.stop_ns : STOP_NS_DEFAULT;
    if (patience < BLOCKING_GRACE_NS)
        patience = BLOCKING_GRACE_NS; /* to leave takes a moment, too */
    int64_t now = os_now(), deadline = patience < OS_FOREVER - now ? now + patience : OS_FOREVER;
    bool computes = false;
    for (await_ms(&deadline); !settle_ms(deadline, &computes); await_ms(&deadline)) {
        if (os_now() >= deadline)
            deadline = os_now() + AGAIN_NS;
    }
    give_up_orphans_ps();
    return computes ? -ETIMEDOUT : 0;
}

bool g_is_orphans(struct g *g)
{
    unsigned made = atomic_load_relaxed(&sched.ms_made);
    for (unsigned i = 0; sched.orphans && i < made; i++) {
        struct m *m = atomic_load_relaxed(&sched.ms[i]);
        if (m && atomic_load_relaxed(&m->state) != M_FREE && m->orphan_g == g)
            return true;
    }
    return false;
}

static bool is_abandoned(struct g *g)
{
    return atomic_load_relaxed(&g->state) != G_FREE && !g_is_orphans(g);
}

/* One that was abandoned or is in a blocking section. Those that compute were told of (name_orphan), and those of earlier runs
 * are no leaks of this one. */
static bool is_leak(struct g *g)
{
    unsigned made = atomic_load_relaxed(&sched.ms_made);
    for (unsigned i = 0; sched.orphans && i < made; i++) {
        struct m *m = atomic_load_relaxed(&sched.ms[i]);
        if (m && atomic_load_relaxed(&m->state) != M_FREE && m->orphan_g == g)
            return m->orphan_run == sched_run_number() &&
                   atomic_load_relaxed(&g->state) == G_BLOCKING;
    }
    return true;
}

void tell_leaks(void)
{
    report_left(is_leak);
}

/* An orphan may have been about to park, and have looked just before whether it is one. Either it sees that it is [ORPHAN-1],
 * or we see its goroutine parked [ORPHAN-2]. Who gets it from G_PARKED takes it out of where it waits: it, or we. */
static bool is_left_parked(struct g *g)
{
    uint8_t parked = G_PARKED;
    if (atomic_load_acquire(&g->state) != G_PARKED) /* pairs with park() */
        return false;
    return !g_is_orphans(g) || atomic_cas_acq_rel(&g->state, &parked, G_LOST);
}

static void kill_waiter(void *object, void *arg)
{
    struct g *g = object;
    (void)arg;
    if (!is_left_parked(g))
        return;
    struct waiter *w = g_waits_with(g);
    if (w->unlink)
        waiter_kill(w);
}

static bool in_stack(const struct stack *s, const void *p)
{
    return s && (const char *)p >= s->low && (const char *)p < s->low + s->bytes;
}

/* An object that lies in a goroutine's stack goes with the run: nothing is to be done for it, and in main's
 * stack it is gone already. */
bool sched_outlives_run(const void *object)
{
    return !in_stack(sched.main_stack, object) && !stack_class_contains(&sched.stack_class, object);
}

/* Objects that outlive the run keep none of its waiters: all of them are dead by now, so one call per
 * object takes them all out. */
static void unlink_waiter(void *object, void *arg)
{
    struct g *g = object;
    const void **last = arg;
    bool lost = atomic_load_relaxed(&g->state) == G_LOST;
    if (!lost && (!is_abandoned(g) || atomic_load_relaxed(&g->state) != G_PARKED))
        return;
    struct waiter *w = g_waits_with(g);
    if (lost)
        atomic_store_relaxed(&g->state, G_ALIVE); /* which is not looked at again */
    if (!w->unlink) { /* woken already, only not run: it is in no list any more */
        if (w != &g->waiter)
            waiter_put(w);
        return;
    }
    if (w->object != *last && !in_stack(g->stack, w->object) && sched_outlives_run(w->object))
        w->unlink(w->object);
    *last = w->object;
    if (w != &g->waiter)
        waiter_drop(w);
}

/* The run ended between g's look whether it has and its lining up: it does for itself what that end would have done. A partner
 * who comes between the two is spent on it; should he wake it only now, who picks it forgets it (g_is_orphans). */
void orphan_unlink(struct g *g)
{
    uint8_t parked = G_PARKED;
    if (!atomic_cas_acq_rel(&g->state, &parked, G_ALIVE))
        return; /* that end did */
    struct waiter *w = g_waits_with(g);
    enum run_hold hold = sched_hold_run_without_p(); /* its P may not be marked yet */
    void (*unlink)(void *object) = w->unlink;        /* a partner may be about to clear both */
    void *object = w->object;
    if (unlink) {
        waiter_kill(w);
        if (!in_stack(g->stack, object) && sched_outlives_run(object))
            unlink(object);
        if (w != &g->waiter)
            waiter_drop(w);
    } else if (w != &g->waiter) {
        waiter_put(w); /* woken already */
    }
    sched_release_run_without_p(hold);
}

/* An abandoned goroutine: its deferred calls don't run. */
static void bury(void *object, void *arg)
{
    struct g *g = object;
    struct grave *grave = arg;
    if (!is_abandoned(g))
        return;
    if (g->stack) {
        sanitize_fiber_destroy(&g->fiber);
        if (g->stack != sched.main_stack)
            stack_put(&sched.stack_class, &grave->stacks, g->stack);
    }
    g_forget_wait(g);
    g_end_watch(g);
    g->flow = (struct sched_flow){0};
    g_free_to(&grave->gs, g);
}

/* Orphans that have ended already are buried between: till then what they were about to wait for may still have them. */
static void bury_all(struct grave *grave)
{
    const void *last = NULL;
    if (sched.orphans && !os_fence_heavy()) /* [ORPHAN-2] */
        sched_fatal("sched: membarrier(2) is refused, which the end of a run relies on");
    slab_for_each(&sched.g_class, kill_waiter, NULL);
    slab_for_each(&sched.g_class, unlink_waiter, &last);
    bury_orphans(grave);
    slab_for_each(&sched.g_class, bury, grave);
}

void take_down(void)
{
    bool some_left = sched.orphans || sched_alive() > 0; /* theirs aren't counted */
    struct grave grave = {0};
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        if (!sched.ps[i])
            continue;
        if (sched.timer_ops.drop_all)
            sched.timer_ops.drop_all(sched.ps[i]);
        p_reset(sched.ps[i]);
    }
    qsbr_settle();
    if (some_left)
        bury_all(&grave);
    magazine_flush(&grave.gs.free, &sched.g_class.depot);
    stacks_flush(&sched.stack_class, &grave.stacks);
    if (sched.orphans == 0 && atomic_load_relaxed(&sched.stack_class.carved) > STACKS_KEPT) {
        size_t bytes = sched.stack_class.bytes;
        sched.stack_class.bytes = 0;
        set_stack_bytes(bytes);
    }
}

SANITIZE_OWNER_DATA_END
