/* SPDX-License-Identifier: Apache-2.0
 * stock_front.c - a processor's stock of free objects, in front: its holder gets and puts, inline, while two thieves look for
 * what is there. Each object is taken once, with what was written before its put, and none gets lost. The fences are the
 * full ones, of a kernel without membarrier: the checker doesn't know that call.
 *
 * options: -disable-ipr -disable-sr
 * edit: include/weft/pool.h | /__atomic_signal_fence/d
 * bug: a put releases nothing | include/weft/pool.h | s/__atomic_store_n(&s->hot_, object, __ATOMIC_RELEASE)/__atomic_store_n(\&s->hot_, object, __ATOMIC_RELAXED)/
 * bug: the holder doesn't look at the gate | include/weft/pool.h | s/if (!WEFT_LIKELY_(__atomic_load_n(&s->gate_, __ATOMIC_RELAXED) == 0))/if (false)/
 * bug: the holder takes without a fence | runtime/pool/stock.c | /GATE-1/s/atomic_fence_full();/;/
 * bug: a thief takes without a fence | runtime/pool/stock.c | /\[GATE-2\]/s/os_fence_heavy()/true/
 * bug: the holder keeps what was taken | runtime/pool/stock.c | /pairs with steal_hot/{n;s/false/true/}
 * bug: a thief takes what was kept | runtime/pool/stock.c | /it was KEPT/{n;s/NULL/object/}
 * bug: what was written before the put isn't seen | runtime/pool/stock.c | s/atomic_load_acquire(stock_hot(s))/atomic_load_relaxed(stock_hot(s))/
 * bug: the gate stays closed to thieves | runtime/pool/stock.c | s/if (gate != open)/if (gate != closed)/
 * bug: two thieves at once | runtime/pool/stock.c | s/return atomic_cas_acq_rel(&s->thief, &nobody, 1);/return nobody == 0;/
 * bug: the gate of one that was taken is open | runtime/pool/stock.c | s/(object ? GATE_TAKEN : GATE_OPEN)/GATE_OPEN/ */
#include "model.h"

#include "runtime/pool/stock.c"

#define OBJECTS 3

static struct stock stock;
static struct weft_stocks_ stocks;
static struct weft_here here;
static int object[OBJECTS]; /* plain: written by who puts, then by who takes */
static _Atomic(uint32_t) stolen;

_Atomic(bool) os_fence_is_asymmetric;

bool os_fence_heavy(void)
{
    atomic_fence_full();
    return true;
}

void *weft_pool_get_slow(weft_pool *pool, void *hot)
{
    (void)pool;
    return hot && stock_keeps(&stock) ? hot : NULL;
}

/* It doesn't fit: the holder keeps it. */
void weft_pool_put_slow(weft_pool *pool, void *x)
{
    (void)pool;
    *(int *)x = 2;
}

static void put(int i)
{
    object[i] = 1;
    weft_pool_put((weft_pool *)&stocks, &object[i]);
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
    model_here = &here;
    took(weft_pool_get((weft_pool *)&stocks));
    put(1);
    took(weft_pool_get((weft_pool *)&stocks));
    put(2);
    return arg;
}

static void *thief(void *arg)
{
    if (took(stock_steal_hot(&stock)))
        atomic_add_relaxed(&stolen, 1);
    return arg;
}

int main(void)
{
    stock_init(&stock);
    stocks.at_[0] = &stock.front;
    model_here = &here;
    put(0);
    pthread_t a = go(holder, NULL), b = go(thief, NULL), c = go(thief, NULL);
    join(a);
    join(b);
    join(c);
    if (!took(weft_pool_get((weft_pool *)&stocks)))
        took(weft_pool_get((weft_pool *)&stocks));
    for (int i = 0; i < OBJECTS; i++)
        REQUIRE(object[i] == 2);
    put(0); /* nothing of a theft is left */
    REQUIRE(stock_steal_hot(&stock) == &object[0]);
    return 0;
}
