/* SPDX-License-Identifier: Apache-2.0
 * slab.c - getting objects of a slab class. */
#include "alloc/slab.h"

#include "alloc/alloc.h"

#ifdef WEFT_TEST_BUILD
#define SLAB_BYTES ((size_t)4 << 10)
#else
#define SLAB_BYTES ((size_t)64 << 10)
#endif

SANITIZE_OWNER_DATA_BEGIN

static struct slab *slab_new(struct slab_class *class)
{
    struct slab *slab = alloc_zeroed(CACHE_LINE, SLAB_BYTES);
    if (!slab)
        return NULL;
    atomic_store_relaxed(&slab->carved, CACHE_LINE);
    slab->next = atomic_load_relaxed(&class->slabs);
    while (!atomic_cas_acq_rel(&class->slabs, &slab->next, slab))
        ;
    return slab;
}

static void *carve(struct slab_class *class, struct slab_cache *cache)
{
    struct slab *slab = cache->carving;
    size_t at = slab ? atomic_load_relaxed(&slab->carved) : SLAB_BYTES;
    if (at + class->object_bytes > SLAB_BYTES) {
        slab = slab_new(class);
        if (!slab)
            return NULL;
        cache->carving = slab;
        at = CACHE_LINE;
    }
    void *object = (char *)slab + at;
    if (class->init && class->init(object))
        return NULL; /* it stays as it is, and is carved another time */
    atomic_store_release(&slab->carved, at + class->object_bytes); /* pairs with slab_for_each() */
    return object;
}

void *slab_get_slow(struct slab_class *class, struct slab_cache *cache)
{
    void *object = magazine_get(&cache->free, &class->depot);
    return likely(object) ? object : carve(class, cache);
}

void slab_for_each(struct slab_class *class, void (*fn)(void *object, void *arg), void *arg)
{
    for (struct slab *s = atomic_load_acquire(&class->slabs); s; s = s->next) {
        size_t carved = atomic_load_acquire(&s->carved); /* pairs with carve() */
        for (size_t at = CACHE_LINE; at < carved; at += class->object_bytes)
            fn((char *)s + at, arg);
    }
}

void slab_each_block(struct slab_class *class,
                     void (*fn)(const void *block, size_t bytes, void *arg), void *arg)
{
    for (struct slab *s = atomic_load_acquire(&class->slabs); s; s = s->next)
        fn(s, SLAB_BYTES, arg);
}

SANITIZE_OWNER_DATA_END
