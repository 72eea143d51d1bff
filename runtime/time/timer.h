/* SPDX-License-Identifier: Apache-2.0
 * timer.h - within runtime/time/: a timer's record and the timers of a P (timer.c), with what is done without a call. */
#ifndef WEFT_TIME_TIMER_H
#define WEFT_TIME_TIMER_H

#include "alloc/slab.h"
#include "arch/sanitize.h"
#include "runtime/sched/sched.h"
#include "runtime/time/time.h"
#include "runtime/time/wheel.h"

#define STATE_BITS 3
#define STATE_MASK UINT64_C(7)
#ifdef WEFT_TEST_BUILD
#define LOOSE_MAX 3
#else
#define LOOSE_MAX 16
#endif

enum timer_state { TIMER_FREE, TIMER_LOOSE, TIMER_ARMED, TIMER_FIRING, TIMER_CANCELLED };

/* Type-stable. */
struct timer {
    union {
        struct depot_node free; /* while it is free */
        struct {
            timer_fire_fn fire;
            void *arg;
            uint64_t token;
        };
    };
    _Atomic(uint64_t) state;    /* generation << STATE_BITS | enum timer_state */
    struct wheel_entry entry;   /* with it ends a cache line */
    void (*dropped)(void *arg); /* or NULL */
    void (*put)(void *arg);     /* has it back when it is over; NULL: it is the class's */
    struct timer *gone;         /* the next in that list, or in stopped */
    _Atomic(struct timers *) home;
};

/* Of one P; made with its first timer, kept. */
struct timers {
    struct timer
        *stopped; /* this and what follows it is the holder's of the P, loose others read */
    unsigned stopped_n, loose_n;
    struct sched_timer_slot *slot;
    _Atomic(struct timer *) loose[LOOSE_MAX]; /* after loose_n: NULL, or were taken long ago */
    _Alignas(CACHE_LINE) _Atomic(uint32_t) busy;
    struct slab_cache records_freed;                             /* where no P is held */
    _Alignas(CACHE_LINE) _Atomic(struct wheel_entry *) incoming; /* newest first, as is gone */
    _Atomic(struct timer *) gone;
    _Atomic(int64_t) gone_n;
    _Alignas(CACHE_LINE) struct wheel wheel; /* the holder of busy */
};

struct timers *timers_make(struct sched_timer_slot *slot);

/* As timer_arm_at(), for what that leaves. */
void timer_arm_slow(struct sched_p *p, struct timers *ts, struct timer *t, int64_t deadline);

/* End an arming that isn't loose. True: it never fires; put() or the class has the record back when that is out of the
 * wheel. False: it has been ended, has fired or is just being fired. */
bool timer_end(struct sched_p *p, struct timer *t, uint64_t generation);

SANITIZE_OWNER_DATA_BEGIN

/* p's, or without one some P's. NULL without memory. */
static inline struct timers *timers_at(struct sched_p *p)
{
    struct sched_timer_slot *slot = likely(p) ? &p->timer : sched_timer_slot_any();
    void *made = slot ? atomic_load_acquire(&slot->timers) : NULL;
    return likely(made || !slot) ? made : timers_make(slot);
}

/* The state word of the next generation. */
static inline uint64_t timer_state_next(struct timer *t, enum timer_state to)
{
    return (atomic_load_relaxed(&t->state) | STATE_MASK) + 1 + to;
}

/* Arm a record that is its owner's, at p's timers or, without one, those of some P. */
static inline void timer_arm_at(struct sched_p *p, struct timers *ts, struct timer *t,
                                int64_t deadline)
{
    atomic_store_relaxed(&t->entry.when, deadline);
    atomic_store_release(&t->home, ts); /* pairs with timer_home() */
    sched_timer_count(p, 1);
    int64_t bound;
    unsigned n;
    if (unlikely(!p) || unlikely((n = ts->loose_n) == LOOSE_MAX) ||
        unlikely(deadline <= (bound = atomic_load_relaxed(&p->timer.loose)))) {
        timer_arm_slow(p, ts, t, deadline);
        return;
    }
    ts->loose_n = n + 1;
    atomic_store_release(&t->state, timer_state_next(t, TIMER_LOOSE));
    atomic_store_release(&ts->loose[n], t);
    atomic_store_release(&p->timer.loose, bound); /* [LOOSE-1] */
}

/* Where it was armed last: of a generation, if a CAS of its state succeeds later. */
static inline struct timers *timer_home(struct timer *t)
{
    return atomic_load_acquire(&t->home);
}

/* Whether that is left to an orphan: what is armed there was a run's that is over, though nobody can drop it yet. */
static inline bool timer_home_is_left(struct timers *home)
{
    return atomic_load_relaxed(&container_of(home->slot, struct sched_p, timer)->mode) == P_ORPHAN;
}

/* End an arming whose state word is known, as it says that it is loose. True: it never fires, and the record is its
 * owner's again. False: it isn't loose any more. */
static inline bool timer_end_loose(struct sched_p *p, struct timer *t, uint64_t state)
{
    struct timers *home = timer_home(t);
    bool here = likely(p && atomic_load_relaxed(&p->timer.timers) == home);
    if (unlikely(!here && timer_home_is_left(home)) ||
        unlikely(!atomic_cas_acq_rel(&t->state, &state, state & ~STATE_MASK)))
        return false;
    sched_timer_count(p, -1);
    if (here) {
        unsigned n = home->loose_n;
        if (likely(n > 0 && atomic_load_relaxed(&home->loose[n - 1]) == t)) {
            atomic_store_relaxed(&home->loose[n - 1], NULL);
            home->loose_n = n - 1;
        }
    }
    return true;
}

SANITIZE_OWNER_DATA_END

#endif
