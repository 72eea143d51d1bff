/* SPDX-License-Identifier: Apache-2.0
 * deque.h - the run queue of one P: a growing ring after Chase and Lev (SPAA 2005), orders after Lê,
 * Pop, Cohen and Zappa Nardelli (PPoPP 2013), used first in first out.
 *
 * The owner pushes at the tail. Owner and thieves take from the head, each by a CAS on it, so the
 * store-load fence of the LIFO pop isn't needed: there is no element that one side could take
 * without the CAS. A thief takes half at once: it copies the slots first, then moves the head over
 * all of them with one CAS.
 *
 * Invariants: head <= tail; head only grows; only the owner writes tail, the slots and the array.
 * A slot is overwritten only after the head has passed it, so a thief that read a slot too late
 * fails its CAS. An outgrown array is left as it was: a thief that still reads it finds, for every
 * index below the tail it saw, what the new one holds. It is retired, not freed (qsbr.h).
 *
 * Cost: push 0 RMW, pop 1, a steal of any number 1.
 * Rejected: a fixed ring with overflow into a shared queue, as Go has it (spawn_many pays a lock and a
 * batch copy every 128 goroutines). */
#ifndef WEFT_SCHED_DEQUE_H
#define WEFT_SCHED_DEQUE_H

#include <stddef.h>

#include "arch/assert.h"
#include "arch/atomic.h"

#ifdef WEFT_TEST_BUILD
#define DEQUE_CAPACITY_MIN 2
#else
#define DEQUE_CAPACITY_MIN 256
#endif

/* Most that one steal takes: more slots take longer to copy than a busy owner leaves the head alone. */
#define DEQUE_STEAL_MAX 64

struct deque_array {
    struct deque_array *next_retired;
    uint64_t mask; /* capacity - 1 */
    _Atomic(void *) slots[];
};

struct deque {
    _Alignas(CACHE_LINE) _Atomic(uint64_t) head;
    _Alignas(CACHE_LINE) _Atomic(uint64_t) tail;
    _Atomic(struct deque_array *) array;
    void (*retire)(struct deque_array *outgrown); /* frees it once no thief can be reading it */
};

SANITIZE_OWNER_DATA_BEGIN

/* 0 or -ENOMEM. */
int deque_init(struct deque *d, void (*retire)(struct deque_array *));
void deque_destroy(struct deque *d);

/* Owner: room for n more; 0 or -ENOMEM. */
int deque_reserve(struct deque *d, uint64_t n);

/* Take up to half of `from` (at least one if there is any): the oldest is returned, the others are
 * appended to `into`, whose owner calls. NULL: empty, or a race lost; *stolen says how many. */
void *deque_steal_half(struct deque *from, struct deque *into, unsigned *stolen);

static inline uint64_t deque_size(const struct deque *d)
{
    uint64_t head = atomic_load_acquire(&d->head);
    uint64_t tail = atomic_load_acquire(&d->tail);
    return tail - head; /* head was read first, so this never wraps */
}

/* Owner: append. 0 or -ENOMEM, and then nothing happened. */
static inline int deque_push(struct deque *d, void *x)
{
    uint64_t tail = atomic_load_relaxed(&d->tail);
    struct deque_array *a = atomic_load_relaxed(&d->array);
    /* Acquire pairs with the release of the taker's CAS: his read of the slot came before. */
    if (unlikely(tail - atomic_load_acquire(&d->head) > a->mask)) {
        int rc = deque_reserve(d, 1);
        if (rc)
            return rc;
        a = atomic_load_relaxed(&d->array);
    }
    atomic_store_relaxed(&a->slots[tail & a->mask], x);
    atomic_store_release(&d->tail, tail + 1); /* pairs with the acquire in deque_steal_half() */
    return 0;
}

/* Owner: append where the owner has just taken one, so there is room. */
static inline __attribute__((always_inline)) void deque_push_after_pop(struct deque *d, void *x)
{
    uint64_t tail = atomic_load_relaxed(&d->tail);
    struct deque_array *a = atomic_load_relaxed(&d->array);
    WEFT_DEBUG_ASSERT(tail - atomic_load_relaxed(&d->head) <= a->mask);
    atomic_store_relaxed(&a->slots[tail & a->mask], x);
    atomic_store_release(&d->tail, tail + 1); /* pairs with the acquire in deque_steal_half() */
}

/* Owner: take the oldest, or NULL. */
static inline __attribute__((always_inline)) void *deque_pop(struct deque *d)
{
    uint64_t head = atomic_load_relaxed(&d->head);
    for (;;) {
        if (head == atomic_load_relaxed(&d->tail))
            return NULL;
        struct deque_array *a = atomic_load_relaxed(&d->array);
        void *x = atomic_load_relaxed(&a->slots[head & a->mask]);
        if (likely(atomic_cas_acq_rel(&d->head, &head, head + 1)))
            return x;
    }
}

/* The same where there are no thieves, of a deque that isn't empty and whose head the owner has read. */
static inline __attribute__((always_inline)) void *deque_pop_unshared(struct deque *d,
                                                                      uint64_t head)
{
    struct deque_array *a = atomic_load_relaxed(&d->array);
    void *x = atomic_load_relaxed(&a->slots[head & a->mask]);
    atomic_store_release(&d->head, head + 1); /* after the tail, for deque_size() elsewhere */
    return x;
}

SANITIZE_OWNER_DATA_END

#endif
