/* SPDX-License-Identifier: Apache-2.0
 * timer.c - the timers of a P: two are armed, one that is due and one that is not; two Ms look for due
 * ones, and a third thread cancels the first. That one fires once or is cancelled; the other stays known to
 * whoever asks for the earliest.
 *
 * options: -disable-ipr -disable-sr
 * bug: a timer is announced before it is there | runtime/time/timer.c | /^int timer_arm/,/^}/{/^    lower_earliest/d; s/^    incoming_push(ts, t);/    lower_earliest(ts->slot, deadline); &/}
 * bug: the earliest is reset after what came in was taken | runtime/time/timer.c | /^static void run_due/,/^}/{/^    atomic_swap_acq_rel/d; s/^    take_incoming(ts, now);/& atomic_swap_acq_rel(\&ts->slot->earliest, OS_FOREVER);/}
 * bug: two may be at the heap at once | runtime/time/timer.c | s/atomic_swap_acq_rel(&ts->busy, 1)/(atomic_store_release(\&ts->busy, 1), 0)/
 * bug: a timer fires though it is being cancelled | runtime/time/timer.c | /^static bool claim/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: a look leaves the heap's first unannounced | runtime/time/timer.c | /^    lower_earliest(ts->slot, heap_earliest/d */
#include "model.h"

#include "runtime/time/timer.c"

#define NOW 10
#define DUE 5
#define LATER 20
#define TIMERS 2

static struct sched_timer_slot slot;
static struct timer record[TIMERS];
static unsigned records_made;
static struct timer_ticket ticket[TIMERS];
static _Atomic(uint32_t) armed;
static _Atomic(uint32_t) fired[TIMERS];
static bool cancelled;

/* ---- what timer.c needs of its neighbours; the heap is not what is checked ---- */

int heap_push(struct heap *h, int64_t when, struct timer *t)
{
    size_t i = h->size++;
    for (; i > 0 && h->entries[i - 1].when > when; i--) {
        h->entries[i].when = h->entries[i - 1].when;
        h->entries[i].timer = h->entries[i - 1].timer;
    }
    h->entries[i].when = when;
    h->entries[i].timer = t;
    return 0;
}

struct timer *heap_pop(struct heap *h)
{
    struct timer *t = h->entries[0].timer;
    h->size--;
    for (size_t i = 0; i < h->size; i++) {
        h->entries[i].when = h->entries[i + 1].when;
        h->entries[i].timer = h->entries[i + 1].timer;
    }
    return t;
}

int64_t os_now(void)
{
    return NOW;
}

struct sched_timer_slot *sched_timer_slot(void)
{
    return &slot;
}

struct sched_timer_slot *sched_timer_slot_of(struct p *p)
{
    (void)p;
    return &slot;
}

void sched_set_timer_ops(const struct sched_timer_ops *ops)
{
    (void)ops;
}

void sched_timer_armed(void) {}

void sched_set_cache_class(enum sched_cache which, struct slab_class *class)
{
    (void)which, (void)class;
}

struct slab_cache *sched_cache(enum sched_cache which)
{
    static struct slab_cache cache;
    (void)which;
    return &cache;
}

void sched_timer_count(int delta)
{
    (void)delta;
}

void *slab_get_slow(struct slab_class *class, struct slab_cache *cache)
{
    (void)class, (void)cache;
    return &record[records_made++];
}

/* ---- */

static void fire(void *arg, uint64_t token)
{
    (void)token;
    REQUIRE(atomic_swap_acq_rel((_Atomic(uint32_t) *)arg, 1) == 0);
}

static void *arms(void *arg)
{
    REQUIRE(!timer_arm(&ticket[0], DUE, fire, &fired[0], 0));
    atomic_store_release(&armed, 1);
    REQUIRE(!timer_arm(&ticket[1], LATER, fire, &fired[1], 0));
    return arg;
}

static void *cancels(void *arg)
{
    if (atomic_load_acquire(&armed))
        cancelled = timer_cancel(&ticket[0]);
    return arg;
}

/* As run_due_timers() of find.c. */
static void *looks(void *arg)
{
    if (atomic_load_acquire(&slot.earliest) <= NOW)
        run_due(NULL);
    return arg;
}

int main(void)
{
    static _Alignas(
        struct timers) char room[sizeof(struct timers)]; /* the type is too much for GenMC */
    static struct heap_entry entries[TIMERS];
    struct timers *ts = (struct timers *)room;
    ts->heap.entries = entries;
    ts->slot = &slot;
    atomic_store_relaxed(&slot.heap, ts);
    atomic_store_relaxed(&slot.earliest, OS_FOREVER);
    pthread_t a = go(arms, NULL), b = go(cancels, NULL), c = go(looks, NULL), d = go(looks, NULL);
    join(a);
    join(b);
    join(c);
    join(d);
    looks(NULL);
    REQUIRE(atomic_load_relaxed(&fired[0]) == !cancelled);
    REQUIRE(!atomic_load_relaxed(&fired[1]));
    REQUIRE(atomic_load_relaxed(&slot.earliest) <= LATER);
    return 0;
}
