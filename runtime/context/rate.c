/* SPDX-License-Identifier: Apache-2.0
 * rate.c - weft_limiter: one token bucket (bucket.h), or several that must all agree. */
#include <errno.h>
#include <math.h>
#include <weft/rate.h>
#include <weft/select.h>
#include <weft/sync.h>
#include <weft/time.h>

#include "alloc/alloc.h"
#include "arch/os.h"
#include "runtime/context/bucket.h"
#include "runtime/sched/sched.h"
#include "runtime/time/time.h"

#define ACTS_ON_STACK 8

struct weft_limiter {
    struct bucket bucket;
    _Atomic(uint64_t) refs;
    weft_mutex setting; /* who makes rules */
    size_t parts_n;     /* 0: the bucket is all there is */
    weft_limiter *parts[];
};

SANITIZE_OWNER_DATA_BEGIN

static inline size_t buckets_n(const weft_limiter *l)
{
    return l->parts_n ? l->parts_n : 1;
}

static inline weft_limiter *part(weft_limiter *l, size_t i)
{
    return l->parts_n ? l->parts[i] : l;
}

static weft_limiter *limiter_new(size_t parts_n)
{
    weft_limiter *l = NULL;
    if (parts_n < (SIZE_MAX / 2 - sizeof *l) / sizeof l->parts[0])
        l = alloc_zeroed(CACHE_LINE, sizeof *l + parts_n * sizeof l->parts[0]);
    if (!l) {
        errno = ENOMEM;
        return NULL;
    }
    atomic_store_relaxed(&l->refs, 1);
    l->parts_n = parts_n;
    return l;
}

/* Above that a token's time is nothing that a clock could tell, and products of limits and times may overflow. (Go's Inf is the
 * largest finite number.) */
#define LIMIT_MAX 1e18

static double usable(double limit)
{
    return limit > LIMIT_MAX ? INFINITY : limit > 0 ? limit : 0;
}

weft_limiter *weft_limiter_new(double events_per_second, int burst)
{
    if (isnan(events_per_second) || burst < 0) {
        errno = EINVAL;
        return NULL;
    }
    weft_limiter *l = limiter_new(0);
    if (l)
        bucket_init(&l->bucket, usable(events_per_second), burst, os_now());
    return l;
}

weft_limiter *weft_limiter_multi(weft_limiter *const *limiters, size_t n)
{
    size_t parts_n = 0;
    bool missing = n == 0;
    for (size_t i = 0; i < n && !missing; i++) {
        missing = !limiters[i];
        parts_n += missing ? 0 : buckets_n(limiters[i]);
    }
    if (missing) {
        errno = EINVAL;
        return NULL;
    }
    weft_limiter *l = limiter_new(parts_n);
    if (!l)
        return NULL;
    for (size_t i = 0, at = 0; i < n; i++)
        for (size_t k = 0; k < buckets_n(limiters[i]); k++)
            l->parts[at++] = weft_limiter_ref(part(limiters[i], k));
    return l;
}

weft_limiter *weft_limiter_ref(weft_limiter *l)
{
    if (l)
        atomic_add_relaxed(&l->refs, 1);
    return l;
}

static void drop(weft_limiter *l)
{
    if (l && atomic_sub_acq_rel(&l->refs, 1) == 1) {
        for (size_t i = 0; i < l->parts_n; i++)
            drop(l->parts[i]);
        alloc_free(l);
    }
}

void weft_limiter_unref(weft_limiter *l)
{
    drop(l);
    sched_checkpoint();
}

double weft_per(int events, int64_t ns)
{
    return ns <= 0 ? INFINITY : (double)events * 1e9 / (double)ns;
}

/* ---- the rules ---- */

