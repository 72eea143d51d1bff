/* SPDX-License-Identifier: Apache-2.0
 * time.h - the clock, sleeping, timers and tickers (Go: time). Times are int64_t nanoseconds.
 *
 *   weft_ticker *every = weft_ticker_new(WEFT_SECOND);
 *   WEFT_RANGE(int64_t, due, weft_ticker_chan(every)) { ... }
 *
 * A timer, or ticker, has a channel of int64_t: when it is due a receive gives the time for which it was due, a
 * value of weft_now(). The channel is unbuffered as far as anybody can see: nothing that was due before a stop or a
 * reset can be received after it. len and cap are 0; it is never closed, and sending to it or closing it
 * panics ("send on timer channel", "close of timer channel"). As long as nobody waits for it it costs nothing.
 *
 * Timers belong to the run in which they were made; with no run in progress there are none: NULL, errno ESRCH. What
 * is left when a run ends is dead: it never fires, stop and reset give false. All calls may be made from any thread,
 * several at once, also from the function of a timer; each must be covered by a reference for as long as it lasts. */
#ifndef WEFT_TIME_H
#define WEFT_TIME_H

#include <weft/base.h>
#include <weft/chan.h>

WEFT_BEGIN_DECLS

#define WEFT_NANOSECOND INT64_C(1)
#define WEFT_MICROSECOND (1000 * WEFT_NANOSECOND)
#define WEFT_MILLISECOND (1000 * WEFT_MICROSECOND)
#define WEFT_SECOND (1000 * WEFT_MILLISECOND)
#define WEFT_MINUTE (60 * WEFT_SECOND)
#define WEFT_HOUR (60 * WEFT_MINUTE)

/* A deadline that never comes. */
#define WEFT_FOREVER INT64_MAX

/* Nanoseconds on CLOCK_MONOTONIC's scale, within 10 us of it (mostly 100 ns; while that clock is being
 * steered, what it is steered by in a tenth of a second), and never going back between goroutines or
 * threads of which one is told by the other. Computed from the processor's counter where the kernel trusts it. Any thread. */
WEFT_API int64_t weft_now(void);

/* Pause this goroutine (or this foreign thread) for at least ns nanoseconds; <= 0 returns at once. */
WEFT_API void weft_sleep(int64_t ns);

/* Pause until weft_now() >= deadline. A deadline in the past returns at once; WEFT_FOREVER never. */
WEFT_API void weft_sleep_until(int64_t deadline);

/* Opaque. */
typedef struct weft_timer weft_timer;
typedef struct weft_ticker weft_ticker;

/* The channel of a timer that is due in ns nanoseconds (at once if <= 0, never early), with one reference, which the
 * caller drops with weft_chan_unref. NULL and errno ESRCH or ENOMEM. In a select WEFT_AFTER does the same without. */
WEFT_API weft_chan *weft_after(int64_t ns);

/* A timer that is due once, in ns nanoseconds, with one reference. NULL and errno ESRCH or ENOMEM. */
WEFT_API weft_timer *weft_timer_new(int64_t ns);

/* One that calls fn(arg) instead, in a goroutine of its own: it holds up no other timer, and a stop doesn't wait for
 * it. NULL and errno ESRCH, ENOMEM, or EINVAL (no fn). What the caller wrote before is visible to fn. */
WEFT_API weft_timer *weft_after_func(int64_t ns, weft_fn fn, void *arg);

/* Its channel, which lives as long as the timer does, or as somebody has a reference of his own to it. NULL for one
 * from weft_after_func. */
WEFT_API weft_chan *weft_timer_chan(weft_timer *t);

/* Let it not fire. True: it was pending, or had fired and nobody had received the value, which is dropped; of one
 * with a function: it is not called. False: it was stopped or received before; the function was started before. Panics
 * with NULL ("time: Stop called on uninitialized Timer"). */
WEFT_API bool weft_timer_stop(weft_timer *t);

/* Let it be due in ns nanoseconds from now, and only then. Gives what a stop would have given. Of several
 * resets and stops at once each pending firing is told to one as true. Panics with NULL ("time: Reset called on
 * uninitialized Timer"). */
WEFT_API bool weft_timer_reset(weft_timer *t, int64_t ns);

/* Drop the reference. One with a function still fires; another is gone, unless its channel is referenced. NULL is
 * allowed. */
WEFT_API void weft_timer_unref(weft_timer *t);

/* A timer that is due every ns nanoseconds from now. One tick at most waits for who comes late, with the time of
 * the first that he missed; the next comes at the next full period. Panics "non-positive interval for NewTicker". NULL and
 * errno ESRCH or ENOMEM. */
WEFT_API weft_ticker *weft_ticker_new(int64_t ns);

/* Its channel, as that of a timer. */
WEFT_API weft_chan *weft_ticker_chan(weft_ticker *t);

/* No more ticks; one that waits is dropped. The channel isn't closed. NULL is allowed. */
WEFT_API void weft_ticker_stop(weft_ticker *t);

/* Tick every ns nanoseconds, for the first time in ns from now; a tick that waits is dropped. Panics "non-positive interval
 * for Ticker.Reset", and with NULL ("time: Reset called on uninitialized Ticker"). */
WEFT_API void weft_ticker_reset(weft_ticker *t, int64_t ns);

/* Drop the reference: it is gone, unless its channel is referenced. NULL is allowed. */
WEFT_API void weft_ticker_unref(weft_ticker *t);

WEFT_END_DECLS

#endif
