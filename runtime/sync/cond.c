/* SPDX-License-Identifier: Apache-2.0
 * cond.c - weft_cond: a queue (queue.h), and nothing besides.
 *
 * A wait lines up before it lets go of the mutex, so no signal that comes after is missed; a signal takes the first
 * out. With a deadline two may end a wait, its timer and a signal: who wins waiter_claim() does. One that timed
 * out takes itself out of the queue, if no signal has done so in passing: that one went on to the next, so none is
 * ever spent on who gives -ETIMEDOUT.
 *
 * Cost: wait 0 RMWs in an empty queue, else 1, signal 1, all besides the mutex's; a signal for nobody 0. */
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
    uint64_t word = queue_lock_waited(q);
    if (word)
        queue_unlock(q, queue_remove_dead(word));
}

void weft_cond_init(weft_cond *c, weft_mutex *mutex)
{
    *c = (weft_cond)WEFT_COND_INIT(mutex);
}

static _Atomic(const void *) *cond_self(weft_cond *c)
{
    return (_Atomic(const void *) *)&c->self_;
}

static inline bool is_used_here(weft_cond *c)
{
    return likely(atomic_load_relaxed(cond_self(c)) == c);
}

/* The first use tells where c is. */
static inline void check_not_copied(weft_cond *c)
{
    _Atomic(const void *) *self = cond_self(c);
    const void *was = atomic_load_relaxed(self);
    if (likely(was == c))
        return;
    if (was || (!atomic_cas_acq_rel(self, &was, c) && was != c))
        weft_panic("sync.Cond is copied");
}

/* The caller has the mutex. */
static inline void line_up(weft_cond *c, struct queue_node *node)
{
    queue_word *q = cond_word(c);
    if (likely(!atomic_load_acquire(q)))
        atomic_store_release(q, queue_append(0, node));
    else
        queue_unlock(q, queue_append(queue_lock(q), node));
}

static void let_go(_Atomic(uint64_t) *mutex)
{
    mutex_release((weft_mutex *)mutex);
}

/* Unlock the mutex, and park until woken. Whether it is locked again already. */
static inline bool wait_on_goroutine(struct waiter *w, weft_mutex *mutex)
{
    _Atomic(uint64_t) *lock = (_Atomic(uint64_t) *)&mutex->state_;
    return waiter_wait_unlocking(w, WAIT_COND, lock, let_go) & WAITER_HAS_LOCK;
}

static inline bool wait_unlocking(struct waiter *w, weft_mutex *mutex)
{
    if (w->g)
        return wait_on_goroutine(w, mutex);
    mutex_release(mutex);
    waiter_wait(w, WAIT_COND);
    return false;
}

/* Lock the mutex again, if it isn't yet. noted: lock_check_knows() said so before the wait. */
static inline void come_back(weft_mutex *mutex, bool locked, bool noted, uintptr_t site)
{
    if (noted)
        lock_check_asks(mutex, LOCK_MUTEX, site);
    if (!locked)
        mutex_acquire(mutex);
    if (noted)
        lock_check_has(mutex, LOCK_MUTEX, site);
}

/* The same on a goroutine of which nothing is asked, without a lock check. */
static ARCH_RETURNS_ELSEWHERE void wait_here(weft_cond *c, struct sched_m *m)
{
    struct queue_node node;
    weft_mutex *mutex = c->mutex_;
    struct waiter *w = &m->g->waiter;
    queue_stand_with(&node, w, c, cond_unlink_dead);
    line_up(c, &node);
    if (!wait_on_goroutine(w, mutex))
        mutex_acquire(mutex);
}

static __attribute__((noinline)) void wait_untimed(weft_cond *c, uintptr_t site)
{
    struct queue_node node;
    weft_mutex *mutex = c->mutex_; /* c may be gone when it has been signalled */
    bool noted = lock_check_knows(mutex);
    check_not_copied(c);
    struct waiter *w = queue_stand(&node, c, cond_unlink_dead);
    line_up(c, &node);
    lock_check_gives(mutex, site);
    come_back(mutex, wait_unlocking(w, mutex), noted, site);
}

void weft_cond_wait(weft_cond *c)
{
    struct sched_m *m = WEFT_LOCK_CHECK ? NULL : sched_m_unasked();
    if (unlikely(!m || !is_used_here(c)))
        wait_untimed(c, LOCK_SITE);
    else
        wait_here(c, m);
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

/* Busy, in a queue that isn't empty: take the first out who can be woken, and wake him. */
static __attribute__((noinline)) void signal_busy(queue_word *q, uint64_t word)
{
    enum run_hold hold = sched_hold_run();
    struct queue_node *node;
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

/* Become busy, if somebody waits; one who is lining up just now has the mutex still. 0: nobody does. */
static uint64_t begin_signal(weft_cond *c)
{
    sched_checkpoint();
    check_not_copied(c);
    return queue_lock_waited(cond_word(c));
}

static __attribute__((noinline)) void signal_slow(weft_cond *c)
{
    uint64_t word = begin_signal(c);
    if (word)
        signal_busy(cond_word(c), word);
}

void weft_cond_signal(weft_cond *c)
{
    queue_word *q = cond_word(c);
    struct sched_m *m = sched_m_unasked();
    if (unlikely(!m || !is_used_here(c))) {
        signal_slow(c);
        return;
    }
    uint64_t word = atomic_load_acquire(q);
    if (!word)
        return;
    if (unlikely((word & QUEUE_BUSY) || !atomic_cas_acq_rel(q, &word, word | QUEUE_BUSY))) {
        signal_slow(c);
        return;
    }
    struct queue_node *node = queue_first(word);
    struct waiter *w = node->w;
    if (unlikely(w->cancellable || !w->g)) {
        signal_busy(q, word);
        return;
    }
    word = queue_remove(word, node);
    w->unlink = NULL;
    queue_unlock(q, word);
    waiter_wake_here(w, m);
}

void weft_cond_broadcast(weft_cond *c)
{
    queue_word *q = cond_word(c);
    struct queue_string released = {0};
    uint64_t word = begin_signal(c);
    if (!word)
        return;
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
    uint64_t word = queue_lock_waited(q);
    if (word)
        queue_unlock(q, node->next ? queue_remove(word, node) : word);
}

/* -ENOMEM: not begun. *locked: whether the mutex is locked afterwards. */
static int wait_timed(weft_cond *c, weft_mutex *mutex, int64_t deadline, bool *locked,
                      uintptr_t site)
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
    lock_check_gives(mutex, site);
    if (w->g) {
        *locked = wait_on_goroutine(w, mutex);
    } else {
        mutex_release(mutex);
        wait_foreign(w, token, deadline);
    }
    bool signalled = !(w->result & RESULT_TIMEOUT);
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
    bool locked = false;
    weft_mutex *mutex = c->mutex_; /* as above */
    bool noted = lock_check_knows(mutex);
    check_not_copied(c);
    if (deadline <= os_now()) {
        lock_check_gives(mutex, LOCK_SITE);
        weft_mutex_unlock(mutex);
        weft_yield(); /* who polls in a loop gives way all the same */
    } else {
        rc = wait_timed(c, mutex, deadline, &locked, LOCK_SITE);
    }
    if (rc != -ENOMEM)
        come_back(mutex, locked, noted, LOCK_SITE);
    return rc;
}

SANITIZE_OWNER_DATA_END
