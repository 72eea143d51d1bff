/* SPDX-License-Identifier: Apache-2.0
 * fresh.h - goroutines that haven't run yet, the newest first: a bounded deque after Chase and Lev (SPAA 2005), orders
 * after Lê, Pop, Cohen and Zappa Nardelli (PPoPP 2013).
 *
 * A program that forks as it goes down a tree, first in first out, has a whole level of the tree waiting at once, each with
 * a stack of its own; newest first it has one path. The holder takes the newest, thieves the oldest, which most likely
 * leads to the most work.
 *
 * The holder pushes and takes at the bottom. Thieves take at the top, by a CAS, one at a time: who takes several with one
 * CAS couldn't tell how far the bottom has come down meanwhile. The holder takes the bottom down first and then looks at
 * the top, with a fence between; a thief looks at the top, then at the bottom, with a fence between; so of the last one
 * they know of each other, and the CAS decides. Where the holder sees a single one he takes it at the top at once, which is
 * the CAS alone. A slot is filled again only when the top has passed it or the holder has taken it down.
 *
 * Cost: push 0 RMWs, take 1 (the fence or the CAS), steal 1 and a fence. Where there are no thieves: 0. */
#ifndef WEFT_SCHED_FRESH_H
#define WEFT_SCHED_FRESH_H

#include <stdbool.h>
#include <stddef.h>

#include "arch/assert.h"
#include "arch/atomic.h"

/* More go to the queue. */
#ifdef WEFT_TEST_BUILD
#define FRESH_MAX 2
#else
#define FRESH_MAX 1024
#endif

struct fresh {
    _Alignas(CACHE_LINE) _Atomic(uint64_t) top;
    _Alignas(CACHE_LINE) _Atomic(uint64_t) bottom; /* the holder's */
    bool passed;                                   /* the holder's: see runq_take_in_turn() */
    int64_t aged_at;                               /* and age_fresh(); 0: there were none */
    int64_t old_at;
    uint64_t old_below;
    _Atomic(void *) slots[FRESH_MAX];
};

SANITIZE_OWNER_DATA_BEGIN

static inline uint64_t fresh_size(const struct fresh *f)
{
    uint64_t top = atomic_load_acquire(&f->top);
    int64_t size = (int64_t)(atomic_load_acquire(&f->bottom) - top);
    /* A holder who takes the last one is below the top for a moment. */
    return size > 0 ? (uint64_t)size : 0;
}

/* Holder. */
static inline bool fresh_holds_none(const struct fresh *f)
{
    return atomic_load_relaxed(&f->bottom) == atomic_load_relaxed(&f->top);
}

/* Holder. False: there is no room. */
static inline bool fresh_push(struct fresh *f, void *x)
{
    uint64_t bottom = atomic_load_relaxed(&f->bottom);
    /* Acquire pairs with the release of the thief's CAS: his read of the slot came before. */
    if (unlikely(bottom - atomic_load_acquire(&f->top) >= FRESH_MAX))
        return false;
    atomic_store_relaxed(&f->slots[bottom % FRESH_MAX], x);
    atomic_store_release(&f->bottom, bottom + 1); /* pairs with fresh_steal() */
    return true;
}

/* Anybody: the oldest. NULL: none, or another was faster. */
static inline void *fresh_steal(struct fresh *f)
{
    uint64_t top = atomic_load_acquire(&f->top);
    atomic_fence_full(); /* [FRESH-2] */
    if ((int64_t)(atomic_load_acquire(&f->bottom) - top) <= 0)
        return NULL;
    void *x = atomic_load_relaxed(&f->slots[top % FRESH_MAX]);
    return atomic_cas_acq_rel(&f->top, &top, top + 1) ? x : NULL;
}

/* Holder, of several: the newest. */
static inline void *fresh_take_last(struct fresh *f, uint64_t last)
{
    /* A release, as thieves may see this one and not that of the push. */
    atomic_store_release(&f->bottom, last);
    atomic_fence_full(); /* [FRESH-1] */
    uint64_t top = atomic_load_relaxed(&f->top);
    void *x = atomic_load_relaxed(&f->slots[last % FRESH_MAX]);
    if (likely((int64_t)(last - top) > 0))
        return x;
    /* Thieves have come as far as that one, or past it. */
    if (last != top || !atomic_cas_acq_rel(&f->top, &top, top + 1))
        x = NULL;
    atomic_store_release(&f->bottom, last + 1);
    return x;
}

/* Holder: the newest, or NULL. */
static inline void *fresh_take(struct fresh *f)
{
    uint64_t top = atomic_load_relaxed(&f->top), last = atomic_load_relaxed(&f->bottom) - 1;
    if (last + 1 == top)
        return NULL;
    if (last != top)
        return fresh_take_last(f, last);
    void *x = atomic_load_relaxed(&f->slots[last % FRESH_MAX]);
    return atomic_cas_acq_rel(&f->top, &top, top + 1) ? x : NULL;
}

/* The same where there are no thieves. */
static inline void *fresh_take_unshared(struct fresh *f)
{
    uint64_t last = atomic_load_relaxed(&f->bottom) - 1;
    if (last + 1 == atomic_load_relaxed(&f->top))
        return NULL;
    atomic_store_release(&f->bottom, last);
    return atomic_load_relaxed(&f->slots[last % FRESH_MAX]);
}

SANITIZE_OWNER_DATA_END

#endif
