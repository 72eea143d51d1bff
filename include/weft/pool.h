/* SPDX-License-Identifier: Apache-2.0
 * pool.h - memory from this processor's arena, and pools of objects that are used again. */
#ifndef WEFT_POOL_H
#define WEFT_POOL_H

#include <weft/here.h>

WEFT_BEGIN_DECLS

/* n bytes from this processor's jemalloc arena (malloc(3) where there is none), aligned for any type.
 * NULL and errno ENOMEM when there is no memory. n == 0 gives a pointer to free. Any thread. */
WEFT_API void *weft_alloc(size_t n);

/* Give back what weft_alloc returned, from anywhere; NULL is allowed. */
WEFT_API void weft_free(void *p);

/* A pool keeps objects that are expensive to make for whoever needs one next. Getting and putting is a few loads
 * and stores on the processor's own stock; whatever lies unused anywhere in the pool is found before another object is
 * made. An object keeps its content while it lies there: what get returns is as it was put, or constructed.
 * (Go's sync.Pool loses objects at any collection; this one gives back what was not needed for some ten seconds
 * of a run, and destroys nothing else before weft_pool_free.) */
typedef struct weft_pool weft_pool;

typedef struct weft_pool_options {
    size_t object_size;
    size_t object_align; /* a power of two up to 4096; 0: that of max_align_t */
    /* Called when memory enters the pool, on the goroutine or thread whose get or warm needs it: 0 or -errno, then
     * the call fails with that. NULL: nothing is done. A panic in it is fatal. */
    int (*construct)(void *object, void *arg);
    /* Called when memory leaves the pool: in weft_pool_free, in a put or get without memory to remember an object by, and
     * on the thread that called weft_run, where it must not wait for goroutines. NULL: nothing is done. */
    void (*destroy)(void *object, void *arg);
    void *arg;
    void *reserved[4]; /* zero */
} weft_pool_options;

/* A pool with nothing in it. The options are copied. NULL and errno: EINVAL, ENOMEM. Takes about 8 KiB of address
 * space. Any thread, with or without a run. */
WEFT_API weft_pool *weft_pool_new(const weft_pool_options *options);

/* Destroy what lies in it, and the pool; NULL is allowed. Nobody may use it any more; objects that have not
 * been put back are fatal. */
WEFT_API void weft_pool_free(weft_pool *pool);

/* What a processor keeps in front, and where: the inline functions below take and put there what they can, the others are what they
 * call when they can't. The layouts are part of the binary interface. */
struct weft_stock_ {
    void *hot_;      /* an object, or NULL; only the processor's holder writes it */
    uintptr_t gate_; /* 0: nobody else may be taking that */
};
struct weft_stocks_ { /* a weft_pool begins so */
    struct weft_stock_ *at_[WEFT_NO_PLACE_ + 1];
};
WEFT_API void *weft_pool_get_slow(weft_pool *pool, void *hot);
WEFT_API void weft_pool_put_slow(weft_pool *pool, void *object);

WEFT_INLINE_ struct weft_stock_ *weft_pool_stock_(weft_pool *pool, const struct weft_here *here)
{
    struct weft_stocks_ *stocks = (struct weft_stocks_ *)pool;
    return __atomic_load_n(&stocks->at_[here->place_], __ATOMIC_RELAXED);
}

/* An object, the caller's until he puts it back. NULL and errno when there is none and none can be made: ENOMEM, or
 * what construct returned. Any thread; a foreign one goes a longer way. What was done before the put of an object is
 * seen after the get that returns it. */
WEFT_INLINE_ void *weft_pool_get(weft_pool *pool)
{
    struct weft_stock_ *s = weft_pool_stock_(pool, weft_here_());
    void *object = WEFT_LIKELY_(s) ? __atomic_load_n(&s->hot_, __ATOMIC_ACQUIRE) : NULL;
    if (!WEFT_LIKELY_(object))
        return weft_pool_get_slow(pool, NULL);
    __atomic_store_n(&s->hot_, (void *)0, __ATOMIC_RELAXED);
    /* Who closes the gate has every processor run the real fence. */
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (!WEFT_LIKELY_(__atomic_load_n(&s->gate_, __ATOMIC_RELAXED) == 0))
        return weft_pool_get_slow(pool, object);
    return object;
}

/* Put it back, from anywhere; NULL is ignored. It must have come from this pool, and nobody may touch it from
 * now on. */
WEFT_INLINE_ void weft_pool_put(weft_pool *pool, void *object)
{
    const struct weft_here *here = weft_here_();
    struct weft_stock_ *s = weft_pool_stock_(pool, here);
    if (WEFT_LIKELY_(s && !weft_is_asked_(here) && !__atomic_load_n(&s->hot_, __ATOMIC_RELAXED)))
        __atomic_store_n(&s->hot_, object, __ATOMIC_RELEASE);
    else
        weft_pool_put_slow(pool, object);
}

/* Construct n more objects ahead of time. The pool never gives back so many that it has fewer than it was warmed
 * with. 0, or -ENOMEM or what construct returned; those that could be made are in the pool then. */
WEFT_API int weft_pool_warm(weft_pool *pool, size_t n);

WEFT_END_DECLS

#endif
