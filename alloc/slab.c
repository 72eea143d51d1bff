/* SPDX-License-Identifier: Apache-2.0
 * slab.c - getting objects of a slab class. */
#include "alloc/slab.h"

#include "alloc/alloc.h"
#include "arch/os.h"
#include "arch/sanitize.h"

#ifdef WEFT_TEST_BUILD
#define SLAB_BYTES ((size_t)4 << 10)
#else
#define SLAB_BYTES ((size_t)64 << 10)
#endif
/* Before huge ones, so that at least two thirds of what a cache has carved have been in use. */
#define SMALL_SLABS 64

SANITIZE_OWNER_DATA_BEGIN

/* Who has carved many gets a huge page, if the class wants it: one fault for it, not 512, and a million objects within the reach of
 * the TLB. The leak checkers know malloc's memory only. */
static struct slab *slab_map(const struct slab_class *class, const struct slab_cache *cache)
{
    if (!class->huge || cache->slabs < SMALL_SLABS || SANITIZE_STACKS)
        return NULL;
    struct slab *slab = os_map_huge();
    if (slab)
        slab->bytes = OS_HUGE_PAGE;
    return slab;
}

static struct slab *slab_alloc(void)
{
    struct slab *slab = alloc_zeroed(CACHE_LINE, SLAB_BYTES);
    if (slab)
        slab->bytes = SLAB_BYTES;
    return slab;
}

static bool slab_new(struct slab_class *class, struct slab_cache *cache)
{
    struct slab *slab = slab_map(class, cache);
    if (!slab)
        slab = slab_alloc();
    if (!slab)
        return false;
    atomic_store_relaxed(&slab->carved, CACHE_LINE);
    slab->next = atomic_load_relaxed(&class->slabs);
    while (!atomic_cas_acq_rel(&class->slabs, &slab->next, slab))
        ;
    cache->carving = slab;
    cache->slabs++;
    return true;
}

static bool has_room(struct slab *slab, size_t bytes)
{
    return slab && atomic_load_relaxed(&slab->carved) + bytes <= slab->bytes;
}

static void *carve(struct slab_class *class, struct slab_cache *cache)
{
    if (!has_room(cache->carving, class->object_bytes) && !slab_new(class, cache))
        return NULL;
    struct slab *slab = cache->carving;
    size_t at = atomic_load_relaxed(&slab->carved);
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
        fn(s, s->bytes, arg);
}

SANITIZE_OWNER_DATA_END
