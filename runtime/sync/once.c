/* SPDX-License-Identifier: Apache-2.0
 * once.c - weft_once. One word, a queue's (queue.h): RUNNING from the first call on, with those who came meanwhile
 * in the queue; DONE, and nothing else, when its function has ended, in whatever way.
 *
 * The step to DONE takes all who wait and is the last touch of the object. They need not look at it again.
 *
 * Cost: done 1 load; the first call 2 RMWs; one that waits 1. Rejected: a mutex and a flag, as Go has it (those who
 * wait go through the mutex one by one, and the first call touches it when others may have returned). */
#include <weft/defer.h>
#include <weft/sync.h>

#include "runtime/sync/queue.h"

#define ONCE_DONE UINT64_C(1)
#define ONCE_RUNNING UINT64_C(4)

SANITIZE_OWNER_DATA_BEGIN

static void once_unlink_dead(void *once)
{
    queue_word *q = once;
    queue_unlock(q, queue_remove_dead(queue_lock(q)));
}

static void once_finish(void *once)
{
    queue_word *q = once;
    struct queue_string released = {0};
    uint64_t running = ONCE_RUNNING;
    if (atomic_cas_acq_rel(q, &running, ONCE_DONE))
        return;
    uint64_t word = queue_lock(q);
    enum run_hold hold = sched_hold_run();
    for (struct queue_node *node; (node = queue_first(word));) {
        word = queue_remove(word, node);
        if (queue_can_wake(node, hold))
            queue_string(&released, node);
    }
    queue_unlock(q, ONCE_DONE);
    queue_wake_all(released.first);
    sched_release_run(hold);
}

/* Become busy, but not when it is done: that word never changes any more. What it was. */
static uint64_t lock_unless_done(queue_word *q)
{
    unsigned looks = 0;
    uint64_t word = atomic_load_acquire(q);
    while (word != ONCE_DONE) {
        if (word & QUEUE_BUSY) {
            queue_give_way(&looks);
            word = atomic_load_acquire(q);
        } else if (atomic_cas_acq_rel(q, &word, word | QUEUE_BUSY)) {
            break;
        }
    }
    return word;
}

/* Only the one whose function runs can end it, who keeps the address in his frame, to finish it. */
const void *once_waits_for(const struct waiter *w)
{
    return w->unlink == once_unlink_dead ? w->object : NULL;
}

/* Whether the caller is the first; if not, it is over now. */
static bool once_begin(weft_once *once)
{
    queue_word *q = (queue_word *)&once->state_;
    struct queue_node node;
    uint64_t fresh = 0;
    if (atomic_cas_acq_rel(q, &fresh, ONCE_RUNNING))
        return true;
    if (fresh == ONCE_DONE)
        return false;
    struct waiter *w = queue_stand(&node, once, once_unlink_dead);
    uint64_t word = lock_unless_done(q);
    if (word == ONCE_DONE)
        return false;
    queue_unlock(q, queue_append(word, &node));
    waiter_wait(w, WAIT_MUTEX_LOCK);
    return false;
}

SANITIZE_OWNER_DATA_END

/* One that isn't is looked at again. */
bool weft_once_done_slow(const weft_once *once)
{
    sched_checkpoint();
    return weft_once_is_done_(once);
}

void weft_once_do_slow(weft_once *once, weft_fn fn, void *arg)
{
    if (!once_begin(once))
        return;
    WEFT_DEFER(once_finish, once);
    fn(arg);
}
