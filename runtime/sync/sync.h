/* SPDX-License-Identifier: Apache-2.0
 * sync.h - an acquire of a semaphore that may be ended before its turn has come, for the rooms above.
 *
 *   sem_wait_begin      true: it has its units; nothing more is to be done
 *   waiter_wait(wait.node.w)   woken by a release that has claimed `token` (result 0: it has the units), or by whoever
 *                       else has (and said so in the result)
 *   sem_wait_leave      in that other case
 *   sem_wait_end        its waiter is used for other waits again */
#ifndef WEFT_SYNC_SYNC_H
#define WEFT_SYNC_SYNC_H

#include <weft/sync.h>

#include "runtime/sync/queue.h"

/* How many units are out. */
static inline int64_t sem_taken(weft_sem *s)
{
    return (int64_t)(atomic_load_acquire((_Atomic(uint64_t) *)&s->state_) >> 1);
}

struct sem_wait {
    struct queue_node node;
    weft_sem *sem;
    uint64_t token;
    bool granted; /* for sem_wait_unlink_dead: the semaphore may be gone */
};

/* n isn't negative; more than there will ever be are waited for outside the queue. object and unlink are the waiter's;
 * unlink calls sem_wait_unlink_dead; it is called, too, where the run has ended between the grant and what would come next. */
bool sem_wait_begin(struct sem_wait *wait, weft_sem *s, int64_t n, void *object,
                    void (*unlink)(void *object));
void sem_wait_leave(struct sem_wait *wait);
void sem_wait_end(struct sem_wait *wait);
void sem_wait_unlink_dead(struct sem_wait *wait);

#endif
