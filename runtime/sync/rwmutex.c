/* SPDX-License-Identifier: Apache-2.0
 * rwmutex.c - weft_rwmutex: a mutex among the writers, and behind it a gate.
 *
 *   state = WRITING | WAITING | TURNING | BIASED | readers
 *
 * The writer who has the mutex `writers_` comes to the gate; he passes when there is nobody (WRITING), or waits in the
 * queue (queue.h) for the readers that are there. Readers are counted; those who meet a writer, writing
 * or waiting, line up behind him. WAITING says that the queue isn't empty; it changes only while busy.
 *
 *   the last reader leaves, a writer waits      the writer passes
 *   a writer leaves, readers wait               all of them pass, and the next writer waits for them
 *   a writer leaves, only a writer waits        he passes
 *
 * The last reader in front of a waiting writer leaves busy, and a writer lets the next one have the mutex before he
 * opens the gate: the step that lets others pass is the last touch.
 *
 * As long as no two have read at once, bias_ is 0, and readers go from 0 to 1 and back without a look at the state before
 * (weft/sync.h).
 *
 * Readers whose CAS fails because of other readers have the object BIASED: then they are counted in a column of bias.h's
 * table, whose ticket `bias_` keeps, and those without a processor in the state as ever.
 *
 *   nobody but readers --TURNING--> bias_ has a ticket --> BIASED --TURNING--> the column's sum is added to the state --> as before
 *
 * Who turns it is a reader who is counted, or the writer who has the mutex: so while it is TURNING nobody is the last
 * reader of whom a writer waits for, and no step that needs a count of 0 is taken. Readers are counted in the state meanwhile; who leaves
 * may have come by the column, so the count may fall below 0 until the sum is added: TURNING adds a constant to it. A writer turns
 * a BIASED one before he passes or waits. Only who finds no count in his row, and none in the state, must turn it to leave; so it is
 * known, as ever, when there is nobody to leave.
 *
 * When it isn't BIASED and not 0, bias_ says from when on it may be: until as long again after it was turned as the turning took, nine
 * times (the rule of BRAVO). Where one processor runs everything, or the kernel has no membarrier(2), it never is.
 *
 * Cost: rlock, runlock 1 RMW, BIASED 0; lock, unlock 2 each; 2 more for a reader who waits, 2 for a writer who does, 2 for who
 * lets them pass; turning 5 and a heavy fence. Rejected: counting readers down apart from the state, as Go has it (an unlink at
 * the end of a run can't put right two counts that others are changing). */
#include <weft/go.h>
#include <weft/sync.h>

#include "runtime/hooks.h"
#include "runtime/sync/bias.h"
#include "runtime/sync/check.h"
#include "runtime/sync/mutex.h"
#include "runtime/sync/queue.h"

#define RW_READER UINT64_C(1)
#define RW_READERS UINT64_C(0xffffffff)
#define RW_WRITING (UINT64_C(1) << 63)
#define RW_WAITING (UINT64_C(1) << 62)
#define RW_BIASED WEFT_RWMUTEX_BIASED_
#define RW_IS_TURNING (UINT64_C(1) << 60)
#define RW_TURNING (RW_IS_TURNING | RW_BELOW_ZERO)
#define RW_BELOW_ZERO (UINT64_C(1) << 31)
#define RW_CROWD (UINT64_C(1) << 30)       /* so many readers stay as they are counted */
#define RW_READERS_MAX (RW_BELOW_ZERO - 1) /* up to here nothing else is going on */

#define BIAS_PAUSE 9

enum { WAITS_TO_READ, WAITS_TO_WRITE }; /* queue_node.what */

_Static_assert(offsetof(weft_rwmutex, writers_) > 0,
               "two objects, which waiters tell apart by address");
_Static_assert(BIAS_COLUMN == WEFT_RWMUTEX_COLUMN_, "the inline functions know it");

SANITIZE_OWNER_DATA_BEGIN

static _Atomic(uint64_t) *rw_state(weft_rwmutex *rw)
{
    return (_Atomic(uint64_t) *)&rw->state_;
}

static queue_word *rw_word(weft_rwmutex *rw)
{
    return (queue_word *)&rw->queue_;
}

static _Atomic(uint64_t) *rw_bias(weft_rwmutex *rw)
{
    return (_Atomic(uint64_t) *)&rw->bias_;
}

/* ---- the bias ---- */

