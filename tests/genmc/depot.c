/* SPDX-License-Identifier: Apache-2.0
 * depot.c - the depot of batches: one thread takes two batches and puts the first back (the pattern of ABA),
 * another takes one, a third puts a new one and takes one. No batch has two owners, none is lost, and
 * a taker sees the chain that the putter made.
 *
 * edit: alloc/depot.h | /atomic_add_relaxed(&d->batches, 1);/d; s/atomic_add_relaxed(&d->batches, -1) - 1/0/
 * bug: a pop does not move the tag | alloc/depot.h | s/>> DEPOT_POINTER_BITS) + 1;/>> DEPOT_POINTER_BITS);/
 * bug: a push publishes nothing of what was written before | alloc/depot.h | s/while (!atomic_cas_acq_rel/while (!bug_cas_relaxed/
 * bug: a pop looks at the head first and then takes it | alloc/depot.h | /^static inline struct depot_node .depot_pop/,/^}/s/while (!atomic_cas_acq_rel/while (!bug_cas_in_two_steps/ */
#include "model.h"

#include "alloc/magazine.h"

#define BATCHES 4
#define FREE 1
#define IN_USE 2

/* A batch of two objects. */
struct batch {
    struct depot_node first, second;
    uint64_t state; /* plain: its holder's */
};

static struct depot depot;
static struct batch *batch[BATCHES];

static void put(struct batch *b)
{
    REQUIRE(b->state == IN_USE);
    b->state = FREE;
    b->first.next = &b->second;
    b->first.count = 2;
    depot_push(&depot, &b->first);
}

static struct batch *take(void)
{
    struct batch *b = (struct batch *)depot_pop(&depot);
    if (b) {
        REQUIRE(b->state == FREE && b->first.next == &b->second && b->first.count == 2);
        b->state = IN_USE;
        b->first.next = NULL;
    }
    return b;
}

static void *take_two_put_one(void *arg)
{
    struct batch *first = take(), *second = take();
    if (first)
        put(first);
    *(struct batch **)arg = second;
    return NULL;
}

static void *take_one(void *arg)
{
    *(struct batch **)arg = take();
    return NULL;
}

static void *put_one_take_one(void *arg)
{
    put(batch[3]);
    *(struct batch **)arg = take();
    return NULL;
}

int main(void)
{
    static struct batch *kept[3];
    for (int i = 0; i < BATCHES; i++) {
        batch[i] = malloc(sizeof *batch[i]); /* no static object: those have a bit set above 48 */
        batch[i]->state = IN_USE;
        batch[i]->second.next = NULL;
        if (i < 3)
            put(batch[i]);
    }
    pthread_t a = go(take_two_put_one, &kept[0]), b = go(take_one, &kept[1]);
    pthread_t c = go(put_one_take_one, &kept[2]);
    join(a);
    join(b);
    join(c);
    int found = 0;
    for (struct batch *t; (t = take()); found++)
        ;
    for (int i = 0; i < 3; i++)
        found += kept[i] != NULL;
    REQUIRE(found == BATCHES);
    for (int i = 0; i < BATCHES; i++)
        REQUIRE(batch[i]->state == IN_USE);
    return 0;
}
