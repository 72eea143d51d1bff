/* SPDX-License-Identifier: Apache-2.0
 * check_locks.c - what weft/check_locks.h puts in the place of sync.h's inline functions: the same steps, and the lock check hears
 * of each. Outside the test build, no more than the steps. */
#include <weft/sync.h>

#include "runtime/sync/check.h"

void weft_mutex_lock_checked(weft_mutex *m)
{
    lock_check_asks(m, LOCK_MUTEX, LOCK_SITE);
    weft_mutex_lock_slow(m);
    lock_check_has(m, LOCK_MUTEX, LOCK_SITE);
}

bool weft_mutex_try_lock_checked(weft_mutex *m)
{
    bool mine = weft_mutex_try_lock_slow(m);
    if (mine)
        lock_check_has(m, LOCK_MUTEX, LOCK_SITE);
    return mine;
}

void weft_mutex_unlock_checked(weft_mutex *m)
{
    lock_check_gives(m, LOCK_SITE);
    weft_mutex_unlock_slow(m);
}

void weft_rwmutex_rlock_checked(weft_rwmutex *rw)
{
    lock_check_asks(rw, LOCK_READ, LOCK_SITE);
    weft_rwmutex_rlock_slow(rw);
    lock_check_has(rw, LOCK_READ, LOCK_SITE);
}

bool weft_rwmutex_try_rlock_checked(weft_rwmutex *rw)
{
    bool counted = weft_rwmutex_try_rlock(rw);
    if (counted)
        lock_check_has(rw, LOCK_READ, LOCK_SITE);
    return counted;
}

void weft_rwmutex_runlock_checked(weft_rwmutex *rw)
{
    lock_check_gives(rw, LOCK_SITE);
    weft_rwmutex_runlock_slow(rw);
}