/* It is TURNING since begin, and not BIASED then. sum: of its column, which it has no more. */
static void end_turning(weft_rwmutex *rw, uint64_t sum, int64_t begin)
{
    int64_t end = os_now();
    atomic_store_relaxed(rw_bias(rw), bias_time(end + BIAS_PAUSE * (end - begin)));
    uint64_t state = atomic_add_acq_rel(rw_state(rw), sum * RW_READER - RW_TURNING);
    if ((state & RW_READERS) + sum < RW_BELOW_ZERO)
        sched_fatal("sync: RUnlock of unlocked RWMutex");
}

/* From BIASED, if it still is, by a reader who is counted or the writer who has the mutex. */
static __attribute__((noinline)) void turn_off(weft_rwmutex *rw)
{
    uint64_t state = atomic_load_relaxed(rw_state(rw));
    do {
        if (!(state & RW_BIASED))
            return;
    } while (!atomic_cas_acq_rel(rw_state(rw), &state, state - RW_BIASED + RW_TURNING));
    int64_t begin = os_now();
    uint64_t sum = bias_give_back(atomic_load_relaxed(rw_bias(rw)));
    end_turning(rw, sum, begin);
}

/* The caller reads, and has met other readers. */
static __attribute__((noinline)) void turn_on(weft_rwmutex *rw, bool at_once)
{
    uint64_t state = atomic_load_relaxed(rw_state(rw));
    int64_t begin = os_now();
    bool may = at_once || begin >= (int64_t)atomic_load_relaxed(rw_bias(rw));
    os_fence_prepare();
    if (!may || !atomic_load_relaxed(&os_fence_is_asymmetric) || state >= RW_CROWD ||
        !atomic_cas_acq_rel(rw_state(rw), &state, state + RW_TURNING))
        return;
    uint64_t ticket = bias_take();
    if (ticket)
        atomic_store_relaxed(rw_bias(rw), ticket);
    state = atomic_load_relaxed(rw_state(rw));
    while (ticket && !(state & RW_WAITING))
        if (atomic_cas_acq_rel(rw_state(rw), &state, state - RW_TURNING + RW_BIASED))
            return;
    /* A writer has come meanwhile. Who read it BIASED before may be counted in the column of now. */
    end_turning(rw, ticket ? bias_give_back(ticket) : 0, begin);
}

/* From now on readers look whether they are alone. */
static void note_company(weft_rwmutex *rw)
{
    uint64_t alone = 0;
    if (!atomic_load_relaxed(rw_bias(rw)))
        atomic_cas_acq_rel(rw_bias(rw), &alone, bias_time(0));
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
    enum run_hold hold = sched_hold_run();
    struct queue_node *writer = waiting_writer(word, RUN_OURS);
    bool writer_died = writer && waiter_is_dead(writer->w);
    word = queue_remove_dead(word);
    uint64_t state = atomic_load_acquire(rw_state(rw));
    if (!(state & RW_WRITING) && waiting_writer(word, hold))
        word = after_reader(rw, word, hold, &s);
    else if ((state & RW_WAITING) && !(state & RW_WRITING))
        word = admit_readers(rw, word, state, hold, &s);
    else if ((state & RW_WAITING) && !queue_first(word))
        atomic_sub_acq_rel(rw_state(rw), RW_WAITING);
    queue_unlock(rw_word(rw), word);
    queue_wake_all(s.first);
    sched_release_run(hold);
    if (writer_died)
        mutex_release(&rw->writers_);
}

/* ---- readers ---- */

/* Line up behind a writer. False: there is none any more, and the caller is counted. */
static bool line_up_to_read(weft_rwmutex *rw, struct queue_node *node)
{
    uint64_t word = queue_lock(rw_word(rw)), state = atomic_load_relaxed(rw_state(rw)), to;
    bool waits;
    do {
        waits = state & (RW_WRITING | RW_WAITING);
        to = waits ? state | RW_WAITING : state + RW_READER;
    } while (!atomic_cas_acq_rel(rw_state(rw), &state, to));
    queue_unlock(rw_word(rw), waits ? queue_append(word, node) : word);
    return waits;
}

static void read_behind_writer(weft_rwmutex *rw)
{
    struct queue_node node;
    struct waiter *w = queue_stand(&node, rw, rw_unlink_dead);
    node.what = WAITS_TO_READ;
    if (line_up_to_read(rw, &node))
        waiter_wait(w, WAIT_RWMUTEX_RLOCK);
}

