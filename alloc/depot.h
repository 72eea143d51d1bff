/* SPDX-License-Identifier: Apache-2.0
 * depot.h - a lock-free LIFO of batches, through which the Ps' caches even out.
 *
 * A batch is a chain of objects; its first object links to the next batch. The head word carries the
 * pointer in its low 48 bits and a tag above, which every pop moves, so that a popper who slept over
 * the reuse of the same batch fails (ABA). Objects are type-stable: a late popper may read the link
 * of one that is in use again; it gets rubbish and fails by the tag. After Treiber (1986), batches
 * after Bonwick and Adams (USENIX 2001). Cost: 1 RMW a batch. */
#ifndef WEFT_ALLOC_DEPOT_H
#define WEFT_ALLOC_DEPOT_H

#include "arch/assert.h"
#include "arch/atomic.h"

struct depot_node {
    struct depot_node *next;                 /* in the chain; the holder's */
    _Atomic(struct depot_node *) next_batch; /* valid in the first of a batch */
    size_t count;                            /* likewise: objects in the batch */
};

struct depot {
    _Alignas(CACHE_LINE) _Atomic(uint64_t) head;
    _Atomic(int64_t) batches; /* about as many are in it */
    _Atomic(int64_t) fewest;  /* since depot_unused() was asked last */
};

#define DEPOT_POINTER_BITS 48
#define DEPOT_POINTER_MASK ((UINT64_C(1) << DEPOT_POINTER_BITS) - 1)

SANITIZE_OWNER_DATA_BEGIN

static inline void depot_push(struct depot *d, struct depot_node *batch)
{
    WEFT_ASSERT(((uintptr_t)batch & ~DEPOT_POINTER_MASK) == 0);
    uint64_t head = atomic_load_relaxed(&d->head);
    do {
        atomic_store_relaxed(&batch->next_batch,
                             (struct depot_node *)(uintptr_t)(head & DEPOT_POINTER_MASK));
    } while (!atomic_cas_acq_rel(&d->head, &head,
                                 (head & ~DEPOT_POINTER_MASK) | (uint64_t)(uintptr_t)batch));
    atomic_add_relaxed(&d->batches, 1);
}

static inline struct depot_node *depot_pop(struct depot *d)
{
    uint64_t head = atomic_load_acquire(&d->head), tag, next;
    struct depot_node *batch;
    do {
        batch = (struct depot_node *)(uintptr_t)(head & DEPOT_POINTER_MASK);
        if (!batch)
            return NULL;
        next = (uint64_t)(uintptr_t)atomic_load_relaxed(&batch->next_batch);
        tag = (head >> DEPOT_POINTER_BITS) + 1;
    } while (!atomic_cas_acq_rel(&d->head, &head,
                                 (tag << DEPOT_POINTER_BITS) | (next & DEPOT_POINTER_MASK)));
    int64_t left = atomic_add_relaxed(&d->batches, -1) - 1;
    if (left < atomic_load_relaxed(&d->fewest))
        atomic_store_relaxed(&d->fewest, left);
    return batch;
}

/* How many batches nobody has needed since this was asked last, or a few more or less. */
static inline int64_t depot_unused(struct depot *d)
{
    int64_t fewest = atomic_load_relaxed(&d->fewest);
    atomic_store_relaxed(&d->fewest, atomic_load_relaxed(&d->batches));
    return fewest;
}

SANITIZE_OWNER_DATA_END

#endif
