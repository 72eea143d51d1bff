/* SPDX-License-Identifier: Apache-2.0
 * waiter.c - the records that waits are made of: their names, and those beside the one that each
 * goroutine has, for waits that another may still look at when they are over. Type-stable. */
#include <errno.h>

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

/* ---- names: a table in chunks, made as it grows, kept until the process ends ---- */

_Atomic(struct waiter **) waiter_chunks[UINT32_C(1) << (32 - WAITER_CHUNK_BITS)];
static _Atomic(uint32_t) names; /* given so far */

static struct waiter **chunk_of(uint32_t name)
{
    _Atomic(struct waiter **) *slot = &waiter_chunks[name >> WAITER_CHUNK_BITS];
    struct waiter **chunk = atomic_load_acquire(slot);
    if (likely(chunk))
        return chunk;
    struct waiter **fresh = alloc_zeroed(CACHE_LINE, WAITER_CHUNK_SIZE * sizeof *fresh);
    if (!fresh)
        return NULL;
    if (atomic_cas_acq_rel(slot, &chunk, fresh))
        return fresh;
    alloc_free(fresh);
    return chunk;
}

/* Give a new record its name. 0, or -ENOMEM. */
int waiter_register(struct waiter *w)
{
    uint32_t name = atomic_load_relaxed(&names);
    do {
        if (name == WAITER_NAMES_MAX)
            return -ENOMEM;
    } while (!atomic_cas_acq_rel(&names, &name, name + 1));
    struct waiter **chunk = chunk_of(++name);
    if (!chunk)
        return -ENOMEM;
    chunk[name % WAITER_CHUNK_SIZE] = w; /* seen by whoever has got the name from w's publication */
    w->name = name;
    return 0;
}

/* ---- records of their own ---- */

struct waiter_record {
    struct depot_node free; /* while it is free */
    struct waiter waiter;
    struct waiter_extra extra;
};

_Static_assert(offsetof(struct waiter_record, extra) ==
                   offsetof(struct waiter_record, waiter) + sizeof(struct waiter),
               "waiter_extra() finds it");

static int record_carved(void *object)
{
    return waiter_register(&((struct waiter_record *)object)->waiter);
}

static struct slab_class waiter_class = {
    .init = record_carved,
    .object_bytes = (sizeof(struct waiter_record) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE,
};

struct waiter *waiter_get(void)
{
    struct m *m = m_self();
    if (unlikely(m && m->g && p_is_orphan(m->p)))
        sched_abandon();
    struct slab_cache *cache = cache_here(SCHED_CACHE_WAITERS);
    struct waiter_record *r = cache ? slab_get(&waiter_class, cache) : NULL;
    if (!r)
        return NULL;
    r->waiter.g = m ? m->g : NULL;
    r->waiter.result = 0;
    r->waiter.cancellable = true;
    atomic_store_relaxed(&r->waiter.futex, 0);
    atomic_store_relaxed(&r->waiter.holders, 2);
    return &r->waiter;
}

void waiter_put(struct waiter *w)
{
    struct slab_cache *cache = cache_here(SCHED_CACHE_WAITERS);
    struct waiter_record *r = container_of(w, struct waiter_record, waiter);
    if (likely(cache))
        slab_put(&waiter_class, cache, r);
}

void waiter_drop(struct waiter *w)
{
    if (unlikely(w->g && w == &w->g->waiter))
        return; /* of a goroutine whose run has ended: see waiter_kill() */
    if (atomic_sub_acq_rel(&w->holders, 1) == 1)
        waiter_put(w);
}

/* The run has ended while w's goroutine was parked: whoever finds w drops it. */
void waiter_kill(struct waiter *w)
{
    if (w == &w->g->waiter) {
        w->cancellable = true;
        atomic_store_relaxed(&w->holders, UINT32_MAX / 2); /* it is no record of ours to put back */
    }
    atomic_and_acq_rel(&w->word, ~UINT64_C(1));
}

/* All memory of those from waiter_get(). */
void waiter_each_block(void (*fn)(const void *block, size_t bytes, void *arg), void *arg)
{
    slab_each_block(&waiter_class, fn, arg);
}

__attribute__((constructor)) static void install(void)
{
    sched_set_cache_class(SCHED_CACHE_WAITERS, &waiter_class);
}

SANITIZE_OWNER_DATA_END
