/* SPDX-License-Identifier: Apache-2.0
 * check_tell.h - what the lock check tells. */
#ifndef WEFT_SYNC_CHECK_TELL_H
#define WEFT_SYNC_CHECK_TELL_H

#include "runtime/sync/check.h"

#define CYCLE_MAX 8

/* A lock that was held, and the next that its holder asked for. */
struct lock_step {
    const void *lock, *next;
    uint64_t owner;         /* a goroutine's number; a foreign thread's with THREAD_BIT */
    uintptr_t taken, asked; /* where; they return there */
    enum lock_kind kind;
};
#define THREAD_BIT (UINT64_C(1) << 63)

struct lock_cycle {
    unsigned n; /* 0: none; more than CYCLE_MAX: the first of them are there */
    struct lock_step steps[CYCLE_MAX];
};

struct lock_hold {
    const void *lock; /* NULL: none */
    uint64_t owner;
    uintptr_t taken, now;
    int64_t ns;
    enum lock_kind kind;
    bool over; /* `now` gives it back; else it is another who wants it */
};

/* On stderr, no more than so many of both in a second. They take turns, each on a thread of its own: a goroutine's stack is too
 * small for what reads debug information. */
void lock_tell_cycle(const struct lock_cycle *cycle);
void lock_tell_hold(const struct lock_hold *hold);

#endif
