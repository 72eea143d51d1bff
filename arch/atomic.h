/* SPDX-License-Identifier: Apache-2.0
 * atomic.h - the one seam for atomics: nothing else includes <stdatomic.h>.
 *
 * Every operation names its order. In the test build each is also a point at which a thread may be
 * delayed at random (WEFT_DELAY, see os_delay_point), and a full fence becomes an RMW on a dummy
 * word where ThreadSanitizer, which doesn't model fences, is at work. */
#ifndef WEFT_ARCH_ATOMIC_H
#define WEFT_ARCH_ATOMIC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "arch/arch.h"

#ifdef WEFT_TEST_BUILD
void os_delay_point(void);
#define ATOMIC_POINT() os_delay_point()
#else
#define ATOMIC_POINT() ((void)0)
#endif

#define atomic_load_relaxed(p) (atomic_load_explicit((p), memory_order_relaxed))
#define atomic_load_acquire(p) (ATOMIC_POINT(), atomic_load_explicit((p), memory_order_acquire))
#define atomic_store_relaxed(p, v) (atomic_store_explicit((p), (v), memory_order_relaxed))
#define atomic_store_release(p, v)                                                                 \
    (ATOMIC_POINT(), atomic_store_explicit((p), (v), memory_order_release))

#define atomic_swap_acq_rel(p, v)                                                                  \
    (ATOMIC_POINT(), atomic_exchange_explicit((p), (v), memory_order_acq_rel))
#define atomic_add_relaxed(p, v) (atomic_fetch_add_explicit((p), (v), memory_order_relaxed))
#define atomic_add_acq_rel(p, v)                                                                   \
    (ATOMIC_POINT(), atomic_fetch_add_explicit((p), (v), memory_order_acq_rel))
#define atomic_sub_acq_rel(p, v)                                                                   \
    (ATOMIC_POINT(), atomic_fetch_sub_explicit((p), (v), memory_order_acq_rel))
#define atomic_or_acq_rel(p, v)                                                                    \
    (ATOMIC_POINT(), atomic_fetch_or_explicit((p), (v), memory_order_acq_rel))
#define atomic_and_acq_rel(p, v)                                                                   \
    (ATOMIC_POINT(), atomic_fetch_and_explicit((p), (v), memory_order_acq_rel))

/* Compare and swap: true when *p was *expected and is now v; else *expected is what *p was. */
#define atomic_cas_acq_rel(p, expected, v)                                                         \
    (ATOMIC_POINT(), atomic_compare_exchange_strong_explicit(                                      \
                         (p), (expected), (v), memory_order_acq_rel, memory_order_acquire))

/* Two words that are swapped as one; each may also be loaded, and lo swapped, alone. */
struct atomic_pair {
    _Alignas(16) _Atomic(uint64_t) lo;
    _Atomic(uint64_t) hi;
};

/* True when *p was {lo, hi} and is now {new_lo, new_hi}. Acquire and release; TSan doesn't see it. */
#define atomic_cas_pair(p, lo, hi, new_lo, new_hi)                                                 \
    (ATOMIC_POINT(), arch_cas_pair((p), (lo), (hi), (new_lo), (new_hi)))

/* Swap both words as one; what they were goes to lo and hi. */
static inline void atomic_swap_pair(struct atomic_pair *pair, uint64_t new_lo, uint64_t new_hi,
                                    uint64_t *lo, uint64_t *hi)
{
    do {
        *lo = atomic_load_acquire(&pair->lo);
        *hi = atomic_load_acquire(&pair->hi);
    } while (!atomic_cas_pair(pair, *lo, *hi, new_lo, new_hi));
}

#ifdef WEFT_TSAN
extern _Atomic(uint32_t) atomic_fence_word;
#endif

/* A store before it is seen by others before a load after it is done. */
static inline void atomic_fence_full(void)
{
    ATOMIC_POINT();
#ifdef WEFT_TSAN
    atomic_fetch_add_explicit(&atomic_fence_word, 1, memory_order_seq_cst);
#else
    arch_fence_full();
#endif
}

/* The two sides of a fence that costs only the rarer one: a store, the light fence, a load on this side; a store,
 * os_fence_heavy, a load on the other; at least one of the loads sees the other side's store. (Dice, Huang and
 * Yang, US patent 7644409, 2010; membarrier(2).) A light side may run while os_fence_prepare() does: to find it not
 * asymmetric yet is never wrong. */
extern _Atomic(bool) os_fence_is_asymmetric;
static inline void atomic_fence_light(void)
{
    ATOMIC_POINT();
    if (likely(atomic_load_relaxed(&os_fence_is_asymmetric)))
        atomic_signal_fence(memory_order_seq_cst);
    else
        atomic_fence_full();
}

/* The same, right after an RMW of this thread, which on some processors has done it already. */
static inline void atomic_fence_after_rmw(void)
{
    ATOMIC_POINT();
#ifdef WEFT_TSAN
    atomic_fetch_add_explicit(&atomic_fence_word, 1, memory_order_seq_cst);
#else
    arch_fence_after_rmw();
#endif
}

#endif
