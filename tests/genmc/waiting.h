/* SPDX-License-Identifier: Apache-2.0
 * waiting.h - goroutines that wait, where how they park is not what is checked: each thread of the
 * checker is an M with its P and one goroutine that never leaves it, and parking is a spin until woken. The
 * waiters and their names are the real ones of waiter.c. */
#ifndef WEFT_TESTS_GENMC_WAITING_H
#define WEFT_TESTS_GENMC_WAITING_H

#include "model.h"

#include "runtime/sched/caches.c"
#include "runtime/sched/waiter.c"

#define MS 4
#define NAMES 32

struct sched sched;
_Thread_local struct m *tls_m; /* model_m stands for it */

static struct g g[MS];
static struct p p[MS];
static struct m ms[MS];
static _Atomic(uint32_t) woken[MS]; /* WOKEN, GIVEN_UP */

enum { WOKEN = 1, GIVEN_UP = 2 };

/* What an M does before its goroutine waits; drivers with timers set it. */
static void (*before_waiting)(void);

/* A chunk of the table of names is all that is allocated; few have names here. */
void *alloc_zeroed(size_t align, size_t n)
{
    static struct waiter *chunk[NAMES];
    (void)align;
    REQUIRE(n == WAITER_CHUNK_SIZE * sizeof chunk[0]);
    return chunk;
}

/* There are no records but those that the Ps' caches start with. */
void *slab_get_slow(struct slab_class *class, struct slab_cache *cache)
{
    return cache->free.spare ? magazine_get(&cache->free, &class->depot) : NULL;
}

struct slab_cache *foreign_cache(enum sched_cache which)
{
    (void)which;
    REQUIRE(false);
    return NULL;
}

/* This execution, which goes round in circles: the bound that drivers set by an edit. */
static inline void give_up(void)
{
    for (int i = 0; i < MS; i++)
        atomic_or_acq_rel(&woken[i], GIVEN_UP);
    __VERIFIER_assume(0);
}

static void ms_init(void)
{
    for (int i = 0; i < MS; i++) {
        g[i].waiter.g = &g[i];
        REQUIRE(waiter_register(&g[i].waiter) == 0);
        ms[i].p = &p[i];
        ms[i].g = &g[i];
    }
}

/* A record in the cache of P i. */
static void record_add(int i, struct waiter_record *r)
{
    REQUIRE(waiter_register(&r->waiter) == 0 && r->waiter.name < NAMES);
    slab_put(&waiter_class, &p[i].caches[SCHED_CACHE_WAITERS], r);
}

static unsigned count_records(const struct depot_node *r)
{
    unsigned n = 0;
    for (; r; r = r->next)
        n++;
    return n;
}

static unsigned records_cached(void)
{
    unsigned n = 0;
    for (int i = 0; i < MS; i++)
        n += count_records(p[i].caches[SCHED_CACHE_WAITERS].free.top) +
             count_records(p[i].caches[SCHED_CACHE_WAITERS].free.spare);
    return n;
}

/* This thread is M i. */
static void m_is(int i)
{
    model_m = &ms[i];
}

struct waiter *waiter_self(void)
{
    return &m_self()->g->waiter;
}

uint16_t waiter_wait(struct waiter *w, enum wait_reason reason)
{
    long i = w->g - g;
    (void)reason;
    REQUIRE(w->g == m_self()->g);
    if (before_waiting)
        before_waiting();
    AWAIT(atomic_load_acquire(&woken[i]));
    __VERIFIER_assume(atomic_and_acq_rel(&woken[i], ~WOKEN) & WOKEN);
    return w->result;
}

uint16_t waiter_wait_here(struct sched_m *m, enum wait_reason reason)
{
    return waiter_wait(&((struct g *)m->g)->waiter, reason);
}

/* Nobody runs next here who could be given the lock. */
uint16_t waiter_wait_unlocking(struct waiter *w, enum wait_reason reason, _Atomic(uint64_t) *lock,
                               void (*unlock)(_Atomic(uint64_t) *lock))
{
    unlock(lock);
    return waiter_wait(w, reason);
}

void waiter_wake(struct waiter *w)
{
    REQUIRE(!(atomic_or_acq_rel(&woken[w->g - g], WOKEN) & WOKEN));
}

void waiter_wake_here(struct waiter *w, struct sched_m *m)
{
    (void)m;
    waiter_wake(w);
}

void waiter_wake_in_order(struct waiter *w)
{
    waiter_wake(w);
}

#endif
