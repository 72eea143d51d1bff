/* SPDX-License-Identifier: Apache-2.0
 * mutex.c - weft_mutex. One word, a queue's (queue.h), whose flags are
 *
 *   LOCKED    somebody has it
 *   AWAKE     the first in the queue has been woken to try for it, and is still in the queue
 *   SPINNING  somebody is looking for it with his eyes open
 *   STARVING  it is handed over from one to the next; then it is LOCKED, and nobody is AWAKE
 *
 * Normally the mutex goes to whoever comes first: an unlock clears LOCKED and wakes the first in the queue, unless
 * one is AWAKE or SPINNING, who is going to find out by himself. One who was woken and comes too late goes on
 * waiting at the head of the queue, which he has never left; when he has waited for STARVING_NS he makes it STARVING.
 * Then an unlock takes the first out of the queue and gives him the mutex, LOCKED as it is, and newcomers line up.
 * That ends with one who has waited less than STARVING_NS, or is the last. (Go's rules since 1.9.)
 *
 * Who is AWAKE leaves the queue by locking the mutex; he may change the links as anybody who is busy may.
 * AWAKE is cleared by him, or by the end of his run.
 *
 * One who is AWAKE most often waits for the very processor on which another locks and unlocks again and again: every
 * so many unlocks, while there is somebody in the queue, that one gives way.
 *
 * Who gives the mutex away touches it for the last time as he does so: then the new owner may free it.
 *
 * Cost: lock and unlock 1 RMW each; a lock that waits 1 to line up and 1 to get it, 1 more for each time that
 * it comes too late, none when it is handed the mutex; an unlock that wakes or hands over 1.
 * Rejected: a queue beside the state (2 RMWs for each of those, and an unlock that comes back to the object after
 * LOCKED is cleared); taking the waiter out when it is woken (one more RMW when it comes too late, and a goroutine
 * that never comes back, as its run has ended, would keep everybody else from being woken). */
#include "runtime/sync/mutex.h"

#include <weft/go.h>

#include "runtime/sync/queue.h"

#define LOCKED UINT64_C(1)
#define AWAKE UINT64_C(4)
#define STARVING UINT64_C(8)
#define SPINNING UINT64_C(16)

#define STARVING_NS 1000000

#define SPINS 4
#define SPIN_RELAX 30

enum { RESULT_TRY, RESULT_HANDED }; /* waiter.result */

SANITIZE_OWNER_DATA_BEGIN

static queue_word *mutex_word(weft_mutex *m)
{
    return (queue_word *)&m->state_;
}

/* ---- waking, and the end of a run ---- */

static void mutex_unlink_dead(void *mutex)
{
    queue_word *q = mutex_word(mutex);
    uint64_t word = queue_lock(q);
    struct queue_node *first = queue_first(word);
    struct waiter *w = NULL;
    if (first && waiter_is_dead(first->w))
        word &= ~AWAKE;
    word = queue_remove_dead(word);
    first = queue_first(word);
    enum run_hold hold = sched_hold_run();
    if (!first) {
        word &= ~STARVING;
    } else if (!(word & (LOCKED | AWAKE | SPINNING)) && queue_can_wake(first, hold)) {
        word |= AWAKE;
        w = first->w;
    }
    queue_unlock(q, word);
    if (w)
        waiter_wake(w);
    sched_release_run(hold);
}

/* ---- lock ---- */

/* Look for the mutex for a moment, if that may help. True: it is the caller's. *mine: SPINNING when the caller has set
 * that flag, and must clear it with his next step. */
static bool spin(queue_word *q, uint64_t *mine, bool awake)
{
    for (int i = 0; i < SPINS && sched_may_spin_here(); i++) {
        for (int j = 0; j < SPIN_RELAX; j++)
            arch_relax();
        uint64_t word = atomic_load_relaxed(q);
        if (word & STARVING)
            return false;
        if (word & QUEUE_BUSY)
            continue;
        if (!(word & LOCKED)) {
            if (awake) /* leaves the queue, too */
                return false;
            if (atomic_cas_acq_rel(q, &word, (word | LOCKED) & ~*mine))
                return true;
        } else if (!awake && !*mine && queue_first(word) && !(word & (AWAKE | SPINNING))) {
            if (atomic_cas_acq_rel(q, &word, word | SPINNING))
                *mine = SPINNING;
        }
    }
    return false;
}

/* What a step has come to. */
enum step { AGAIN, HAS_IT, MUST_PARK };

/* A newcomer locks the mutex or lines up. */
static enum step come(queue_word *q, uint64_t word, uint64_t mine, struct queue_node *node)
{
    if (!(word & LOCKED))
        return atomic_cas_acq_rel(q, &word, (word | LOCKED) & ~mine) ? HAS_IT : AGAIN;
    if (!atomic_cas_acq_rel(q, &word, word | QUEUE_BUSY))
        return AGAIN;
    queue_unlock(q, queue_append(word & ~mine, node));
    return MUST_PARK;
}

