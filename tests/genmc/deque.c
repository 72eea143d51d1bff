/* SPDX-License-Identifier: Apache-2.0
 * deque.c - the run queue: its owner pushes over the capacity, wraps and pops while two thieves steal
 * halves. Each element is taken once, with what was written before its push; an outgrown array is
 * never touched again by a thief that comes after the grace period.
 *
 * bug: the tail is published before the slot | runtime/sched/deque.h | s/atomic_store_release(&d->tail/atomic_store_relaxed(\&d->tail/
 * bug: a slot is overwritten while it is still held | runtime/sched/deque.h | s/> a->mask)) {/> a->mask + 1)) {/
 * bug: a thief moves the head first and copies then | runtime/sched/deque.c | /if (!atomic_cas_acq_rel(&from->head/,+1d; /void \*first =/i if (!atomic_cas_acq_rel(\&from->head, \&head, head + n)) return NULL;
 * bug: the thief's array is older than its tail | runtime/sched/deque.c | s/atomic_store_release(&d->array/atomic_store_relaxed(\&d->array/
 * bug: an outgrown array is freed at once | runtime/sched/deque.c | s/d->retire(old)/alloc_free(old)/ */
#include "model.h"

#include "runtime/sched/deque.c"

#define ELEMENTS 5

static struct deque own, loot[2];
static int element[ELEMENTS]; /* plain: written by the pusher, then by the taker */
static struct deque_array *outgrown;

static void retire(struct deque_array *a)
{
    a->next_retired = outgrown;
    outgrown = a;
}

static void put(int i)
{
    element[i] = 1;
    REQUIRE(deque_push(&own, &element[i]) == 0);
}

static void took(void *x)
{
    int *e = x;
    if (!e)
        return;
    REQUIRE(*e == 1);
    *e = 2;
}

static void *owner(void *arg)
{
    (void)arg;
    put(2); /* the third of two: the array grows */
    put(3);
    took(deque_pop(&own));
    put(4);
    took(deque_pop(&own));
    return NULL;
}

static void *thief(void *arg)
{
    struct deque *into = arg;
    unsigned n;
    took(deque_steal_half(&own, into, &n));
    for (; n > 1; n--)
        took(deque_pop(into));
    return NULL;
}

int main(void)
{
    deque_init(&own, retire);
    deque_init(&loot[0], retire);
    deque_init(&loot[1], retire);
    put(0);
    put(1);
    pthread_t a = go(owner, NULL), b = go(thief, &loot[0]), c = go(thief, &loot[1]);
    join(a);
    join(b);
    join(c);
    for (void *x; (x = deque_pop(&own));)
        took(x);
    for (int i = 0; i < ELEMENTS; i++)
        REQUIRE(element[i] == 2);
    deque_destroy(&own);
    alloc_free(outgrown);
    return 0;
}