/* Whether others who read at the same time may run on other processors. */
static bool has_company(void)
{
    struct sched_p *p = sched_p_here();
    return p && atomic_load_relaxed(&p->mode) != P_SOLO;
}

/* Count a reader in the state, unless there is a writer. */
static bool read_counted(weft_rwmutex *rw)
{
    uint64_t state = atomic_load_relaxed(rw_state(rw));
    bool raced = false; /* with other readers */
    while (!(state & (RW_WRITING | RW_WAITING))) {
        if (!atomic_cas_acq_rel(rw_state(rw), &state, state + RW_READER)) {
            raced |= state <= RW_READERS_MAX;
            continue;
        }
        if (state > 0 || raced)
            note_company(rw);
        if ((state & RW_BIASED) && bias_is_lost(atomic_load_relaxed(rw_bias(rw))))
            turn_off(rw);
        else if (raced && state <= RW_READERS_MAX && has_company())
            turn_on(rw, false);
        return true;
    }
    return false;
}

static __attribute__((noinline)) void read_unbiased(weft_rwmutex *rw)
{
    if (!read_counted(rw))
        read_behind_writer(rw);
}

bool weft_priv_rwmutex_bias(weft_rwmutex *rw)
{
    turn_on(rw, true);
    return atomic_load_relaxed(rw_state(rw)) & RW_BIASED;
}

void weft_rwmutex_rlock_slow(weft_rwmutex *rw)
{
    sched_checkpoint();
    if (likely(!weft_rwmutex_count_(rw, false)))
        read_unbiased(rw);
}

bool weft_rwmutex_try_rlock(weft_rwmutex *rw)
{
    sched_checkpoint();
    bool counted = weft_rwmutex_count_(rw, false);
    uint64_t state = atomic_load_relaxed(rw_state(rw));
    while (!counted && !(state & (RW_WRITING | RW_WAITING)))
        if ((counted = atomic_cas_acq_rel(rw_state(rw), &state, state + RW_READER)) && state > 0)
            note_company(rw);
    return counted;
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

static __attribute__((noinline)) void leave_counted(weft_rwmutex *rw)
{
    bool left = false;
    while (!left) {
        uint64_t state = atomic_load_relaxed(rw_state(rw));
        bool none = !(state & RW_IS_TURNING) && (state & RW_READERS) == 0;
        bool last = (state & ~RW_READER) == RW_WAITING;
        if (none && !(state & RW_BIASED))
            sched_fatal("sync: RUnlock of unlocked RWMutex");
        if (none)
            turn_off(rw); /* counted in another row */
        else
            left = last ? leave_to_writer(rw)
                        : atomic_cas_acq_rel(rw_state(rw), &state, state - RW_READER);
    }
}

void weft_rwmutex_runlock_slow(weft_rwmutex *rw)
{
    if (likely(!weft_rwmutex_count_(rw, true)))
        leave_counted(rw);
}

/* ---- writers ---- */

/* By who has the mutex: pass, or line up. False: it is BIASED. *waits: he has lined up. */
static bool come_to_gate(weft_rwmutex *rw, struct queue_node *node, bool *waits)
{
    uint64_t word = queue_lock(rw_word(rw)), state = atomic_load_relaxed(rw_state(rw)), to;
    do {
        to = state ? state | RW_WAITING : RW_WRITING;
    } while (!(state & RW_BIASED) && !atomic_cas_acq_rel(rw_state(rw), &state, to));
    *waits = state && !(state & RW_BIASED);
    queue_unlock(rw_word(rw), *waits ? queue_append(word, node) : word);
    return !(state & RW_BIASED);
}

/* The caller has the mutex, and the gate isn't free. */
static void wait_to_write(weft_rwmutex *rw)
{
    struct queue_node node;
    bool waits;
    /* An orphan goes no further than the line after this. */
    if (unlikely(sched_is_orphan()))
        mutex_release(&rw->writers_);
    struct waiter *w = queue_stand(&node, rw, rw_unlink_dead);
    node.what = WAITS_TO_WRITE;
    while (!come_to_gate(rw, &node, &waits))
        turn_off(rw);
    if (waits)
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
    if ((atomic_load_relaxed(rw_state(rw)) & ~RW_BIASED) || !mutex_try_acquire(&rw->writers_))
        return false;
    turn_off(rw);
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
