/* SPDX-License-Identifier: Apache-2.0
 * stock.h - the free objects of one processor: its holder puts and takes without an RMW, others take from the
 * other end.
 *
 * After the THE protocol of Cilk-5 (Frigo, Leiserson, Randall, PLDI 1998): positions [head, tail) are filled. The
 * holder moves tail, a thief moves head, each first moves and then looks at the other's, with a fence between; who
 * finds that they have crossed moves back. So an object is taken by one of them, or, when they meet at the last,
 * maybe by neither. The holder's fence is the light one, a thief's the heavy one.
 *
 *   thief: 0 --CAS--> 1: this thief moves head --> 0. Who finds it taken leaves the stock alone.
 *   done:  head, once the thief has read what he took: only then may the holder fill that place again.
 *
 * Nobody ever waits: a thief who is stopped keeps other thieves from this one stock, and the holder from as many
 * places as he was about to take.
 *
 * Cost: put and take 0 RMWs; a theft 1 RMW and 1 heavy fence, not tried on a stock that looks empty.
 * Rejected: the deque of goroutines (its holder's take is an RMW, as thefts there are frequent). */
#ifndef WEFT_POOL_STOCK_H
#define WEFT_POOL_STOCK_H

#include "arch/atomic.h"
#include "arch/os.h"

#ifdef WEFT_TEST_BUILD
#define STOCK_SIZE 4u
#else
#define STOCK_SIZE 64u
#endif

struct stock {
    _Alignas(CACHE_LINE) _Atomic(uint32_t) tail; /* the holder's */
    _Alignas(CACHE_LINE) _Atomic(uint32_t) head; /* the thief's */
    _Atomic(uint32_t) done;
    _Atomic(uint32_t) thief;
    uint32_t seen_head, seen_tail; /* at the last trim; trim.c's */
    _Alignas(CACHE_LINE) _Atomic(void *) slots[STOCK_SIZE];
};

SANITIZE_OWNER_DATA_BEGIN

/* About how many there are. Anybody. */
static inline uint32_t stock_count(struct stock *s)
{
    int32_t n = (int32_t)(atomic_load_relaxed(&s->tail) - atomic_load_relaxed(&s->head));
    return n > 0 ? (uint32_t)n : 0;
}

/* The holder. False: it is full. */
static inline bool stock_put(struct stock *s, void *object)
{
    uint32_t tail = atomic_load_relaxed(&s->tail);
    if (unlikely(tail - atomic_load_acquire(&s->done) >= STOCK_SIZE)) /* pairs with stock_steal() */
        return false;
    atomic_store_relaxed(&s->slots[tail % STOCK_SIZE], object);
    atomic_store_release(&s->tail, tail + 1); /* pairs with stock_steal() */
    return true;
}

/* The holder: the one that was put last. NULL: there is none, or a thief was about to take it. */
static inline void *stock_take(struct stock *s)
{
    uint32_t tail = atomic_load_relaxed(&s->tail) - 1;
    atomic_store_release(&s->tail, tail); /* a thief may see this one, and not the put's */
    atomic_fence_light();                 /* [STOCK-1] */
    if (unlikely((int32_t)(tail - atomic_load_relaxed(&s->head)) < 0)) {
        atomic_store_release(&s->tail, tail + 1);
        return NULL;
    }
    return atomic_load_relaxed(&s->slots[tail % STOCK_SIZE]);
}

SANITIZE_OWNER_DATA_END

/* Anybody: up to n of the oldest; how many. */
uint32_t stock_steal(struct stock *s, void **objects, uint32_t n);

#endif
