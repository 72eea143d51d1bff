/* SPDX-License-Identifier: Apache-2.0
 * magazine.h - an owner's two magazines of free objects in front of a depot (Bonwick and Adams,
 * USENIX 2001): last in first out, no RMW, and at most one trip to the depot in MAGAZINE_SIZE
 * operations however gets and puts alternate. Used by the holder of a P (or by one foreign thread). */
#ifndef WEFT_ALLOC_MAGAZINE_H
#define WEFT_ALLOC_MAGAZINE_H

#include "alloc/depot.h"

#ifdef WEFT_TEST_BUILD
#define MAGAZINE_SIZE 3
#else
#define MAGAZINE_SIZE 64
#endif

struct magazine {
    struct depot_node *top; /* the magazine in use */
    size_t count;
    struct depot_node *spare; /* full, or NULL */
};

SANITIZE_OWNER_DATA_BEGIN

/* From the magazine in use, or NULL. */
static inline __attribute__((always_inline)) void *magazine_get_hot(struct magazine *m)
{
    struct depot_node *node = m->top;
    if (likely(node)) {
        m->top = node->next;
        m->count--;
    }
    return node;
}

static inline void *magazine_get(struct magazine *m, struct depot *depot)
{
    if (unlikely(!m->top)) {
        m->top = m->spare ? m->spare : depot_pop(depot);
        m->spare = NULL;
        m->count = m->top ? m->top->count : 0;
    }
    return magazine_get_hot(m);
}

/* The magazine in use is full: it is kept as the spare, and the older spare handed on. */
static __attribute__((noinline, unused)) void magazine_put_full(struct magazine *m,
                                                                struct depot *depot, void *object)
{
    struct depot_node *node = object;
    m->top->count = m->count;
    if (m->spare)
        depot_push(depot, m->spare);
    m->spare = m->top;
    node->next = NULL;
    m->top = node;
    m->count = 1;
}

static inline __attribute__((always_inline)) void magazine_put(struct magazine *m,
                                                               struct depot *depot, void *object)
{
    struct depot_node *node = object;
    if (unlikely(m->count >= MAGAZINE_SIZE)) {
        magazine_put_full(m, depot, object);
        return;
    }
    node->next = m->top;
    m->top = node;
    m->count++;
}

/* Everything to the depot, for others. */
static inline void magazine_flush(struct magazine *m, struct depot *depot)
{
    if (m->top) {
        m->top->count = m->count;
        depot_push(depot, m->top);
    }
    if (m->spare)
        depot_push(depot, m->spare);
    *m = (struct magazine){0};
}

SANITIZE_OWNER_DATA_END

#endif
