/* SPDX-License-Identifier: Apache-2.0
 * fresh_refill.c - the same beside two thieves, from one element on: the holder fills a slot again that was taken by him or
 * by a thief, sends the oldest to the queue as a thief would (age_fresh), and empties it, as he does when his P retires.
 * Then it is empty, and there is room.
 *
 * options: -disable-ipr -disable-sr
 * bug: the bottom stays below a top that thieves have brought there | runtime/sched/fresh.h | /^static inline void \*fresh_take_last/,/^}/s/atomic_store_release(&f->bottom, last + 1);//
 * bug: who takes the last one doesn't put the bottom down first | runtime/sched/fresh.h | /^static inline void \*fresh_take_last/,/^}/s/atomic_store_release(&f->bottom, last);//
 * bug: a single one is the holder's without a CAS | runtime/sched/fresh.h | /^static inline void \*fresh_take(/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "taking.h"

enum { ELEMENTS = 4 };

static int element[ELEMENTS]; /* plain: written by the pusher, then by the taker */

static void put(int i)
{
    element[i] = 1;
    REQUIRE(fresh_push(&own, &element[i]));
}

static void empty(void)
{
    for (void *x; (x = fresh_take(&own));)
        took(x);
    REQUIRE(fresh_holds_none(&own));
}

static void *holder(void *arg)
{
    (void)arg;
    took(fresh_take(&own)); /* the only one */
    put(1);
    put(2);
    took(fresh_take(&own));
    took(fresh_steal(&own));
    put(3);
    empty();
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
    put(0);
    pthread_t a = go(holder, NULL), b = go(thief, NULL), c = go(thief, NULL);
    join(a);
    join(b);
    join(c);
    for (int i = 0; i < ELEMENTS; i++)
        REQUIRE(element[i] == 2);
    for (int i = 0; i < FRESH_MAX; i++)
        put(i);
    return 0;
}
