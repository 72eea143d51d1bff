/* SPDX-License-Identifier: Apache-2.0
 * rwmutex.c - weft_rwmutex: a mutex among the writers, and behind it a gate.
 *
 *   state = readers << 2 | WAITING | WRITING
 *
 * The writer who has the mutex `writers_` comes to the gate; he passes when there is nobody (WRITING), or waits in the
 * queue (queue.h) for the readers that are there. Readers are counted; those who meet a writer, writing
 * or waiting, line up behind him. WAITING says that the queue isn't empty; it changes only while busy.
 *
 *   the last reader leaves, a writer waits      the writer passes
 *   a writer leaves, readers wait               all of them pass, and the next writer waits for them
 *   a writer leaves, only a writer waits        he passes
 *
 * A reader counts himself before he looks whether he may. With WRITING or WAITING set he was counted by mistake: he
 * takes that back, busy, and lines up; or the reason is gone by then, and the count was right. So while there is
 * one such reader no step that needs a count of 0 is taken, and he, when he takes it back, looks whether it is now.
 *
 * The last reader in front of a waiting writer leaves busy, and a writer lets the next one have the mutex before he
 * opens the gate: the step that lets others pass is the last touch.
 *
 * Cost: rlock, runlock 1 RMW; lock, unlock 2 each; 2 more for a reader who waits, 2 for a writer who does, 2 for who
 * lets them pass. Rejected: counting readers down apart from the state, as Go has it (an unlink at the end of a run
 * can't put right two counts that others are changing). */
#include <weft/go.h>
#include <weft/sync.h>

#include "runtime/sync/check.h"
#include "runtime/sync/mutex.h"
#include "runtime/sync/queue.h"

#define RW_WRITING UINT64_C(1)
#define RW_WAITING UINT64_C(2)
#define RW_READER UINT64_C(4)

enum { WAITS_TO_READ, WAITS_TO_WRITE }; /* queue_node.what */

_Static_assert(offsetof(weft_rwmutex, writers_) > 0,
               "two objects, which waiters tell apart by address");

SANITIZE_OWNER_DATA_BEGIN

static _Atomic(uint64_t) *rw_state(weft_rwmutex *rw)
{
    return (_Atomic(uint64_t) *)&rw->state_;
}

static queue_word *rw_word(weft_rwmutex *rw)
{
    return (queue_word *)&rw->queue_;
}

/* ---- the gate; all of this while busy ---- */

/* Move all readers that can be woken from the queue to s. How many. */
static uint64_t take_readers(uint64_t *word, enum run_hold hold, struct queue_string *s)
{
    struct queue_node *node = queue_first(*word), *next;
    uint64_t n = 0;
    for (struct queue_node *last = node ? node->prev : NULL; node; node = next) {
        next = node == last ? NULL : node->next;
        if (node->what != WAITS_TO_READ || !queue_can_wake(node, hold))
            continue;
        *word = queue_remove(*word, node);
        queue_string(s, node);
        n++;
    }
    return n;
}

static struct queue_node *waiting_writer(uint64_t word, enum run_hold hold)
{
    struct queue_node *first = queue_first(word), *node = first;
    while (node && node->what != WAITS_TO_WRITE)
        node = node->next == first ? NULL : node->next;
    return node && queue_can_wake(node, hold) ? node : NULL;
}

/* Let the writer who waits pass; no reader has passed. The new word. */
static uint64_t admit_writer(weft_rwmutex *rw, uint64_t word, struct queue_node *writer,
                             uint64_t state, struct queue_string *s)
{
    word = queue_remove(word, writer);
    queue_string(s, writer);
    uint64_t to = RW_WRITING | (queue_first(word) ? RW_WAITING : 0);
    atomic_add_acq_rel(rw_state(rw), to - (state & (RW_WRITING | RW_WAITING)));
    return word;
}

/* WAITING is set: let the writer pass if no reader is left. */
static uint64_t after_reader(weft_rwmutex *rw, uint64_t word, enum run_hold hold,
                             struct queue_string *s)
{
    uint64_t state = atomic_load_acquire(rw_state(rw));
    struct queue_node *writer = state == RW_WAITING ? waiting_writer(word, hold) : NULL;
    return writer ? admit_writer(rw, word, writer, state, s) : word;
}

