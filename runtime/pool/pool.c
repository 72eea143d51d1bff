/* SPDX-License-Identifier: Apache-2.0
 * pool.c - weft_pool: free objects, where the next that needs one looks first.
 *
 *                    put           stock full: half of it               get
 *   object in use ---------> stock of this P ------> box in the depot ------> stock of another P
 *         ^                     |  |                                             |
 *         '---------------------'  '--- get: no stock of its own, no box: theft -'
 *
 * Each processor has a stock (stock.h), from which its holder takes and puts without an RMW, the one object in front
 * inline in the caller. What a stock can't
 * hold moves in boxes, through a depot (alloc/depot.h). Foreign threads, and functions in blocking sections, have no
 * stock and use the depot, one object at a time. A get that finds nothing in its stock and no box looks into the
 * stock of every processor before it constructs one.
 *
 * An object is in one place at a time, and each move is one CAS or one passing of tail by head: nobody waits for
 * anybody. While a box or stolen objects are on their way others don't see them, and may construct one more.
 *
 * An object keeps what it held while it lies in the pool: no link is written into it. (Magazines and depot after
 * Bonwick and Adams, USENIX 2001.)
 *
 * Cost: get and put 0 RMWs; 2 RMWs in BOX_SIZE puts or gets that don't balance. */
#include "runtime/pool/pool.h"

#include <errno.h>
#include <string.h>
#include <weft/defer.h>

#include "alloc/alloc.h"
#include "arch/sanitize.h"

#define ALIGN_MAX 4096

SANITIZE_OWNER_DATA_BEGIN

/* ---- objects come and go ---- */

/* A try around the call that constructs or destroys an object would leave the pool without knowing it. */
static int construct_untried(struct weft_pool *pool, void *object)
{
    WEFT_DEFER(sched_untried, NULL);
    return pool->options.construct(object, pool->options.arg);
}

static void destroy_untried(struct weft_pool *pool, void *object)
{
    WEFT_DEFER(sched_untried, NULL);
    pool->options.destroy(object, pool->options.arg);
}

/* NULL and errno when it fails. It may park. */
static void *construct(struct weft_pool *pool)
{
    void *object = alloc_aligned(pool->options.object_align, pool->options.object_size);
    if (!object) {
        errno = ENOMEM;
        return NULL;
    }
    int rc = pool->options.construct ? construct_untried(pool, object) : 0;
    if (rc) {
        alloc_free(object);
        errno = -rc;
        return NULL;
    }
    atomic_add_relaxed(&pool->made, 1);
    return object;
}

void pool_destroy(struct weft_pool *pool, void *object)
{
    sanitize_acquire(object);
    if (pool->options.destroy)
        destroy_untried(pool, object);
    alloc_free(object);
    atomic_add_relaxed(&pool->made, -1);
}

/* ---- boxes ---- */

static struct box *box_get(struct weft_pool *pool)
{
    struct box *box = (struct box *)depot_pop(&pool->empty);
    if (box)
        return box;
    box = alloc_zeroed(_Alignof(struct box), sizeof *box);
    if (!box)
        return NULL;
    box->made_before = atomic_load_relaxed(&pool->boxes);
    while (!atomic_cas_acq_rel(&pool->boxes, &box->made_before, box))
        ;
    return box;
}

static void box_put(struct weft_pool *pool, struct box *box)
{
    depot_push(box->count ? &pool->full : &pool->empty, &box->node);
}

/* One with room for another object, or NULL without memory. */
static struct box *box_with_room(struct weft_pool *pool)
{
    struct box *box = (struct box *)depot_pop(&pool->full);
    if (box && box->count == BOX_SIZE) {
        box_put(pool, box);
        box = NULL;
    }
    return box ? box : box_get(pool);
}

void pool_put_away(struct weft_pool *pool, void *object)
{
    struct box *box = box_with_room(pool);
    if (!box) {
        pool_destroy(pool, object); /* no memory to remember it by */
        return;
    }
    box->objects[box->count++] = object;
    box_put(pool, box);
}

/* ---- stocks ---- */

static inline struct stock *stock_here(struct weft_pool *pool)
{
    return atomic_load_relaxed(&pool->stocks[sched_p_number()]); /* its holder made it */
}

/* This processor's, made now if it has none; NULL: it can't have one. */
static struct stock *stock_make_here(struct weft_pool *pool)
{
    uint32_t number = sched_p_number();
    struct stock *stock = atomic_load_relaxed(&pool->stocks[number]);
    if (stock || number == SCHED_NUMBERS)
        return stock;
    stock = alloc_zeroed(_Alignof(struct stock), sizeof *stock);
    if (!stock)
        return NULL;
    stock_init(stock);
    atomic_store_release(&pool->stocks[number], stock);
    uint32_t made = atomic_load_relaxed(&pool->stocks_made);
    while (made <= number && !atomic_cas_acq_rel(&pool->stocks_made, &made, number + 1))
        ;
    return stock;
}

/* Keep objects here, of which one is returned. */
static void *keep_but_one(struct weft_pool *pool, struct stock *mine, void **objects, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++) {
        if (mine && stock_put(mine, objects[i]))
            continue;
        mine = NULL; /* what follows may call destroy, which may park */
        pool_put_away(pool, objects[i]);
    }
    return objects[0];
}

static void *get_from_depot(struct weft_pool *pool, struct stock *mine)
{
    void *objects[BOX_SIZE];
    struct box *box = (struct box *)depot_pop(&pool->full);
    if (!box)
        return NULL;
    uint32_t n = mine ? box->count : 1;
    box->count -= n;
    memcpy(objects, &box->objects[box->count], n * sizeof objects[0]);
    box_put(pool, box);
    return keep_but_one(pool, mine, objects, n);
}

