/* SPDX-License-Identifier: Apache-2.0
 * waitlist.h - a lock-free FIFO of waiters from which any may also be taken out of the middle. */
#ifndef WEFT_CHAN_WAITLIST_H
#define WEFT_CHAN_WAITLIST_H

#include "runtime/sched/sched.h"

/* Zeroed is empty. Its waiters come from waiter_get, one place in one list each. */
struct waitlist {
    _Atomic(uint64_t) head;
    _Atomic(uint64_t) tail; /* a hint */
    _Atomic(uint32_t) left; /* how many were left behind since it was last swept */
    _Atomic(uint32_t) seen; /* how many lived then */
};

/* Whether the wait that w stands for is over, so that w may be forgotten. */
typedef bool (*waitlist_over)(struct waiter *w);

void waitlist_push(struct waitlist *l, struct waiter *w);

/* The oldest, or NULL. It is in no list any more; the list's hold on it is now the caller's. */
struct waiter *waitlist_pop(struct waitlist *l);

/* Its owner's wait is over. True: w is the owner's alone again. False: it was popped, or the list lets go
 * of it later; the owner drops it. */
bool waitlist_leave(struct waitlist *l, struct waiter *w, waitlist_over over);

/* The same beforehand, of one just pushed: its owner won't say when its wait is over. */
void waitlist_will_leave(struct waitlist *l, waitlist_over over);

/* Let go of all that are over. */
void waitlist_sweep(struct waitlist *l, waitlist_over over);

/* Let go of those that are over, up to the first that isn't. */
void waitlist_trim(struct waitlist *l, waitlist_over over);

/* Whether w, pushed by the caller, is still in its list. */
bool waitlist_has(struct waiter *w);

static inline bool waitlist_is_empty(struct waitlist *l)
{
    return atomic_load_acquire(&l->head) >> 32 == 0;
}

#endif
