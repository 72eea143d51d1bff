/* SPDX-License-Identifier: Apache-2.0
 * pool.h - within runtime/pool/: a pool. What happens in it is told in pool.c. */
#ifndef WEFT_POOL_POOL_H
#define WEFT_POOL_POOL_H

#include <weft/pool.h>

#include "alloc/depot.h"
#include "runtime/pool/stock.h"
#include "runtime/sched/sched.h"

#define BOX_SIZE (STOCK_SIZE / 2)

/* Objects on their way between stocks. Type-stable for the life of its pool. */
struct box {
    struct depot_node node;
    uint32_t count;
    struct box *made_before;
    void *objects[BOX_SIZE];
};

struct weft_pool {
    _Atomic(struct stock *) stocks[SCHED_NUMBERS + 1]; /* a struct weft_stocks_; the last: none */
    weft_pool_options options;
    struct depot full;  /* boxes that hold something */
    struct depot empty; /* boxes that hold nothing */
    _Atomic(struct box *) boxes;
    _Atomic(size_t) made;          /* objects constructed and not destroyed */
    _Atomic(size_t) keep;          /* as many were asked for by weft_pool_warm */
    _Atomic(uint32_t) stocks_made; /* numbers of those that there are are below */
    struct pool_entry *entry;      /* trim.c */
};

_Static_assert(offsetof(struct weft_pool, stocks) == 0 && SCHED_NUMBERS == WEFT_NO_PLACE_ &&
                   sizeof(((struct weft_pool *)NULL)->stocks) == sizeof(struct weft_stocks_),
               "weft/pool.h knows it");
_Static_assert(offsetof(struct stock, front) == 0, "likewise");

/* An object leaves the pool. */
void pool_destroy(struct weft_pool *pool, void *object);

/* Put it where every processor looks. */
void pool_put_away(struct weft_pool *pool, void *object);

/* Have it trimmed from now on. 0 or -ENOMEM. (trim.c) */
int pool_enlist(struct weft_pool *pool);
/* No more, and no trim of it is under way when this returns. */
void pool_delist(struct weft_pool *pool);

#endif