static struct bucket_state limiter_look(weft_limiter *l)
{
    sched_checkpoint();
    int64_t now = os_now();
    struct bucket_state least = bucket_look(&part(l, 0)->bucket, now);
    for (size_t i = 1; i < l->parts_n; i++) {
        struct bucket_state s = bucket_look(&part(l, i)->bucket, now);
        least.limit = s.limit < least.limit ? s.limit : least.limit;
        least.tokens = s.tokens < least.tokens ? s.tokens : least.tokens;
        least.burst = s.burst < least.burst ? s.burst : least.burst;
    }
    return least;
}

double weft_limiter_limit(weft_limiter *l)
{
    return limiter_look(l).limit;
}

int weft_limiter_burst(weft_limiter *l)
{
    return limiter_look(l).burst;
}

double weft_limiter_tokens(weft_limiter *l)
{
    return limiter_look(l).tokens;
}

int weft_limiter_set_limit(weft_limiter *l, double events_per_second)
{
    if (l->parts_n || isnan(events_per_second))
        return -EINVAL;
    weft_mutex_lock(&l->setting);
    int64_t now = os_now();
    int burst = bucket_look(&l->bucket, now).burst;
    bucket_set(&l->bucket, usable(events_per_second), burst, now);
    weft_mutex_unlock(&l->setting);
    return 0;
}

int weft_limiter_set_burst(weft_limiter *l, int burst)
{
    if (l->parts_n || burst < 0)
        return -EINVAL;
    weft_mutex_lock(&l->setting);
    int64_t now = os_now();
    double limit = bucket_look(&l->bucket, now).limit;
    bucket_set(&l->bucket, limit, burst, now);
    weft_mutex_unlock(&l->setting);
    return 0;
}

/* The same rules as of now; whoever is at it will do. */
static __attribute__((noinline)) void renew(weft_limiter *l)
{
    if (!weft_mutex_try_lock(&l->setting))
        return;
    int64_t now = os_now();
    struct bucket_state s = bucket_look(&l->bucket, now);
    bucket_set(&l->bucket, s.limit, s.burst, now);
    weft_mutex_unlock(&l->setting);
}

/* ---- taking ---- */

/* Of one bucket. 0, -EINVAL (more than it ever holds), -EAGAIN (not within wait_max). */
static inline int take_one(weft_limiter *l, int64_t now, int n, int64_t wait_max, int64_t *wait)
{
    switch (bucket_take(&l->bucket, now, n, wait_max, wait)) {
    case BUCKET_TAKEN:
        return 0;
    case BUCKET_STALE:
        renew(l);
        return 0;
    case BUCKET_TOO_LATE:
        return -EAGAIN;
    case BUCKET_TOO_MUCH:
        break;
    }
    return -EINVAL;
}

/* Of all. How long to wait for the last; in acts, if not NULL, the time of each part. */
static int take_all(weft_limiter *l, int64_t now, int n, int64_t wait_max, int64_t *wait,
                    int64_t *acts)
{
    *wait = 0;
    for (size_t i = 0; i < l->parts_n; i++) {
        int64_t part_wait;
        int rc = take_one(l->parts[i], now, n, wait_max, &part_wait);
        if (rc) {
            while (i > 0)
                bucket_give_back(&l->parts[--i]->bucket, now, n, OS_FOREVER);
            return rc;
        }
        if (acts)
            acts[i] = time_plus(now, part_wait);
        *wait = part_wait > *wait ? part_wait : *wait;
    }
    return 0;
}

static inline int take(weft_limiter *l, int64_t now, int n, int64_t wait_max, int64_t *wait)
{
    return likely(l->parts_n == 0) ? take_one(l, now, n, wait_max, wait)
                                   : take_all(l, now, n, wait_max, wait, NULL);
}

bool weft_limiter_allow(weft_limiter *l)
{
    return weft_limiter_allow_n(l, 1);
}

bool weft_limiter_allow_n(weft_limiter *l, int n)
{
    int64_t wait;
    sched_checkpoint();
    return n >= 0 && take(l, os_now(), n, 0, &wait) == 0;
}

