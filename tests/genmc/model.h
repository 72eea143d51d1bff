/* SPDX-License-Identifier: Apache-2.0
 * model.h - what every driver needs: threads, memory and failed assertions as the checker has them. */
#ifndef WEFT_TESTS_GENMC_MODEL_H
#define WEFT_TESTS_GENMC_MODEL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "alloc/alloc.h"
#include "arch/assert.h"
#include "arch/atomic.h"

#define REQUIRE(cond) ((cond) ? (void)0 : __VERIFIER_assert_fail(#cond, __FILE__, __LINE__))

/* What planted bugs put in the place of the real thing. */
#define bug_cas_relaxed(p, expected, v)                                                            \
    atomic_compare_exchange_strong_explicit((p), (expected), (v), memory_order_relaxed,            \
                                            memory_order_relaxed)
#define bug_cas_in_two_steps(p, expected, v)                                                       \
    ({                                                                                             \
        __typeof__(*(expected)) was_ = *(expected);                                                \
        *(expected) = atomic_load_acquire(p);                                                      \
        if (*(expected) == was_)                                                                   \
            atomic_store_release((p), (v));                                                        \
        *(expected) == was_;                                                                       \
    })

static inline pthread_t go(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    pthread_create(&thread, NULL, fn, arg);
    return thread;
}

static inline void join(pthread_t thread)
{
    pthread_join(thread, NULL);
}

void os_delay_point(void) {}

_Noreturn void os_assert_failed(const char *text, const char *file, int line)
{
    (void)text, (void)file, (void)line;
    __VERIFIER_assert_fail("WEFT_ASSERT", __FILE__, __LINE__);
    __builtin_unreachable();
}

/* Words that are there from the start: what malloc(3) gives is something, too, and a thief may read a
 * slot that was never filled, before its CAS fails. */
void *alloc_aligned(size_t align, size_t n)
{
    (void)align;
    uint64_t *words = malloc(n);
    for (size_t i = 0; i < n / sizeof *words; i++)
        words[i] = 0;
    return words;
}

void alloc_free(void *p)
{
    free(p);
}

const unsigned alloc_spares_most = 0;

#endif
