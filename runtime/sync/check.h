/* SPDX-License-Identifier: Apache-2.0
 * check.h - diagnostics of locks, in the test build (check.c); elsewhere all of it is nothing. */
#ifndef WEFT_SYNC_CHECK_H
#define WEFT_SYNC_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "weft-config.h"

/* How a lock is held. */
enum lock_kind { LOCK_MUTEX, LOCK_READ, LOCK_WRITE };

/* Where the program called the function that this stands in. */
#define LOCK_SITE (WEFT_LOCK_CHECK ? (uintptr_t)__builtin_return_address(0) : 0)

void lock_check_note_ask(const void *lock, enum lock_kind kind, uintptr_t site);
void lock_check_note_hold(const void *lock, enum lock_kind kind, uintptr_t site);
void lock_check_note_end(const void *lock, uintptr_t site);
bool lock_check_note_known(const void *lock);

/* The caller is going to wait for a lock, if it must. */
static inline void lock_check_asks(const void *lock, enum lock_kind kind, uintptr_t site)
{
    if (WEFT_LOCK_CHECK)
        lock_check_note_ask(lock, kind, site);
}

/* He has it now. */
static inline void lock_check_has(const void *lock, enum lock_kind kind, uintptr_t site)
{
    if (WEFT_LOCK_CHECK)
        lock_check_note_hold(lock, kind, site);
}

/* Somebody is going to give it back. */
static inline void lock_check_gives(const void *lock, uintptr_t site)
{
    if (WEFT_LOCK_CHECK)
        lock_check_note_end(lock, site);
}

/* Whether the caller is on record as having it: the part of the program that locked it is checked. */
static inline bool lock_check_knows(const void *lock)
{
    return WEFT_LOCK_CHECK && lock_check_note_known(lock);
}

#endif
