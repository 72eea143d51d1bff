/* SPDX-License-Identifier: Apache-2.0
 * held.h - which pthread mutexes the calling thread has locked, and who it was at the time. In the test build, but not
 * beside sanitizers, whose functions these would be. */
#ifndef WEFT_ARCH_HELD_H
#define WEFT_ARCH_HELD_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/atomic.h"

struct os_held {
    const void *mutex;
    uint64_t owner;
    uintptr_t site; /* where its lock returned to */
};

typedef uint64_t (*os_held_owner_fn)(void);

/* Who the caller is; 0: nobody of interest. Installed once; may be called on any thread, at any time. */
extern _Atomic(os_held_owner_fn) os_held_owner;

/* The newest that this owner has locked on the calling thread and not unlocked there. It isn't told again. */
bool os_held_take(uint64_t owner, struct os_held *out);

#endif
