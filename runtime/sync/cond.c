/* SPDX-License-Identifier: Apache-2.0
 * cond.c - weft_cond: a queue (queue.h), and nothing besides.
 *
 * A wait lines up before it lets go of the mutex, so no signal that comes after is missed; a signal takes the first
 * out. With a deadline two may end a wait, its timer and a signal: who wins waiter_claim() does. One that timed
 * out takes itself out of the queue, if no signal has done so in passing: that one went on to the next, so none is
 * ever spent on who gives -ETIMEDOUT.
 *
 * Cost: wait 1 RMW, signal 1, both besides the mutex's; a signal for nobody 0. */
#include <errno.h>
#include <weft/defer.h>
#include <weft/go.h>
#include <weft/sync.h>
#include <weft/time.h>

#include "runtime/sync/check.h"
#include "runtime/sync/mutex.h"
#include "runtime/sync/queue.h"
#include "runtime/time/time.h"

enum { RESULT_SIGNAL, RESULT_TIMEOUT }; /* waiter.result */

SANITIZE_OWNER_DATA_BEGIN

static queue_word *cond_word(weft_cond *c)
{
    return (queue_word *)&c->queue_;
}

static void cond_unlink_dead(void *cond)
{
    queue_word *q = cond_word(cond);
    queue_unlock(q, queue_remove_dead(queue_lock(q)));
}

void weft_cond_init(weft_cond *c, weft_mutex *mutex)
{
    *c = (weft_cond)WEFT_COND_INIT(mutex);
}

/* The first use tells where c is. */
static inline void check_not_copied(weft_cond *c)
{
    _Atomic(const void *) *self = (_Atomic(const void *) *)&c->self_;
    const void *was = atomic_load_relaxed(self);
    if (likely(was == c))
        return;
    if (was || (!atomic_cas_acq_rel(self, &was, c) && was != c))
        weft_panic("sync.Cond is copied");
}

static inline void line_up(weft_cond *c, struct queue_node *node)
{
    queue_word *q = cond_word(c);
    queue_unlock(q, queue_append(queue_lock(q), node));
}

/* Lock the mutex again. noted: lock_check_knows() said so before the wait. */
static inline void come_back(weft_mutex *mutex, bool noted, uintptr_t site)
{
    if (noted)
        lock_check_asks(mutex, LOCK_MUTEX, site);
    mutex_acquire(mutex);
    if (noted)
        lock_check_has(mutex, LOCK_MUTEX, site);
}

static void wait_untimed(weft_cond *c, uintptr_t site)
{
    struct queue_node node;
    weft_mutex *mutex = c->mutex_; /* c may be gone when it has been signalled */
    bool noted = lock_check_knows(mutex);
    check_not_copied(c);
    struct waiter *w = queue_stand(&node, c, cond_unlink_dead);
    line_up(c, &node);
    lock_check_gives(mutex, site);
    mutex_release(mutex);
    waiter_wait(w, WAIT_COND);
    come_back(mutex, noted, site);
}

void weft_cond_wait(weft_cond *c)
{
    wait_untimed(c, LOCK_SITE);
}

/* ---- signal ---- */

/* Whether one that was taken out is the caller's to wake. */
static inline bool signals(struct queue_node *node, enum run_hold hold)
{
    struct waiter *w = node->w;
    if (!queue_can_wake(node, hold))
        return false;
    if (likely(!w->cancellable))
        return true;
    uint64_t word = atomic_load_acquire(&w->word);
    return (word & 1) && waiter_claim(w, word);
}

static inline bool somebody_waits(weft_cond *c)
{
    sched_checkpoint();
    check_not_copied(c);
    return queue_first(
        atomic_load_acquire(cond_word(c))); /* one that is lining up just now has the mutex still */
}

void weft_cond_signal(weft_cond *c)
{
    queue_word *q = cond_word(c);
    struct queue_node *node;
    if (!somebody_waits(c))
        return;
    uint64_t word = queue_lock(q);
    enum run_hold hold = sched_hold_run();
    struct waiter *w = NULL;
    while (!w && (node = queue_first(word))) {
        word = queue_remove(word, node);
        w = signals(node, hold) ? node->w : NULL;
    }
    if (w)
        w->unlink = NULL; /* it is in no queue any more */
    queue_unlock(q, word);
    if (w)
        waiter_wake(w);
    sched_release_run(hold);
}

void weft_cond_broadcast(weft_cond *c)
{
    queue_word *q = cond_word(c);
    struct queue_string released = {0};
    if (!somebody_waits(c))
        return;
    uint64_t word = queue_lock(q);
    enum run_hold hold = sched_hold_run();
    for (struct queue_node *node; (node = queue_first(word));) {
        word = queue_remove(word, node);
        if (signals(node, hold))
            queue_string(&released, node);
    }
    queue_unlock(q, word);
    queue_wake_all(released.first);
    sched_release_run(hold);
}

/* ---- with a deadline ---- */

static void cond_timed_out(void *waiter, uint64_t token)
{
    struct waiter *w = waiter;
    if (!waiter_claim(w, token))
        return;
    w->result = RESULT_TIMEOUT;
    waiter_wake_in_order(w);
}

/* On a foreign thread, whose futex is its timer. */
static void wait_foreign(struct waiter *w, uint64_t token, int64_t deadline)
{
    if (waiter_wait_foreign_until(w, deadline))
        return;
    if (waiter_claim(w, token))
        w->result = RESULT_TIMEOUT;
    else
        waiter_wait(w, WAIT_COND); /* claimed: the wake is on its way */
}

static void leave(weft_cond *c, struct queue_node *node)
{
    queue_word *q = cond_word(c);
    uint64_t word = queue_lock(q);
    if (node->next)
        word = queue_remove(word, node);
    queue_unlock(q, word);
}

/* -ENOMEM: not begun, the mutex is locked as before. */
static int wait_timed(weft_cond *c, int64_t deadline, uintptr_t site)
{
    struct queue_node node;
    struct timer_ticket ticket = {0};
    struct waiter *w = queue_stand(&node, c, cond_unlink_dead);
    uint64_t token = waiter_arm(w);
    w->cancellable = true;
    if (w->g && timer_arm(&ticket, deadline, cond_timed_out, w, token)) {
        waiter_disarm(w, token);
        return -ENOMEM;
    }
    line_up(c, &node);
    lock_check_gives(c->mutex_, site);
    mutex_release(c->mutex_);
    if (w->g)
        waiter_wait(w, WAIT_COND);
    else
        wait_foreign(w, token, deadline);
    bool signalled = w->result == RESULT_SIGNAL;
    if (!signalled)
        leave(c, &node);
    else if (w->g)
        timer_cancel(&ticket);
    w->cancellable = false; /* in no queue any more */
    return signalled ? 0 : -ETIMEDOUT;
}

int weft_cond_wait_until(weft_cond *c, int64_t deadline)
{
    if (deadline == WEFT_FOREVER) {
        wait_untimed(c, LOCK_SITE);
        return 0;
    }
    int rc = -ETIMEDOUT;
    weft_mutex *mutex = c->mutex_; /* as above */
    bool noted = lock_check_knows(mutex);
    check_not_copied(c);
    if (deadline <= os_now()) {
        lock_check_gives(mutex, LOCK_SITE);
        weft_mutex_unlock(mutex);
        weft_yield(); /* who polls in a loop gives way all the same */
    } else {
        rc = wait_timed(c, deadline, LOCK_SITE);
    }
    if (rc != -ENOMEM)
        come_back(mutex, noted, LOCK_SITE);
    return rc;
}

SANITIZE_OWNER_DATA_END
