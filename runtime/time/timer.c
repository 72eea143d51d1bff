/* SPDX-License-Identifier: Apache-2.0
 * timer.c - the timers of a P: a heap that one thread at a time may work on, and nobody waits for.
 *
 *   FREE --arm--> ARMED --due, taken by a CAS--> FIRING --fire returned--> FREE
 *                   '------cancel, by a CAS---> CANCELLED --out of the heap--> FREE
 * The state word carries a generation, so a cancel that comes late finds another generation and fails.
 * Owner: ARMED the heap (or `incoming`); FIRING the M that runs it; CANCELLED the heap.
 *
 * Arming pushes onto `incoming` (a CAS) and lowers `earliest` (a CAS); any M that finds earliest due
 * tries `busy`, and whoever has it moves what came in to the heap and fires what is due. Who doesn't
 * get `busy` goes on: the holder is at it. No timer is missed: the holder sets earliest to "none"
 * first, takes `incoming` then, and lowers earliest to the heap's first at the end. An arm that comes
 * before the taking is in the heap; one after it lowers earliest itself, and nothing raises it again
 * until the next holder.
 *
 * Cancelled timers stay in the heap until due, but when they are more than half of it, the holder
 * sweeps: a timeout that never comes costs no memory for long. The next holder comes soon: a cancel
 * that tips the balance makes `earliest` due.
 *
 * Cost: arm 2 RMWs, cancel 2, fire 1. Rejected: a lock per P as Go has (a preempted holder stops
 * every arm and cancel). */
#include <errno.h>

#include "alloc/alloc.h"
#include "alloc/slab.h"
#include "arch/os.h"
#include "arch/sanitize.h"
#include "runtime/sched/sched.h"
#include "runtime/time/heap.h"
#include "runtime/time/time.h"

#define STATE_BITS 2
#define STATE_MASK UINT64_C(3)
#define SWEEP_MIN 64

enum timer_state { TIMER_FREE, TIMER_ARMED, TIMER_FIRING, TIMER_CANCELLED };

struct timer {
    struct depot_node free;  /* while it is free */
    _Atomic(uint64_t) state; /* generation << STATE_BITS | enum timer_state */
    struct timer *next;      /* in incoming */
    _Atomic(int64_t) when;
    timer_fire_fn fire;
    void (*dropped)(void *arg); /* or NULL */
    void *arg;
    uint64_t token;
    struct timers *home;
};

/* Of one P; made with its first timer, kept. */
struct timers {
    _Alignas(CACHE_LINE) _Atomic(struct timer *) incoming; /* newest first */
    _Atomic(uint32_t) busy;
    _Atomic(int64_t) cancelled;            /* in heap or incoming */
    _Atomic(int64_t) armed;                /* likewise, cancelled ones included */
    _Alignas(CACHE_LINE) struct heap heap; /* and what follows: the holder of busy */
    struct slab_cache records_freed;
    struct sched_timer_slot *slot;
};