/* No writer has passed or waits: let all readers pass. The new word. */
static uint64_t admit_readers(weft_rwmutex *rw, uint64_t word, uint64_t state, enum run_hold hold,
                              struct queue_string *s)
{
    uint64_t to = take_readers(&word, hold, s) * RW_READER + (queue_first(word) ? RW_WAITING : 0);
    atomic_add_acq_rel(rw_state(rw), to - (state & (RW_WRITING | RW_WAITING)));
    return word;
}

/* A writer whose run has ended held the mutex, too. */
static void rw_unlink_dead(void *rwmutex)
{
    weft_rwmutex *rw = rwmutex;
    struct queue_string s = {0};
    uint64_t word = queue_lock(rw_word(rw));
    struct queue_node *writer = waiting_writer(word, RUN_OURS);
    bool writer_died = writer && waiter_is_dead(writer->w);
    word = queue_remove_dead(word);
    uint64_t state = atomic_load_acquire(rw_state(rw));
    if (!(state & RW_WRITING) && waiting_writer(word, RUN_GONE))
        word = after_reader(rw, word, RUN_GONE, &s);
    else if ((state & RW_WAITING) && !(state & RW_WRITING))
        word = admit_readers(rw, word, state, RUN_GONE, &s);
    else if ((state & RW_WAITING) && !queue_first(word))
        atomic_sub_acq_rel(rw_state(rw), RW_WAITING);
    queue_unlock(rw_word(rw), word);
    queue_wake_all(s.first);
    if (writer_died)
        mutex_release(&rw->writers_);
}

/* ---- readers ---- */

/* Counted by mistake, while busy: take that back and line up. */
static uint64_t wait_to_read(weft_rwmutex *rw, uint64_t word, struct queue_node *node,
                             enum run_hold hold, struct queue_string *s)
{
    uint64_t waiting = queue_first(word) ? 0 : RW_WAITING;
    atomic_add_acq_rel(rw_state(rw), waiting - RW_READER);
    return after_reader(rw, queue_append(word, node), hold, s);
}

void weft_rwmutex_rlock_slow(weft_rwmutex *rw)
{
    struct queue_node node;
    struct queue_string s = {0};
    /* An orphan, which has been counted, goes no further than the line after this. */
    if (unlikely(sched_is_orphan()))
        weft_rwmutex_runlock_slow(rw);
    lock_check_asks(rw, LOCK_READ, LOCK_SITE);
    struct waiter *w = queue_stand(&node, rw, rw_unlink_dead);
    node.what = WAITS_TO_READ;
    uint64_t word = queue_lock(rw_word(rw));
    enum run_hold hold = sched_hold_run();
    bool waits = atomic_load_acquire(rw_state(rw)) & (RW_WRITING | RW_WAITING);
    if (waits)
        word = wait_to_read(rw, word, &node, hold, &s);
    queue_unlock(rw_word(rw), word);
    queue_wake_all(s.first);
    sched_release_run(hold);
    if (waits)
        waiter_wait(w, WAIT_RWMUTEX_RLOCK);
    lock_check_has(rw, LOCK_READ, LOCK_SITE);
}

bool weft_rwmutex_try_rlock(weft_rwmutex *rw)
{
    sched_checkpoint();
    uint64_t state = atomic_load_relaxed(rw_state(rw));
    while (!(state & (RW_WRITING | RW_WAITING))) {
        if (atomic_cas_acq_rel(rw_state(rw), &state, state + RW_READER)) {
            lock_check_has(rw, LOCK_READ, LOCK_SITE);
            return true;
        }
    }
    return false;
}

/* The last one, in front of a writer who waits. False: nobody does any more, and nothing was done. */
static bool leave_to_writer(weft_rwmutex *rw)
{
    struct queue_string s = {0};
    uint64_t word = queue_lock(rw_word(rw));
    if (!queue_first(word)) {
        queue_unlock(rw_word(rw), word);
        return false;
    }
    enum run_hold hold = sched_hold_run();
    atomic_sub_acq_rel(rw_state(rw), RW_READER);
    word = after_reader(rw, word, hold, &s);
    queue_unlock(rw_word(rw), word);
    queue_wake_all(s.first);
    sched_release_run(hold);
    return true;
}

