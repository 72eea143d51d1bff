/* SPDX-License-Identifier: Apache-2.0
 * mutex.h - of weft_mutex, for the rest of the room. */
#ifndef WEFT_SYNC_MUTEX_H
#define WEFT_SYNC_MUTEX_H

#include <weft/sync.h>

#include "arch/assert.h"
#include "arch/atomic.h"

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
