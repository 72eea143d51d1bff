/* SPDX-License-Identifier: Apache-2.0
 * rate.h - limits on how often something happens (Go: golang.org/x/time/rate).
 *
 *   weft_limiter *l = weft_limiter_multi((weft_limiter *[]){
 *       weft_limiter_new(weft_per(2, WEFT_SECOND), 1), weft_limiter_new(weft_per(10, WEFT_MINUTE), 10)}, 2);
 *   while (weft_limiter_wait(l, ctx) == 0)
 *       call();
 *
 * A limiter is a token bucket: it is full (`burst` tokens) at first, earns `limit` tokens a second, fractions
 * included, and holds at most `burst`. An event takes a token. Reservations may take more than there is; they are told
 * how long to wait, and the bucket is in debt until then.
 *
 * All calls may be made from any thread, with or without a run; taking and refusing are lock-free. None allocates but the
 * constructors, and a wait for a multi limiter of more than eight parts. n below 0 is -EINVAL (false). */
#ifndef WEFT_RATE_H
#define WEFT_RATE_H

#include <weft/base.h>
#include <weft/ctx.h>

WEFT_BEGIN_DECLS

/* Opaque, reference counted. */
typedef struct weft_limiter weft_limiter;

/* A limiter with one reference. A limit of INFINITY lets everything pass and ignores burst; one of 0 (or below) earns nothing: after the
 * first `burst` events there are no more. NULL with errno: EINVAL (limit is NaN, burst < 0), ENOMEM. */
WEFT_API weft_limiter *weft_limiter_new(double events_per_second, int burst);

/* A limiter that lets pass what all of these do, each of which is charged; a refusal charges nobody (while it
 * is found out others may see tokens missing). It takes a reference to each; multi limiters among them stand for
 * their parts. NULL with errno: EINVAL (n is 0, or one is NULL), ENOMEM. */
WEFT_API weft_limiter *weft_limiter_multi(weft_limiter *const *limiters, size_t n);

/* One reference more, or less (NULL: nothing); the last one frees. */
WEFT_API weft_limiter *weft_limiter_ref(weft_limiter *l);
WEFT_API void weft_limiter_unref(weft_limiter *l);

/* Events a second as a limit, from so many in so much time; ns <= 0: no limit. */
WEFT_API double weft_per(int events, int64_t ns);

/* What was set; of a multi limiter the smallest of all parts. tokens: how many there are now, below 0 when others wait for them. */
WEFT_API double weft_limiter_limit(weft_limiter *l);
WEFT_API int weft_limiter_burst(weft_limiter *l);
WEFT_API double weft_limiter_tokens(weft_limiter *l);

/* Change the limit or the burst from now on. Reservations keep the time that they were told; a new burst is applied when tokens
 * are next taken. 0, or -EINVAL: a multi limiter, NaN, a burst below 0. */
WEFT_API int weft_limiter_set_limit(weft_limiter *l, double events_per_second);
WEFT_API int weft_limiter_set_burst(weft_limiter *l, int burst);

/* Whether n events (1) may happen now; if so they are charged. */
WEFT_API bool weft_limiter_allow(weft_limiter *l);
WEFT_API bool weft_limiter_allow_n(weft_limiter *l, int n);

/* Wait until n events (1) may happen. 0; -EINVAL: n is more than burst, at once; -ECANCELED or -ETIMEDOUT: the context
 * has ended, what was reserved is given back as by weft_reservation_cancel; -ETIMEDOUT at once if they couldn't happen before the context's
 * deadline; -ENOMEM. ctx is borrowed, NULL: the background. */
WEFT_API int weft_limiter_wait(weft_limiter *l, weft_ctx *ctx);
WEFT_API int weft_limiter_wait_n(weft_limiter *l, weft_ctx *ctx, int n);

/* Charge n events now: how many ns the caller must wait before they happen (INT64_MAX: for ever, as with a limit of 0), or -EINVAL:
 * n is more than burst. */
WEFT_API int64_t weft_limiter_reserve_n(weft_limiter *l, int n);

/* A reservation that can be given back. The limiter is borrowed. */
typedef struct weft_reservation {
    weft_limiter *limiter;
    int64_t act_at; /* a deadline, WEFT_FOREVER: never */
    int tokens;
    void *reserved[2];
} weft_reservation;

/* As reserve_n, into *out: 0, or -EINVAL: n is more than burst, or a multi limiter; *out is one that never comes then
 * (Go: not OK). */
WEFT_API int weft_limiter_reserve(weft_limiter *l, int n, weft_reservation *out);

/* How long still to wait, ns; 0: no longer; INT64_MAX: for ever. */
WEFT_API int64_t weft_reservation_delay(const weft_reservation *r);

/* The events won't happen: give back their tokens, but for those that reservations made since then are waiting for in their place
 * already. Nothing when act_at has passed, or the second time. */
WEFT_API void weft_reservation_cancel(weft_reservation *r);

WEFT_END_DECLS

#endif
