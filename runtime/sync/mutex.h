/* SPDX-License-Identifier: Apache-2.0
 * mutex.h - of weft_mutex, for the rest of the room. */
#ifndef WEFT_SYNC_MUTEX_H
#define WEFT_SYNC_MUTEX_H

#include <weft/sync.h>

/* Lock m, or try to, for the objects that have one: the lock check doesn't hear of it. */
void mutex_acquire_slow(weft_mutex *m);
bool mutex_try_acquire(weft_mutex *m);

static inline void mutex_acquire(weft_mutex *m)
{
    if (!WEFT_LIKELY_(weft_mutex_take_(m)))
        mutex_acquire_slow(m);
}

/* Unlock m without ever giving way, for one who is about to park and may be woken already. Whether somebody waits
 * to run with it who should do so at once. */
bool mutex_release(weft_mutex *m);

#endif
