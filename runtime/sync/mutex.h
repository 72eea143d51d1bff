/* SPDX-License-Identifier: Apache-2.0
 * mutex.h - of weft_mutex, for the rest of the room. */
#ifndef WEFT_SYNC_MUTEX_H
#define WEFT_SYNC_MUTEX_H

#include <weft/sync.h>

#include "arch/assert.h"
#include "arch/atomic.h"

/* Lock m, or try to, for the objects that have one: the lock check doesn't hear of it. */
void mutex_acquire_slow(weft_mutex *m);
bool mutex_try_acquire(weft_mutex *m);

static inline void mutex_acquire(weft_mutex *m)
{
    if (!WEFT_LIKELY_(weft_mutex_take_(m)))
        mutex_acquire_slow(m);
}

bool mutex_release_slow(weft_mutex *m);

/* Unlock m without ever giving way, for one who is about to park and may be woken already. Whether somebody waits
 * to run with it who should do so at once. */
static inline bool mutex_release(weft_mutex *m)
{
    uint64_t alone = 1;
    bool nobody_waits = atomic_cas_acq_rel((_Atomic(uint64_t) *)&m->state_, &alone, 0);
    return likely(nobody_waits) ? false : mutex_release_slow(m);
}

#endif
