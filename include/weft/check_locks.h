/* SPDX-License-Identifier: Apache-2.0
 * check_locks.h - for programs whose locks shall be checked (docs/debugging.md): compiled with
 * "-include weft/check_locks.h" they take no lock inline, so that a test build of weft sees each, and tells of orders that may
 * deadlock. No part of weft.h. */
#ifndef WEFT_CHECK_LOCKS_H
#define WEFT_CHECK_LOCKS_H

#include <weft/sync.h>

WEFT_BEGIN_DECLS

#define weft_mutex_lock weft_mutex_lock_checked
#define weft_mutex_try_lock weft_mutex_try_lock_checked
#define weft_mutex_unlock weft_mutex_unlock_checked
#define weft_rwmutex_rlock weft_rwmutex_rlock_checked
#define weft_rwmutex_try_rlock weft_rwmutex_try_rlock_checked
#define weft_rwmutex_runlock weft_rwmutex_runlock_checked

WEFT_END_DECLS

#endif
