/* SPDX-License-Identifier: Apache-2.0
 * stock.h - the free objects of one processor: its holder puts and takes without an RMW, others take, too.
 *
 * In front lies one object (`hot_`), by which a get and a put that follow each other pass, inline in the caller
 * (weft/pool.h). Behind it is a ring, where the holder puts and takes at one end and others take from the other.
 *
 * The ring goes after the THE protocol of Cilk-5 (Frigo, Leiserson, Randall, PLDI 1998): positions [head, tail) are filled. The
 * holder moves tail, a thief moves head, each first moves and then looks at the other's, with a fence between; who
 * finds that they have crossed moves back. So an object is taken by one of them, or, when they meet at the last,
 * maybe by neither. The holder's fence is the light one, a thief's the heavy one.
 *
 *   thief: 0 --CAS--> 1: this thief moves head, or is at the gate --> 0. Who finds it taken leaves the stock alone.
 *   done:  head, once the thief has read what he took: only then may the holder fill that place again.
 *
 * The one in front has a gate. The holder takes it out first and then looks at the gate, a thief closes the gate and then
 * looks what is there, likewise with a fence between: a thief who sees an object knows that the holder will find the
 * gate closed when he takes that one. Whose it is a CAS decides.
 *
 *   gate: OPEN --the thief--> CLOSED --CAS, the thief has seen an object: it is his--> TAKEN --the holder has found that out--> OPEN
 *                               | '--CAS, the holder: what he took out is his--> KEPT --the thief has found that out--> OPEN
 *                               '--CAS, the thief has seen none--> OPEN
 * While it is TAKEN what lies behind it is another's; the holder, who alone writes hot_, clears it when he comes to take it.
 *
 * Nobody ever waits: a thief who is stopped keeps other thieves from this one stock, and the holder from as many
 * places as he was about to take.
 *
 * Cost: put and take 0 RMWs; a theft 1 RMW (from in front 2) and 1 heavy fence, not tried on a stock that looks empty.
 * Rejected: the deque of goroutines (its holder's take is an RMW, as thefts there are frequent). */
#ifndef WEFT_POOL_STOCK_H
#define WEFT_POOL_STOCK_H

#include <stddef.h>
#include <weft/pool.h>

#include "arch/atomic.h"
#include "arch/os.h"

#ifdef WEFT_TEST_BUILD
#define STOCK_SIZE 4u
#else
#define STOCK_SIZE 64u
#endif

#define GATE_STATE ((uintptr_t)3)
#define GATE_OPEN ((uintptr_t)0)
#define GATE_CLOSED ((uintptr_t)1)
#define GATE_TAKEN ((uintptr_t)2)
#define GATE_KEPT ((uintptr_t)3)
#define GATE_FENCES ((uintptr_t)4) /* always or never: the holder has to do a fence of his own */

struct stock {
    _Alignas(CACHE_LINE) struct weft_stock_ front;
    _Atomic(uint32_t) tail;                      /* the holder's, as what is in front */
    _Alignas(CACHE_LINE) _Atomic(uint32_t) head; /* the thief's */
    _Atomic(uint32_t) done;
    _Atomic(uint32_t) thief;
    uint32_t seen_head, seen_tail; /* at the last trim; trim.c's */
    _Alignas(CACHE_LINE) _Atomic(void *) slots[STOCK_SIZE];
};

SANITIZE_OWNER_DATA_BEGIN

static inline _Atomic(void *) *stock_hot(struct stock *s)
{
    return (_Atomic(void *) *)&s->front.hot_;
}

static inline _Atomic(uintptr_t) *stock_gate(struct stock *s)
{
    return (_Atomic(uintptr_t) *)&s->front.gate_;
}

/* Of one that is all zero, when os_fence_prepare() is done. */
static inline void stock_init(struct stock *s)
{
    bool fences = !atomic_load_relaxed(&os_fence_is_asymmetric);
    atomic_store_relaxed(stock_gate(s), GATE_OPEN | (fences ? GATE_FENCES : 0));
}

/* About how many there are behind. Anybody. */
static inline uint32_t stock_ring_count(struct stock *s)
{
    int32_t n = (int32_t)(atomic_load_relaxed(&s->tail) - atomic_load_relaxed(&s->head));
    return n > 0 ? (uint32_t)n : 0;
}

/* Likewise, in front. */
static inline bool stock_has_hot(struct stock *s)
{
    return atomic_load_relaxed(stock_hot(s)) &&
           (atomic_load_relaxed(stock_gate(s)) & GATE_STATE) != GATE_TAKEN;
}

/* About how many there are. Anybody. */
static inline uint32_t stock_count(struct stock *s)
{
    return stock_ring_count(s) + stock_has_hot(s);
}

/* The holder, behind. False: it is full. */
static inline bool stock_put(struct stock *s, void *object)
{
    uint32_t tail = atomic_load_relaxed(&s->tail);
    if (unlikely(tail - atomic_load_acquire(&s->done) >= STOCK_SIZE)) /* pairs with steal() */
        return false;
    atomic_store_relaxed(&s->slots[tail % STOCK_SIZE], object);
    atomic_store_release(&s->tail, tail + 1); /* pairs with steal() */
    return true;
}

/* The holder, behind: the one that was put last. NULL: there is none, or a thief was about to take it. */
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

/* The holder, who has taken out what was in front, and then found that the gate isn't OPEN, or that he must run a
 * fence: whether it is his. */
bool stock_keeps(struct stock *s);

/* Anybody: up to n of the oldest behind; how many. */
uint32_t stock_steal(struct stock *s, void **objects, uint32_t n);

/* Anybody: the one in front; NULL: there is none, or its holder is taking it. */
void *stock_steal_hot(struct stock *s);

#endif