static struct slab_class timer_class = {
    .object_bytes = (sizeof(struct timer) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE,
};

SANITIZE_OWNER_DATA_BEGIN

static struct timers *timers_here(void)
{
    struct sched_timer_slot *slot = sched_timer_slot();
    void *made = slot ? atomic_load_acquire(&slot->heap) : NULL;
    if (likely(made || !slot))
        return made;
    struct timers *ts = alloc_zeroed(CACHE_LINE, sizeof *ts);
    if (!ts)
        return NULL;
    ts->slot = slot;
    if (atomic_cas_acq_rel(&slot->heap, &made, ts))
        return ts;
    alloc_free(ts); /* a foreign thread was faster, or the holder of the P */
    return made;
}

/* Never above at. */
static void lower_earliest(struct sched_timer_slot *slot, int64_t at)
{
    int64_t earliest = atomic_load_relaxed(&slot->earliest);
    while (at < earliest && !atomic_cas_acq_rel(&slot->earliest, &earliest, at))
        ;
}

static void incoming_push(struct timers *ts, struct timer *t)
{
    t->next = atomic_load_relaxed(&ts->incoming);
    while (!atomic_cas_acq_rel(&ts->incoming, &t->next, t))
        ;
}

int timer_arm_owned(struct timer_ticket *out, int64_t deadline, timer_fire_fn fire,
                    void (*dropped)(void *arg), void *arg, uint64_t token)
{
    struct timers *ts = timers_here();
    struct slab_cache *records = sched_cache(SCHED_CACHE_TIMERS);
    struct timer *t = ts && records ? slab_get(&timer_class, records) : NULL;
    if (!t)
        return -ENOMEM;
    uint64_t generation = (atomic_load_relaxed(&t->state) >> STATE_BITS) + 1;
    atomic_store_relaxed(&t->when, deadline);
    t->fire = fire;
    t->dropped = dropped;
    t->arg = arg;
    t->token = token;
    t->home = ts;
    out->timer = t;
    out->generation = generation;
    atomic_store_release(&t->state, generation << STATE_BITS | TIMER_ARMED);
    atomic_add_relaxed(&ts->armed, 1);
    sched_timer_count(1);
    incoming_push(ts, t);
    lower_earliest(ts->slot, deadline);
    sched_timer_armed();
    return 0;
}

int timer_arm(struct timer_ticket *out, int64_t deadline, timer_fire_fn fire, void *arg,
              uint64_t token)
{
    return timer_arm_owned(out, deadline, fire, NULL, arg, token);
}

bool timer_is_armed(const struct timer_ticket *ticket, int64_t until)
{
    struct timer *t = ticket->timer;
    uint64_t armed = ticket->generation << STATE_BITS | TIMER_ARMED;
    if (!t || atomic_load_acquire(&t->state) != armed)
        return false;
    int64_t when = atomic_load_acquire(&t->when); /* the generation's, if that is still the same */
    return when <= until && atomic_load_relaxed(&t->state) == armed;
}

static bool mostly_cancelled(struct timers *ts)
{
    int64_t cancelled = atomic_load_relaxed(&ts->cancelled);
    return cancelled > SWEEP_MIN && 2 * cancelled > atomic_load_relaxed(&ts->armed);
}

bool timer_cancel(const struct timer_ticket *ticket)
{
    struct timer *t = ticket->timer;
    uint64_t armed = ticket->generation << STATE_BITS | TIMER_ARMED;
    struct timers *home = t->home; /* of this generation, if the CAS succeeds */
    if (!atomic_cas_acq_rel(&t->state, &armed, ticket->generation << STATE_BITS | TIMER_CANCELLED))
        return false;
    sched_timer_count(-1);
    atomic_add_relaxed(&home->cancelled, 1);
    if (mostly_cancelled(home))
        lower_earliest(home->slot, 1); /* long due */
    return true;
}

/* Out of the heap for good. The records come back to arms by way of the depot, a batch at a time. */
static void record_free(struct timers *ts, struct timer *t)
{
    uint64_t state = atomic_load_relaxed(&t->state);
    if ((state & STATE_MASK) == TIMER_CANCELLED)
        atomic_add_relaxed(&ts->cancelled, -1);
    atomic_add_relaxed(&ts->armed, -1);
    atomic_store_release(&t->state, state & ~STATE_MASK);
    slab_put(&timer_class, &ts->records_freed, t);
}

static bool claim(struct timer *t)
{
    uint64_t armed = (atomic_load_relaxed(&t->state) & ~STATE_MASK) | TIMER_ARMED;
    return atomic_cas_acq_rel(&t->state, &armed, (armed & ~STATE_MASK) | TIMER_FIRING);
}

static void fire_or_free(struct timers *ts, struct timer *t)
{
    if (claim(t)) {
        sched_timer_count(-1);
        t->fire(t->arg, t->token);
    }
    record_free(ts, t);
}

static void take_incoming(struct timers *ts, int64_t now)
{
    struct timer *newest = atomic_swap_acq_rel(&ts->incoming, NULL), *oldest = NULL;
    while (newest) {
        struct timer *t = newest;
        newest = t->next;
        t->next = oldest;
        oldest = t;
    }
    while (oldest) {
        struct timer *t = oldest;
        oldest = t->next;
        int64_t when = atomic_load_relaxed(&t->when);
        if (!heap_push(&ts->heap, when, t))
            continue;
        /* No memory for the heap: it fires from here, or stays and is looked at again soon. */
        if (when <= now) {
            fire_or_free(ts, t);
        } else {
            incoming_push(ts, t);
            lower_earliest(ts->slot, when);
        }
    }
}

static int sweep_keep(struct timer *t, void *arg)
{
    if ((atomic_load_acquire(&t->state) & STATE_MASK) != TIMER_CANCELLED)
        return 1;
    record_free(arg, t);
    return 0;
}

static void run_due(struct p *p)
{
    struct timers *ts = atomic_load_acquire(&sched_timer_slot_of(p)->heap);
    if (!ts || atomic_load_relaxed(&ts->busy) || atomic_swap_acq_rel(&ts->busy, 1))
        return;
    int64_t now = os_now();
    atomic_swap_acq_rel(&ts->slot->earliest, OS_FOREVER);
    take_incoming(ts, now);
    while (heap_earliest(&ts->heap) <= now && ts->heap.size)
        fire_or_free(ts, heap_pop(&ts->heap));
    if (mostly_cancelled(ts))
        heap_filter(&ts->heap, sweep_keep, ts);
    lower_earliest(ts->slot, heap_earliest(&ts->heap));
    atomic_store_release(&ts->busy, 0);
}

/* All Ms have left. */
static int drop_one(struct timer *t, void *ts)
{
    if (claim(t) && t->dropped)
        t->dropped(t->arg);
    record_free(ts, t);
    return 0;
}

static void drop_all(struct p *p)
{
    struct timers *ts = atomic_load_acquire(&sched_timer_slot_of(p)->heap);
    if (!ts)
        return;
    struct timer *t = atomic_swap_acq_rel(&ts->incoming, NULL);
    while (t) {
        struct timer *next = t->next;
        drop_one(t, ts);
        t = next;
    }
    heap_filter(&ts->heap, drop_one, ts);
    heap_free(&ts->heap);
    atomic_store_relaxed(&ts->armed, 0);
    atomic_store_relaxed(&ts->cancelled, 0);
    atomic_store_relaxed(&ts->busy, 0);
}

__attribute__((constructor)) static void install(void)
{
    static const struct sched_timer_ops ops = {.run_due = run_due, .drop_all = drop_all};
    sched_set_timer_ops(&ops);
    sched_set_cache_class(SCHED_CACHE_TIMERS, &timer_class);
}

SANITIZE_OWNER_DATA_END