/* The one who is AWAKE locks the mutex or stops being AWAKE. */
static enum step come_again(queue_word *q, uint64_t word, struct queue_node *node)
{
    if (!(word & LOCKED)) {
        if (!atomic_cas_acq_rel(q, &word, word | LOCKED | QUEUE_BUSY))
            return AGAIN;
        queue_unlock(q, queue_remove((word | LOCKED) & ~AWAKE, node));
        return HAS_IT;
    }
    bool starves = os_now() - node->what > STARVING_NS;
    atomic_store_relaxed(&node->w->futex, 0); /* if it is foreign: to be woken anew */
    if (!atomic_cas_acq_rel(q, &word, (word & ~AWAKE) | (starves ? STARVING : 0)))
        return AGAIN;
    return MUST_PARK;
}

static uint64_t look(queue_word *q)
{
    unsigned looks = 0;
    uint64_t word;
    while (unlikely((word = atomic_load_relaxed(q)) & QUEUE_BUSY))
        queue_give_way(&looks);
    return word;
}

static __attribute__((noinline)) void lock_in_line(weft_mutex *m)
{
    queue_word *q = mutex_word(m);
    struct queue_node node;
    uint64_t mine = 0;
    enum step step;
    struct waiter *w = queue_stand(&node, m, mutex_unlink_dead);
    if (spin(q, &mine, false))
        return;
    node.what = os_now();
    do {
        step = come(q, look(q), mine, &node);
    } while (step == AGAIN);
    while (step == MUST_PARK) {
        waiter_wait(w, WAIT_MUTEX_LOCK);
        if (w->result == RESULT_HANDED)
            return;
        spin(q, &mine, true);
        do {
            step = come_again(q, look(q), &node);
        } while (step == AGAIN);
    }
}

bool mutex_try_acquire(weft_mutex *m)
{
    sched_checkpoint();
    queue_word *q = mutex_word(m);
    uint64_t word = atomic_load_relaxed(q);
    while (!(word & (LOCKED | QUEUE_BUSY)))
        if (atomic_cas_acq_rel(q, &word, word | LOCKED))
            return true;
    return false;
}

void mutex_acquire_slow(weft_mutex *m)
{
    if (!mutex_try_acquire(m))
        lock_in_line(m);
}

bool weft_mutex_try_lock_slow(weft_mutex *m)
{
    return mutex_try_acquire(m);
}

void weft_mutex_lock_slow(weft_mutex *m)
{
    mutex_acquire_slow(m);
}

/* ---- unlock ---- */

/* Whether an unlock has to wake somebody. */
static inline bool someone_sleeps(uint64_t word)
{
    return queue_first(word) && !(word & (AWAKE | SPINNING));
}

/* Give the mutex away or wake somebody to get it. Whether it was given away. */
static bool release_to_sleeper(queue_word *q)
{
    int64_t now = atomic_load_relaxed(q) & STARVING ? os_now() : 0;
    uint64_t word = queue_lock(q);
    enum run_hold hold = sched_hold_run();
    struct queue_node *node = queue_first(word);
    struct waiter *w = NULL;
    bool handed = false;
    if (!someone_sleeps(word)) {
        word &= ~LOCKED;
    } else if (!queue_can_wake(node, hold)) {
        word &= ~(LOCKED | STARVING); /* mutex_unlink_dead() goes on from here */
    } else if (word & STARVING) {
        w = node->w;
        w->unlink = NULL; /* it is in no queue any more */
        w->result = RESULT_HANDED;
        handed = true;
        word = queue_remove(word, node);
        if (!queue_first(word) || (now && now - node->what < STARVING_NS))
            word &= ~STARVING;
    } else {
        w = node->w;
        word = (word & ~LOCKED) | AWAKE;
    }
    queue_unlock(q, word);
    if (w)
        waiter_wake(w);
    sched_release_run(hold);
    return handed;
}

bool mutex_release_slow(weft_mutex *m)
{
    queue_word *q = mutex_word(m);
    for (;;) {
        uint64_t word = look(q);
        if (unlikely(!(word & LOCKED)))
            sched_fatal("sync: unlock of unlocked mutex");
        if (someone_sleeps(word))
            return release_to_sleeper(q);
        if (atomic_cas_acq_rel(q, &word, word & ~LOCKED))
            return false;
    }
}

void weft_mutex_unlock_slow(weft_mutex *m)
{
    if (!mutex_release_slow(m))
        sched_go_on_for_now();
    else if (sched_on_goroutine())
        weft_yield(); /* to the new owner, for whom others wait, too */
}

SANITIZE_OWNER_DATA_END
