/* SPDX-License-Identifier: Apache-2.0
 * spares.h - freed blocks of one size that an owner keeps for his next ones. jemalloc takes some 300 instructions to give
 * and take one from an arena of ours, this takes 10. What is more than alloc_spares_most goes back to it, so a burst of objects
 * doesn't keep its memory (a slab's would: slab.h). Used by the holder of a P. */
#ifndef WEFT_ALLOC_SPARES_H
#define WEFT_ALLOC_SPARES_H

#include <stdbool.h>
#include <stdint.h>

#include "alloc/alloc.h"
#include "arch/arch.h"
#include "arch/sanitize.h"

struct spare {
    struct spare *next;
};

struct spares {
    struct spare *first;
    uint32_t n;
};

SANITIZE_OWNER_DATA_BEGIN

/* A block, with whatever was in it, or NULL. */
static inline void *spares_get(struct spares *s)
{
    struct spare *spare = s->first;
    if (unlikely(!spare))
        return NULL;
    s->first = spare->next;
    s->n--;
    return spare;
}

/* False: there are enough. */
static inline bool spares_put(struct spares *s, void *block)
{
    struct spare *spare = block;
    if (unlikely(s->n >= alloc_spares_most))
        return false;
    spare->next = s->first;
    s->first = spare;
    s->n++;
    return true;
}

static inline void spares_free(struct spares *s)
{
    for (void *block; (block = spares_get(s));)
        alloc_free(block);
}

SANITIZE_OWNER_DATA_END

#endif