void weft_rwmutex_runlock_slow(weft_rwmutex *rw)
{
    uint64_t state = atomic_load_relaxed(rw_state(rw));
    lock_check_gives(rw, LOCK_SITE);
    for (;;) {
        if (state < RW_READER)
            sched_fatal("sync: RUnlock of unlocked RWMutex");
        if ((state & RW_WAITING) && state < 2 * RW_READER) {
            if (leave_to_writer(rw))
                return;
            state = atomic_load_relaxed(rw_state(rw));
            continue;
        }
        if (atomic_cas_acq_rel(rw_state(rw), &state, state - RW_READER))
            return;
    }
}

/* ---- writers ---- */

/* The caller has the mutex, and the gate isn't free. */
static void wait_to_write(weft_rwmutex *rw)
{
    struct queue_node node;
    /* An orphan goes no further than the line after this. */
    if (unlikely(sched_is_orphan()))
        mutex_release(&rw->writers_);
    struct waiter *w = queue_stand(&node, rw, rw_unlink_dead);
    node.what = WAITS_TO_WRITE;
    uint64_t word = queue_lock(rw_word(rw));
    uint64_t state = atomic_load_relaxed(rw_state(rw)), to;
    do {
        to = state ? state | RW_WAITING : RW_WRITING;
    } while (!atomic_cas_acq_rel(rw_state(rw), &state, to));
    if (!state) {
        queue_unlock(rw_word(rw), word);
        return;
    }
    queue_unlock(rw_word(rw), queue_append(word, &node));
    waiter_wait(w, WAIT_RWMUTEX_LOCK);
}

void weft_rwmutex_lock(weft_rwmutex *rw)
{
    uint64_t nobody = 0;
    sched_checkpoint();
    lock_check_asks(rw, LOCK_WRITE, LOCK_SITE);
    mutex_acquire(&rw->writers_);
    if (!atomic_cas_acq_rel(rw_state(rw), &nobody, RW_WRITING))
        wait_to_write(rw);
    lock_check_has(rw, LOCK_WRITE, LOCK_SITE);
}

bool weft_rwmutex_try_lock(weft_rwmutex *rw)
{
    uint64_t nobody = 0;
    sched_checkpoint();
    if (atomic_load_relaxed(rw_state(rw)) || !mutex_try_acquire(&rw->writers_))
        return false;
    if (atomic_cas_acq_rel(rw_state(rw), &nobody, RW_WRITING)) {
        lock_check_has(rw, LOCK_WRITE, LOCK_SITE);
        return true;
    }
    weft_mutex_unlock(&rw->writers_);
    return false;
}

/* Somebody stands at the gate, or did: let him pass. False: nobody does any more. */
static bool open_to_waiting(weft_rwmutex *rw)
{
    struct queue_string s = {0};
    uint64_t word = queue_lock(rw_word(rw));
    enum run_hold hold = sched_hold_run();
    uint64_t state = atomic_load_acquire(rw_state(rw));
    struct queue_node *writer = waiting_writer(word, hold), *first = queue_first(word);
    if (writer && first->next == first)
        word = admit_writer(rw, word, writer, state, &s);
    else if (state != RW_WRITING)
        word = admit_readers(rw, word, state, hold, &s);
    queue_unlock(rw_word(rw), word);
    queue_wake_all(s.first);
    sched_release_run(hold);
    return state != RW_WRITING;
}

void weft_rwmutex_unlock(weft_rwmutex *rw)
{
    uint64_t alone = RW_WRITING;
    if (!(atomic_load_relaxed(rw_state(rw)) & RW_WRITING))
        sched_fatal("sync: Unlock of unlocked RWMutex");
    lock_check_gives(rw, LOCK_SITE);
    bool handed = mutex_release(&rw->writers_);
    while (!atomic_cas_acq_rel(rw_state(rw), &alone, 0) && !open_to_waiting(rw))
        alone = RW_WRITING;
    if (unlikely(handed) && sched_on_goroutine())
        weft_yield(); /* see weft_mutex_unlock_slow() */
}

SANITIZE_OWNER_DATA_END
