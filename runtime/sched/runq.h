/* SPDX-License-Identifier: Apache-2.0
 * runq.h - the queues of a P, as its holder uses them: `next`, then the fresh ones and the deque.
 *
 * weft_go and single wake-ups go to `next`. Who stood there goes to the fresh ones (fresh.h) if it hasn't run yet and there
 * is room, else to the deque's tail. `next` inherits the time slice: picks take it first, then the newest of the fresh ones
 * and the oldest of the deque in turn. Every SLOW_PICK_EVERY-th is a slow pick (find.c), where the deque comes first, and
 * fresh ones go to its tail: the oldest, one for each millisecond, and all that wait for a tenth of a second; so nobody
 * waits for ever.
 *
 * Only the holder fills `next`; thieves only empty it, by a CAS, and rarely: when it has stood there for long. So they
 * bear the cost. While the holder takes it, `taking` is set, and a thief announces himself in `thieves`; each then
 * looks for the other, with a fence between, which costs only the thief. The holder takes it by an RMW if there are
 * thieves; a thief who sees him at it goes away. With one P there are no thieves at all (P_SOLO).
 *
 * After filling it the holder looks for idle Ps without a fence: an M that goes idle would leave it alone as too fresh
 * even if it saw it. A displaced goroutine's way to the tail comes after the RMW. In both cases sysmon finds what the
 * look has missed (a fence would cost each wake-up or weft_go 2.3 ns).
 *
 * Cost: push_next 0 RMWs, 1 if it displaces; push_tail 0; pick 0 of `next`, 1 of the others. Solo: 0. Rejected: an RMW for
 * each push and pick of `next` (docs/decisions.md). */
#ifndef WEFT_SCHED_RUNQ_H
#define WEFT_SCHED_RUNQ_H

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

static inline bool p_is_solo(struct p *p)
{
    return atomic_load_relaxed(&p->mode) == P_SOLO;
}

static inline __attribute__((always_inline)) void runq_push_tail(struct p *p, struct g *g)
{
    if (unlikely(deque_push(&p->runq, g)))
        injection_push(g); /* the queue can't grow; that one needs no memory */
}

static inline void wake_if_idle(struct p *p)
{
    uint64_t word = atomic_load_relaxed(&sched.word);
    if (unlikely((word & WORD_IDLE_MASK) && !(word & WORD_SPIN_MASK)))
        wake_slow(p);
}

/* After work was published: see to it that it doesn't wait while a processor is idle. The fence pairs
 * with the one in p_release(): either we see that the P is idle, or its M sees the work. */
static inline void wake_check(struct p *p)
{
    atomic_fence_after_rmw(); /* [WAKE-1] */
    wake_if_idle(p);
}

/* One that had to give up `next`. */
static inline __attribute__((always_inline)) void runq_push_displaced(struct p *p, struct g *g)
{
    if (g->stack || unlikely(!fresh_push(&p->fresh, g)))
        runq_push_tail(p, g);
}

/* Behind all others, and wake somebody, maybe. */
static inline void runq_push_last(struct p *p, struct g *g)
{
    runq_push_tail(p, g);
    if (p_is_solo(p))
        return;
    atomic_fence_full(); /* [WAKE-1] */
    wake_check(p);
}

/* Put g into `next`; who stood there. */
static inline __attribute__((always_inline)) struct g *runq_swap_next(struct p *p, struct g *g)
{
    struct g *displaced = atomic_load_relaxed(&p->next);
    if (displaced && !p_is_solo(p))
        return atomic_swap_acq_rel(&p->next, g); /* a thief may be faster */
    atomic_store_release(&p->next, g);           /* pairs with steal_next() */
    return displaced;
}

/* After that. */
static inline __attribute__((always_inline)) void runq_settle_next(struct p *p, struct g *displaced)
{
    if (displaced) {
        runq_push_displaced(p, displaced);
        if (!p_is_solo(p))
            wake_check(p);
    } else {
        wake_if_idle(p); /* solo: none is */
    }
}

/* Make g the next to run here, and wake somebody, maybe. */
static inline __attribute__((always_inline)) void runq_push_next(struct p *p, struct g *g)
{
    runq_settle_next(p, runq_swap_next(p, g));
}

