/* SPDX-License-Identifier: Apache-2.0
 * fresh.c - the goroutines that haven't run yet: their holder pushes and takes the newest while two thieves take the oldest.
 * Each element is taken once, with what was written before its push.
 *
 * options: -disable-ipr -disable-sr
 * bug: the bottom is published before the slot | runtime/sched/fresh.h | s/atomic_store_release(&f->bottom, bottom + 1)/atomic_store_relaxed(\&f->bottom, bottom + 1)/
 * bug: a slot is overwritten while it is still held | runtime/sched/fresh.h | s/>= FRESH_MAX)/> FRESH_MAX)/
 * bug: the holder looks at the top without a fence | runtime/sched/fresh.h | /^static inline void \*fresh_take_last/,/^}/s/atomic_fence_full();/;/
 * bug: a thief looks at the bottom without a fence | runtime/sched/fresh.h | /^static inline void \*fresh_steal/,/^}/s/atomic_fence_full();/;/
 * bug: the last one is the holder's without a CAS | runtime/sched/fresh.h | s/last != top || !atomic_cas_acq_rel(&f->top, &top, top + 1)/last != top/
 * bug: a single one is the holder's without a CAS | runtime/sched/fresh.h | /^static inline void \*fresh_take(/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "taking.h"

enum { ELEMENTS = FRESH_MAX + 1 };

static int element[ELEMENTS]; /* plain: written by the pusher, then by the taker */

static void put(int i)
{
    element[i] = 1;
    if (!fresh_push(&own, &element[i]))
        took(&element[i]); /* to the queue */
}

static void *holder(void *arg)
{
    (void)arg;
    put(FRESH_MAX - 1);
    put(FRESH_MAX);
    took(fresh_take(&own));
    took(fresh_take(&own));
    return NULL;
}

static void *thief(void *arg)
{
    (void)arg;
    took(fresh_steal(&own));
    return NULL;
}

int main(void)
{
    for (int i = 0; i < FRESH_MAX - 1; i++)
        put(i);
    pthread_t a = go(holder, NULL), b = go(thief, NULL), c = go(thief, NULL);
    join(a);
    join(b);
    join(c);
    REQUIRE(fresh_size(&own) <= FRESH_MAX);
    for (void *x; (x = fresh_take(&own));)
        took(x);
    REQUIRE(fresh_size(&own) == 0);
    for (int i = 0; i < ELEMENTS; i++)
        REQUIRE(element[i] == 2);
    return 0;
}