/* Half of what another processor has. */
static void *get_from_others(struct weft_pool *pool, struct stock *mine)
{
    void *objects[BOX_SIZE];
    uint32_t made = atomic_load_acquire(&pool->stocks_made);
    for (uint32_t i = 0; i < made; i++) {
        struct stock *s = atomic_load_acquire(&pool->stocks[i]);
        if (!s || s == mine)
            continue;
        uint32_t n = mine ? (stock_ring_count(s) + 1) / 2 : 1;
        n = stock_steal(s, objects, n < BOX_SIZE ? n : BOX_SIZE);
        if (n)
            return keep_but_one(pool, mine, objects, n);
        void *hot = stock_steal_hot(s);
        if (hot)
            return hot;
    }
    return NULL;
}

static __attribute__((noinline)) void *get_slowly(struct weft_pool *pool)
{
    struct stock *mine = stock_make_here(pool);
    void *object = get_from_depot(pool, mine);
    if (!object)
        object = get_from_others(pool, mine);
    if (!object)
        return construct(pool);
    sanitize_acquire(object);
    return object;
}

/* Half of a full stock to the depot. False: no memory. */
static bool spill(struct weft_pool *pool, struct stock *mine)
{
    struct box *box = box_get(pool);
    if (!box)
        return false;
    void *object;
    while (box->count < BOX_SIZE && (object = stock_take(mine)))
        box->objects[box->count++] = object;
    box_put(pool, box);
    return true;
}

static __attribute__((noinline)) void put_slowly(struct weft_pool *pool, void *object)
{
    struct stock *mine = stock_make_here(pool);
    if (mine && (stock_put(mine, object) || (spill(pool, mine) && stock_put(mine, object))))
        return;
    pool_put_away(pool, object);
}

/* ---- the interface ---- */

static bool options_are_valid(const weft_pool_options *o)
{
    if (!o || (o->object_align & (o->object_align - 1)) || o->object_align > ALIGN_MAX)
        return false;
    for (size_t i = 0; i < sizeof o->reserved / sizeof o->reserved[0]; i++)
        if (o->reserved[i])
            return false;
    return true;
}

weft_pool *weft_pool_new(const weft_pool_options *options)
{
    if (!options_are_valid(options)) {
        errno = EINVAL;
        return NULL;
    }
    struct weft_pool *pool = alloc_zeroed(_Alignof(struct weft_pool), sizeof *pool);
    if (!pool || pool_enlist(pool)) {
        alloc_free(pool);
        errno = ENOMEM;
        return NULL;
    }
    pool->options = *options;
    if (!pool->options.object_align)
        pool->options.object_align = _Alignof(max_align_t);
    os_fence_prepare();
    return pool;
}

/* hot: what the caller has taken out, maybe not as the first; or NULL. */
void *weft_pool_get_slow(weft_pool *pool, void *hot)
{
    struct stock *mine = stock_here(pool);
    if (unlikely(hot) && stock_keeps(mine))
        return hot;
    void *object = likely(mine) ? stock_take(mine) : NULL;
    if (unlikely(!object))
        return get_slowly(pool);
    sanitize_acquire(object);
    return object;
}

/* Somebody asks this goroutine to give way, or there is no object. */
static __attribute__((noinline)) void put_when_asked(struct weft_pool *pool, void *object)
{
    if (object) {
        sanitize_release(object);
        put_slowly(pool, object);
    }
    sched_checkpoint(); /* last: one that the run's end abandons here has nothing more to give */
}

void weft_pool_put_slow(weft_pool *pool, void *object)
{
    if (unlikely(sched_is_asked() || !object)) {
        put_when_asked(pool, object);
        return;
    }
    sanitize_release(object);
    struct stock *mine = stock_here(pool);
    if (unlikely(!mine || !stock_put(mine, object)))
        put_slowly(pool, object);
}

int weft_pool_warm(weft_pool *pool, size_t n)
{
    atomic_add_relaxed(&pool->keep, n);
    for (size_t i = 0; i < n; i++) {
        sched_checkpoint();
        void *object = construct(pool);
        if (!object) {
            atomic_add_relaxed(&pool->keep, i - n);
            return -errno;
        }
        sanitize_release(object);
        pool_put_away(pool, object);
    }
    return 0;
}

/* All that lie in the pool. */
static void destroy_all(struct weft_pool *pool)
{
    void *objects[STOCK_SIZE];
    for (struct box *box; (box = (struct box *)depot_pop(&pool->full));)
        while (box->count)
            pool_destroy(pool, box->objects[--box->count]);
    for (uint32_t i = 0; i < atomic_load_acquire(&pool->stocks_made); i++) {
        struct stock *s = atomic_load_acquire(&pool->stocks[i]);
        for (uint32_t n = s ? stock_steal(s, objects, STOCK_SIZE) : 0; n;)
            pool_destroy(pool, objects[--n]);
        void *hot = s ? stock_steal_hot(s) : NULL;
        if (hot)
            pool_destroy(pool, hot);
    }
}

void weft_pool_free(weft_pool *pool)
{
    sched_checkpoint();
    if (!pool)
        return;
    pool_delist(pool);
    destroy_all(pool);
    if (atomic_load_acquire(&pool->made))
        sched_fatal("weft: pool freed while objects of it are in use");
    for (struct box *box = atomic_load_acquire(&pool->boxes), *before; box; box = before) {
        before = box->made_before;
        alloc_free(box);
    }
    for (uint32_t i = 0; i < atomic_load_acquire(&pool->stocks_made); i++)
        alloc_free(atomic_load_acquire(&pool->stocks[i]));
    alloc_free(pool);
}

SANITIZE_OWNER_DATA_END
