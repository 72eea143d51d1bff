/* SPDX-License-Identifier: Apache-2.0
 * trim.c - giving back what pools have not needed for a while.
 *
 * Every ten seconds of a run the thread that called weft_run looks at each pool: boxes that nobody has needed since
 * the last look, and stocks that have not moved since then, give up their objects, but not below what
 * weft_pool_warm was asked for. Whether what lies in front of a stock has moved nothing tells: it goes to a box.
 *
 * Pools come and go meanwhile. Entries are made as needed, kept, and filled by a CAS; the one thread that trims
 * publishes which pool it is at, then looks again whether that is still listed. pool_delist empties the entry first
 * and then looks what is being trimmed, so one of the two sees the other (a hazard pointer: Michael, IEEE TPDS
 * 2004); if need be it waits for the end of that pool's trim. */
#include "alloc/alloc.h"
#include "runtime/pool/pool.h"

#include <errno.h>
#include <weft/go.h>

SANITIZE_OWNER_DATA_BEGIN

struct pool_entry {
    _Atomic(struct weft_pool *) pool; /* NULL: free */
    struct pool_entry *next;
};

static _Atomic(struct pool_entry *) entries;
static _Atomic(struct weft_pool *) trimmed; /* right now */

/* ---- one pool ---- */

static bool may_shrink(struct weft_pool *pool)
{
    return atomic_load_relaxed(&pool->made) > atomic_load_relaxed(&pool->keep);
}

static void give_up(struct weft_pool *pool, void **objects, uint32_t n)
{
    while (n)
        if (may_shrink(pool))
            pool_destroy(pool, objects[--n]);
        else
            pool_put_away(pool, objects[--n]);
}

static void trim_boxes(struct weft_pool *pool)
{
    void *objects[BOX_SIZE];
    for (int64_t n = depot_unused(&pool->full); n > 0 && may_shrink(pool); n--) {
        struct box *box = (struct box *)depot_pop(&pool->full);
        if (!box)
            return;
        uint32_t count = box->count;
        __builtin_memcpy(objects, box->objects, count * sizeof objects[0]);
        box->count = 0;
        depot_push(&pool->empty, &box->node);
        give_up(pool, objects, count);
    }
}

static void trim_stock(struct weft_pool *pool, struct stock *s)
{
    void *objects[STOCK_SIZE], *hot = stock_steal_hot(s);
    uint32_t head = atomic_load_relaxed(&s->head), tail = atomic_load_relaxed(&s->tail);
    if (hot)
        pool_put_away(pool, hot);
    if (head == s->seen_head && tail == s->seen_tail)
        give_up(pool, objects, stock_steal(s, objects, STOCK_SIZE));
    s->seen_head = atomic_load_relaxed(&s->head);
    s->seen_tail = tail;
}

/* Whether there is something that may go at a later look. */
static bool trim(struct weft_pool *pool)
{
    bool some = false;
    if (may_shrink(pool))
        trim_boxes(pool);
    uint32_t made = atomic_load_acquire(&pool->stocks_made);
    for (uint32_t i = 0; i < made && may_shrink(pool); i++) {
        struct stock *s = atomic_load_acquire(&pool->stocks[i]);
        if (s) {
            trim_stock(pool, s);
            some |= stock_count(s) > 0;
        }
    }
    return may_shrink(pool) && (some || atomic_load_relaxed(&pool->full.batches) > 0);
}

/* ---- all of them ---- */

static bool trim_all(void)
{
    bool some = false;
    for (struct pool_entry *e = atomic_load_acquire(&entries); e; e = e->next) {
        struct weft_pool *pool = atomic_load_acquire(&e->pool);
        if (!pool)
            continue;
        atomic_store_release(&trimmed, pool);
        atomic_fence_full(); /* [TRIM-1] */
        if (atomic_load_acquire(&e->pool) == pool)
            some |= trim(pool);
        atomic_store_release(&trimmed, NULL); /* pairs with pool_delist() */
    }
    return some;
}

int pool_enlist(struct weft_pool *pool)
{
    for (struct pool_entry *e = atomic_load_acquire(&entries); e; e = e->next) {
        struct weft_pool *none = NULL;
        if (!atomic_load_relaxed(&e->pool) && atomic_cas_acq_rel(&e->pool, &none, pool)) {
            pool->entry = e;
            return 0;
        }
    }
    struct pool_entry *e = alloc_zeroed(_Alignof(struct pool_entry), sizeof *e);
    if (!e)
        return -ENOMEM;
    atomic_store_relaxed(&e->pool, pool);
    pool->entry = e;
    e->next = atomic_load_relaxed(&entries);
    while (!atomic_cas_acq_rel(&entries, &e->next, e))
        ;
    sched_set_trim(trim_all);
    return 0;
}

void pool_delist(struct weft_pool *pool)
{
    atomic_swap_acq_rel(&pool->entry->pool, NULL);
    atomic_fence_after_rmw(); /* [TRIM-2] */
    while (atomic_load_acquire(&trimmed) == pool)
        weft_yield();
}

SANITIZE_OWNER_DATA_END
