/* SPDX-License-Identifier: Apache-2.0
 * resizing.h - idling.h's Ms while maxprocs changes, and where the Ps are when all is over. */
#ifndef WEFT_TESTS_GENMC_RESIZING_H
#define WEFT_TESTS_GENMC_RESIZING_H

#define IDLING_PROCS
#include "idling.h"

#include "runtime/sched/procs.c"

void stacks_flush(struct stack_class *class, struct stack_cache *cache)
{
    (void)class, (void)cache;
}

void caches_flush(struct slab_cache caches[SCHED_CACHES])
{
    (void)caches;
}

void sched_may_spin(unsigned n)
{
    (void)n;
}

/* Each P that there should be is idle or some M's, once; another is neither, or, if it is still to retire, was let go or
 * kept: then its holder, or sysmon, retires it. */
static void check_places(unsigned procs)
{
    for (unsigned i = 0; i < 2; i++) {
        uint32_t life = atomic_load_relaxed(&p[i].life);
        unsigned places = p_is_idle(&p[i]);
        for (unsigned j = 0; j < MS; j++)
            places += ms[j].p == &p[i];
        REQUIRE(i < procs ? life == P_ACTIVE : life != P_ACTIVE);
        REQUIRE(places == (life != P_RETIRED));
    }
}

#endif
