/* SPDX-License-Identifier: Apache-2.0
 * sync.h - waiting for goroutines. All types are ready when zero-initialised, need no destroy, and
 * must not be copied after first use. */
#ifndef WEFT_SYNC_H
#define WEFT_SYNC_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* Waits until a count of things outstanding is zero (Go: sync.WaitGroup). May be reused once all
 * waits have returned, and may vanish (a frame that returns) once nobody will call it again: the
 * done that brings the count to zero doesn't touch it afterwards. */
typedef struct weft_waitgroup {
    uint64_t state_; /* weft's: the count, and who waits */
} weft_waitgroup;

/* Add delta, which may be negative, to the count. At zero all waiters go on.
 * Below zero it panics: "sync: negative WaitGroup counter". Any thread. */
WEFT_API void weft_waitgroup_add(weft_waitgroup *wg, int delta);

/* weft_waitgroup_add(wg, -1). What the caller wrote before is visible after the wait it releases. */
WEFT_API void weft_waitgroup_done(weft_waitgroup *wg);

/* Wait until the count is zero. Any thread; a foreign one blocks on a futex. */
WEFT_API void weft_waitgroup_wait(weft_waitgroup *wg);

/* As wait, but not beyond a deadline (a value of weft_now()): 0, -ETIMEDOUT, or -ENOMEM. A count that is
 * zero already gives 0 whatever the deadline. Past it this is a weft_yield. */
WEFT_API int weft_waitgroup_wait_until(weft_waitgroup *wg, int64_t deadline);

/* Add one, run fn(arg) in a goroutine, and be done when it ends, in whatever way (Go: WaitGroup.Go).
 * 0, or weft_go's error; then nothing was added. */
WEFT_API int weft_waitgroup_go(weft_waitgroup *wg, weft_fn fn, void *arg);

WEFT_END_DECLS

#endif
