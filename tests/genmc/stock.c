/* SPDX-License-Identifier: Apache-2.0
 * stock.c - a processor's stock of free objects, behind: its holder puts and takes while two thieves steal. Each object is
 * taken once, with what was written before its put, and none gets lost. The fences are the full ones, of a kernel
 * without membarrier: the checker doesn't know that call.
 *
 * bug: the holder takes without a fence | runtime/pool/stock.h | s/atomic_fence_light();/;/
 * bug: a thief takes without a fence | runtime/pool/stock.c | /\[STOCK-2\]/s/os_fence_heavy()/true/
 * bug: the tail is published before the slot | runtime/pool/stock.h | s/atomic_store_release(&s->tail/atomic_store_relaxed(\&s->tail/
 * bug: a put is seen by way of the take after it | runtime/pool/stock.h | s/atomic_store_release(&s->tail, tail)/atomic_store_relaxed(\&s->tail, tail)/
 * bug: two thieves at once | runtime/pool/stock.c | s/return atomic_cas_acq_rel(&s->thief, &nobody, 1);/return nobody == 0;/
 * bug: a slot is free before it was read | runtime/pool/stock.h | s/atomic_load_acquire(&s->done) >= /atomic_load_acquire(\&s->head) >= /
 * edit: runtime/pool/stock.h | s/STOCK_SIZE 4u/STOCK_SIZE 2u/ */
#include "model.h"

#include "runtime/pool/stock.c"

#define OBJECTS 4

static struct stock stock;
static int object[OBJECTS]; /* plain: written by who puts, then by who takes */

_Atomic(bool) os_fence_is_asymmetric;

bool os_fence_heavy(void)
{
    atomic_fence_full();
    return true;
}

static void put(int i)
{
    object[i] = 1;
    if (!stock_put(&stock, &object[i]))
        object[i] = 2; /* full: the holder keeps it */
}

static bool took(void *x)
{
    int *e = x;
    if (!e)
        return false;
    REQUIRE(*e == 1);
    *e = 2;
    return true;
}

static void *holder(void *arg)
{
    (void)arg;
    took(stock_take(&stock));
    put(2);
    put(3);
    took(stock_take(&stock));
    return NULL;
}

static void *thief(void *arg)
{
    void *got[2];
    uint32_t n = stock_steal(&stock, got, (uint32_t)(uintptr_t)arg);
    for (uint32_t i = 0; i < n; i++)
        took(got[i]);
    return NULL;
}

int main(void)
{
    put(0);
    put(1);
    pthread_t a = go(holder, NULL), b = go(thief, (void *)(uintptr_t)1),
              c = go(thief, (void *)(uintptr_t)2);
    join(a);
    join(b);
    join(c);
    while (took(stock_take(&stock)))
        ;
    for (int i = 0; i < OBJECTS; i++)
        REQUIRE(object[i] == 2);
    return 0;
}
