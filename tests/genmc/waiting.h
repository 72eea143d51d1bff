/* SPDX-License-Identifier: Apache-2.0
 * waiting.h - goroutines that wait, where how they park is not what is checked: each thread of the
 * checker is an M with its P and one goroutine that never leaves it, and parking is a spin until woken. The
 * waiters and their names are the real ones of waiter.c. */
#ifndef WEFT_TESTS_GENMC_WAITING_H
#define WEFT_TESTS_GENMC_WAITING_H

#include "model.h"

#include "runtime/sched/waiter.c"

#define MS 4

struct sched sched;
_Thread_local struct m *tls_m; /* model_m stands for it */

static struct g g[MS];
static struct p p[MS];
static struct m ms[MS];
static _Atomic(uint32_t) woken[MS];

/* A chunk of the table of names is all that is allocated; few have names here. */
void *alloc_zeroed(size_t align, size_t n)
{
    static struct waiter *chunk[16];
    (void)align;
    REQUIRE(n == WAITER_CHUNK_SIZE * sizeof chunk[0]);
    return chunk;
}

/* There are no records but those that the Ps' caches start with. */
void *slab_get_slow(struct slab_class *class, struct slab_cache *cache)
{
    (void)class, (void)cache;
    return NULL;
}

struct slab_cache *foreign_waiters(void)
{
    REQUIRE(false);
    return NULL;
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
    REQUIRE(waiter_register(&r->waiter) == 0);
    slab_put(&waiter_class, &p[i].waiters, r);
}

static unsigned records_cached(void)
{
    unsigned n = 0;
    for (int i = 0; i < MS; i++)
        for (struct depot_node *r = p[i].waiters.free.top; r; r = r->next)
            n++;
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

void waiter_wait(struct waiter *w, enum wait_reason reason)
{
    long i = w->g - g;
    (void)reason;
    REQUIRE(w->g == m_self()->g);
    AWAIT(atomic_load_acquire(&woken[i]));
    atomic_store_relaxed(&woken[i], 0);
}

void waiter_wake(struct waiter *w)
{
    REQUIRE(atomic_swap_acq_rel(&woken[w->g - g], 1) == 0);
}

void waiter_wake_in_order(struct waiter *w)
{
    waiter_wake(w);
}

#endif