int64_t weft_limiter_reserve_n(weft_limiter *l, int n)
{
    int64_t wait;
    sched_checkpoint();
    int rc = n < 0 ? -EINVAL : take(l, os_now(), n, INT64_MAX, &wait);
    return rc ? rc : wait;
}

int weft_limiter_reserve(weft_limiter *l, int n, weft_reservation *out)
{
    sched_checkpoint();
    int64_t wait, now = os_now();
    *out = (weft_reservation){.act_at = WEFT_FOREVER};
    int rc = n < 0 || l->parts_n ? -EINVAL : take_one(l, now, n, INT64_MAX, &wait);
    if (rc)
        return rc;
    *out = (weft_reservation){.limiter = l, .act_at = WEFT_FOREVER, .tokens = n};
    if (wait < INT64_MAX)
        out->act_at = time_plus(now, wait);
    return 0;
}

int64_t weft_reservation_delay(const weft_reservation *r)
{
    sched_checkpoint();
    if (r->act_at >= TIME_LATEST)
        return INT64_MAX;
    int64_t now = os_now();
    return r->act_at > now ? r->act_at - now : 0;
}

void weft_reservation_cancel(weft_reservation *r)
{
    int64_t now = os_now();
    if (r->tokens > 0 && r->act_at >= now)
        bucket_give_back(&r->limiter->bucket, now, r->tokens, r->act_at);
    r->tokens = 0;
}

/* ---- waiting ---- */

/* The event would have been when the last of them allows it, which is yet to come. */
static void give_all_back(weft_limiter *l, int n, const int64_t *acts)
{
    int64_t now = os_now();
    for (size_t i = 0; i < buckets_n(l); i++)
        bucket_give_back(&part(l, i)->bucket, now, n, acts[i]);
}

/* 0, or how the context ended. */
static int wait_for(weft_ctx *ctx, int64_t ns)
{
    return WEFT_SELECT(WEFT_AFTER(ns), WEFT_DONE(ctx)) == 0 ? 0 : weft_ctx_err(ctx);
}

static int take_and_wait(weft_limiter *l, weft_ctx *ctx, int n, int64_t *acts)
{
    int64_t deadline, wait = 0, now = os_now(), wait_max = INT64_MAX;
    if (weft_ctx_deadline(ctx, &deadline))
        wait_max = deadline > now ? deadline - now : 0;
    int rc = weft_ctx_err(ctx);
    if (rc)
        return rc;
    if (l->parts_n) {
        rc = take_all(l, now, n, wait_max, &wait, acts);
    } else {
        rc = take_one(l, now, n, wait_max, &wait);
        acts[0] = time_plus(now, wait);
    }
    if (rc || wait == 0)
        return rc == -EAGAIN ? -ETIMEDOUT : rc;
    rc = wait_for(ctx, wait);
    if (rc)
        give_all_back(l, n, acts);
    return rc;
}

/* Whether any wait is long enough. */
static bool can_ever_take(weft_limiter *l, int n)
{
    for (size_t i = 0; i < buckets_n(l); i++) {
        struct bucket_state s = bucket_look(&part(l, i)->bucket, 0);
        if (n > s.burst && s.limit != INFINITY)
            return false;
    }
    return true;
}

int weft_limiter_wait_n(weft_limiter *l, weft_ctx *ctx, int n)
{
    int64_t few[ACTS_ON_STACK] = {0}, *acts = few;
    sched_checkpoint();
    if (n < 0 || !can_ever_take(l, n))
        return -EINVAL;
    if (l->parts_n > ACTS_ON_STACK) {
        acts = alloc_aligned(_Alignof(int64_t), l->parts_n * sizeof *acts);
        if (!acts)
            return -ENOMEM;
    }
    int rc = take_and_wait(l, ctx, n, acts);
    if (acts != few)
        alloc_free(acts);
    return rc;
}

int weft_limiter_wait(weft_limiter *l, weft_ctx *ctx)
{
    return weft_limiter_wait_n(l, ctx, 1);
}

SANITIZE_OWNER_DATA_END