/* With thieves about; g is there, or was. */
static inline __attribute__((always_inline)) struct g *runq_take_next_shared(struct p *p)
{
    struct g *g;
    atomic_store_relaxed(&p->taking, 1);
    atomic_fence_light(); /* [NEXT-1] */
    if (unlikely(atomic_load_acquire(&p->thieves))) {
        g = atomic_swap_acq_rel(&p->next, NULL);
    } else {
        g = atomic_load_relaxed(&p->next);
        atomic_store_release(&p->next, NULL); /* after the pick, for deadlock_check() */
    }
    atomic_store_release(&p->taking, 0);
    return g;
}

static inline __attribute__((always_inline)) struct g *runq_take_next(struct p *p)
{
    struct g *g = atomic_load_relaxed(&p->next);
    if (!g)
        return NULL;
    if (!p_is_solo(p))
        return runq_take_next_shared(p);
    atomic_store_relaxed(&p->next, NULL);
    return g;
}

/* What a switch to g reads first. Its sp may be stale or none: a prefetch never faults. */
static inline void prefetch_stack(const struct g *g)
{
    uintptr_t sp = (uintptr_t)g->ctx.sp;
    __builtin_prefetch((const void *)sp);
    __builtin_prefetch((const void *)(sp + CACHE_LINE));
}

#define RUNQ_LONG 16

/* A long queue has left the cache: fetch the descriptor that is picked two picks from now, and the stack of
 * the next. Descriptors are type-stable, so it doesn't matter that thieves may take them meanwhile. */
static inline __attribute__((always_inline)) void runq_prefetch(struct deque *q, uint64_t head)
{
    struct deque_array *a = atomic_load_relaxed(&q->array);
    struct g *next = atomic_load_relaxed(&a->slots[(head + 1) & a->mask]);
    prefetch_stack(next);
    __builtin_prefetch(atomic_load_relaxed(&a->slots[(head + 2) & a->mask]));
}

static inline __attribute__((always_inline)) struct g *runq_take_queued(struct p *p)
{
    struct deque *q = &p->runq;
    uint64_t head = atomic_load_relaxed(&q->head);
    uint64_t size = atomic_load_relaxed(&q->tail) - head;
    if (size == 0)
        return NULL;
    if (unlikely(size >= RUNQ_LONG))
        runq_prefetch(q, head);
    return p_is_solo(p) ? deque_pop_unshared(q, head) : deque_pop(q);
}

static inline struct g *runq_take_fresh(struct p *p)
{
    return p_is_solo(p) ? fresh_take_unshared(&p->fresh) : fresh_take(&p->fresh);
}

static inline __attribute__((always_inline)) struct g *runq_take_waiting(struct p *p)
{
    return likely(fresh_holds_none(&p->fresh)) ? runq_take_queued(p) : runq_take_in_turn(p);
}

static inline bool runq_slow_pick_is_due(struct p *p)
{
    return atomic_load_relaxed(&p->picks_left) == 0;
}

/* g, if it can be switched to at once. One that is still switching out elsewhere is put back, never waited
 * for here. */
static inline __attribute__((always_inline)) struct g *runq_settled(struct m *m, struct g *g)
{
    return g && unlikely(atomic_load_acquire(&g->on_cpu)) ? runq_refuse(m, g) : g;
}

/* Take a successor that can be switched to at once; NULL: none, or only find_runnable can tell. */
static inline __attribute__((always_inline)) struct g *runq_pick(struct m *m)
{
    struct p *p = m->p;
    uint32_t left = atomic_load_relaxed(&p->picks_left);
    if (unlikely(left == 0 || atomic_load_relaxed(&m->asked)))
        return pick_slowly(m);
    atomic_store_relaxed(&p->picks_left, left - 1);
    struct g *g = runq_take_next(p);
    return runq_settled(m, g ? g : runq_take_waiting(p));
}

/* The same, with `from` to the tail if there is one: behind all who wait now, those that haven't run yet included. */
static inline __attribute__((always_inline)) struct g *runq_pick_for(struct m *m, struct g *from)
{
    struct p *p = m->p;
    uint32_t left = atomic_load_relaxed(&p->picks_left);
    if (likely(left != 0 && !atomic_load_relaxed(&p->next) && fresh_holds_none(&p->fresh) &&
               !atomic_load_relaxed(&m->asked))) {
        atomic_store_relaxed(&p->picks_left, left - 1);
        struct g *g = runq_settled(m, runq_take_queued(p));
        if (g)
            deque_push_after_pop(&p->runq, from);
        return g;
    }
    if (!fresh_holds_none(&p->fresh))
        runq_queue_fresh(p);
    struct g *g = runq_pick(m);
    if (g)
        runq_push_tail(p, from);
    return g;
}

SANITIZE_OWNER_DATA_END

#endif
