/* SPDX-License-Identifier: Apache-2.0
 * timers.h - timer.c in the model, over a list in place of the wheel. */
#ifndef WEFT_TESTS_GENMC_TIMERS_H
#define WEFT_TESTS_GENMC_TIMERS_H

#include "model.h"

#include "runtime/time/timer.c"

#define NOW 10
#define DUE 5
#define LATER 20
#define TIMERS 3

static struct sched_p ps[4]; /* the first is nobody's */
#define SLOT (ps[1].timer)
static struct timer record[TIMERS];
static unsigned records_made;
static struct timer_ticket ticket[TIMERS];
static _Atomic(uint32_t) armed;
static _Atomic(uint32_t) fired[TIMERS];

struct sched_p *sched_p_left(void)
{
    return NULL;
}

/* ---- what timer.c needs of its neighbours; the wheel is not what is checked: its entries are in a list ---- */

void wheel_add(struct wheel *w, struct wheel_entry *e)
{
    REQUIRE((atomic_load_relaxed(&timer_of(e)->state) & STATE_MASK) != TIMER_FREE);
    struct wheel_entry **at = &w->slots[0][0].first;
    while (*at && atomic_load_relaxed(&(*at)->when) <= atomic_load_relaxed(&e->when))
        at = &(*at)->next;
    e->next = *at;
    e->place = 1;
    *at = e;
}

void wheel_remove(struct wheel *w, struct wheel_entry *e)
{
    struct wheel_entry **at = &w->slots[0][0].first;
    while (*at != e)
        at = &(*at)->next;
    *at = e->next;
    e->place = 0;
}

struct wheel_entry *wheel_expire(struct wheel *w, int64_t now)
{
    struct wheel_entry *e = w->slots[0][0].first;
    if (!e || atomic_load_relaxed(&e->when) > now)
        return NULL;
    wheel_remove(w, e);
    return e;
}

struct wheel_entry *wheel_take_any(struct wheel *w)
{
    return wheel_expire(w, OS_FOREVER);
}

int64_t wheel_soonest(const struct wheel *w)
{
    struct wheel_entry *e = w->slots[0][0].first;
    return e ? atomic_load_relaxed(&e->when) : OS_FOREVER;
}

int64_t os_now(void)
{
    return NOW;
}

struct sched_timer_slot *sched_timer_slot_any(void)
{
    return &SLOT;
}

/* Hold a P: that of the timers is 1; 2 and 3: those who look. */
static void hold(int number)
{
    static struct sched_m ms[4];
    ms[number].p = &ps[number];
    model_m = &ms[number];
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
    REQUIRE(which == SCHED_CACHE_TIMERS);
    return &cache;
}

void sched_timer_count_without_p(int delta)
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

/* As timer_slot_earliest() of find.c. */
static int64_t earliest_known(void)
{
    int64_t loose = atomic_load_acquire(&SLOT.loose);
    int64_t earliest = atomic_load_acquire(&SLOT.earliest);
    return loose < earliest ? loose : earliest;
}

/* As run_due_timers() of find.c. */
static void *looks(void *arg)
{
    hold(*(int *)arg);
    if (earliest_known() <= NOW)
        run_due((struct p *)&ps[1]);
    return arg;
}

/* All records, once each, in the caches of those who hold a P. */
static bool all_are_free(void)
{
    unsigned n = 0;
    for (int i = 1; i < 4; i++)
        for (struct depot_node *r = ps[i].caches[SCHED_CACHE_TIMERS].free.top; r; r = r->next, n++)
            REQUIRE((atomic_load_relaxed(&container_of(r, struct timer, free)->state) &
                     STATE_MASK) == TIMER_FREE);
    return n == records_made;
}

static void timers_init(void)
{
    static _Alignas(
        struct timers) char room[sizeof(struct timers)]; /* the type is too much for GenMC */
    struct timers *ts = (struct timers *)room;
    ts->slot = &SLOT;
    atomic_store_relaxed(&SLOT.timers, ts);
    atomic_store_relaxed(&SLOT.earliest, OS_FOREVER);
    atomic_store_relaxed(&SLOT.loose, OS_FOREVER);
}

#endif
