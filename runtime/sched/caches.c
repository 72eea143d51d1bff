/* SPDX-License-Identifier: Apache-2.0
 * caches.c - free objects of the rooms above, and waiters, kept by each P and by each foreign thread. */
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

void sched_set_cache_class(enum sched_cache which, struct slab_class *class)
{
    sched.cache_classes[which] = class;
}

struct slab_cache *sched_cache(enum sched_cache which)
{
    return cache_here(which);
}

/* To where others find them. */
void caches_flush(struct slab_cache caches[SCHED_CACHES])
{
    for (int i = 0; i < SCHED_CACHES; i++)
        magazine_flush(&caches[i].free, &sched.cache_classes[i]->depot);
}

SANITIZE_OWNER_DATA_END
