/* SPDX-License-Identifier: Apache-2.0
 * waiter.c - waiters beside the one that each goroutine has: for waits that another may still look
 * at when they are over. Type-stable, from the P's cache. */
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

struct waiter_record {
    struct depot_node free; /* while it is free */
    struct waiter waiter;
};

static struct slab_class waiter_class = {
    .object_bytes = (sizeof(struct waiter_record) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE,
};

static struct slab_cache *cache_here(void)
{
    struct m *m = m_self();
    return likely(m && m->p) ? &m->p->waiters : foreign_waiters();
}

struct waiter *waiter_get(void)
{
    struct slab_cache *cache = cache_here();
    struct waiter_record *r = cache ? slab_get(&waiter_class, cache) : NULL;
    if (!r)
        return NULL;
    struct m *m = m_self();
    r->waiter.g = m ? m->g : NULL;
    r->waiter.result = 0;
    atomic_store_relaxed(&r->waiter.futex, 0);
    atomic_store_relaxed(&r->waiter.holders, 2);
    return &r->waiter;
}

void waiter_put(struct waiter *w)
{
    struct slab_cache *cache = cache_here();
    struct waiter_record *r = container_of(w, struct waiter_record, waiter);
    if (likely(cache))
        slab_put(&waiter_class, cache, r);
}

void waiter_drop(struct waiter *w)
{
    if (atomic_sub_acq_rel(&w->holders, 1) == 1)
        waiter_put(w);
}

void waiters_flush(struct slab_cache *cache)
{
    magazine_flush(&cache->free, &waiter_class.depot);
}

SANITIZE_OWNER_DATA_END
