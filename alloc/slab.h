/* SPDX-License-Identifier: Apache-2.0
 * slab.h - type-stable objects of one size: carved from slabs that are never given back or retyped,
 * so that a late reader of a freed object still reads an object of that type. Free ones wait in the
 * cache of a P (magazine.h). */
#ifndef WEFT_ALLOC_SLAB_H
#define WEFT_ALLOC_SLAB_H

#include "alloc/magazine.h"

struct slab {
    struct slab *next;
    size_t bytes;
    _Atomic(size_t) carved; /* bytes handed out so far, the header included; the carver's */
};

struct slab_class {
    size_t object_bytes;       /* a multiple of CACHE_LINE */
    int (*init)(void *object); /* once per object, when it is carved: 0 or -errno; may be NULL */
    bool huge;                 /* in huge pages, where there are many: docs/decisions.md */
    struct depot depot;
    _Atomic(struct slab *) slabs; /* all of them; only pushed to */
};

struct slab_cache {
    struct magazine free;
    struct slab *carving;
    unsigned slabs; /* carved here so far */
};

SANITIZE_OWNER_DATA_BEGIN

void *slab_get_slow(struct slab_class *class, struct slab_cache *cache);

/* An object, or NULL without memory. Fresh ones are zero; others are as they were put, but for their
 * first sizeof(struct depot_node) bytes. */
static inline void *slab_get(struct slab_class *class, struct slab_cache *cache)
{
    void *object = magazine_get_hot(&cache->free);
    return likely(object) ? object : slab_get_slow(class, cache);
}

static inline void slab_put(struct slab_class *class, struct slab_cache *cache, void *object)
{
    magazine_put(&cache->free, &class->depot, object);
}

/* Call fn for every object ever carved, free or not; of those that are carved meanwhile for some. */
void slab_for_each(struct slab_class *class, void (*fn)(void *object, void *arg), void *arg);

/* All of its memory, in blocks. */
void slab_each_block(struct slab_class *class,
                     void (*fn)(const void *block, size_t bytes, void *arg), void *arg);

SANITIZE_OWNER_DATA_END

#endif
