/* SPDX-License-Identifier: Apache-2.0
 * sem.c - weft_sem.
 *
 *   state = units that are out << 1 | WAITING
 *
 * While nobody waits acquire and release are a CAS of the state. WAITING says that the queue (queue.h) isn't empty; it
 * changes only while busy, and as long as it is set the state is changed only by who is busy. So a release
 * gives the units straight to those whose turn it is, first come first served, and a newcomer never gets in
 * between.
 *
 * What is left of a release's units when nobody waits any more is given back by a CAS after the word: the step that lets
 * others acquire is the last touch. Those who were served are woken after that.
 *
 * One whose wait may be ended by others (sync.h) is served by a claim of its waiter. If that fails it is passed over; who was
 * ended takes himself out and serves those whom he kept waiting.
 *
 * Cost: 1 RMW for an acquire or a release; 2 for an acquire that waits first, 1 for one that waits behind others, 1
 * for a release that serves them. */
#include "runtime/sync/sync.h"

#include <weft/defer.h>

#define SEM_WAITING UINT64_C(1)

SANITIZE_OWNER_DATA_BEGIN

static _Atomic(uint64_t) *sem_state(weft_sem *s)
{
    return (_Atomic(uint64_t) *)&s->state_;
}

static queue_word *sem_word(weft_sem *s)
{
    return (queue_word *)&s->queue_;
}

static inline bool fits(const weft_sem *s, uint64_t state, int64_t n)
{
    return n <= s->size_ - (int64_t)(state >> 1);
}

static void check(const weft_sem *s, int64_t n)
{
    if (s->size_ < 0)
        weft_panic("semaphore: size < 0");
    if (n < 0)
        weft_panic("semaphore: n < 0");
}

/* Whether it gets its units; else it has been ended. */
static bool is_served(struct queue_node *node)
{
    struct waiter *w = node->w;
    if (likely(!w->cancellable))
        return true;
    uint64_t word = atomic_load_acquire(&w->word);
    return (word & 1) && waiter_claim(w, word);
}

/* An acquire that may be ended has more to undo than its place in the queue, if the run ends before it goes on. */
static void string_served(struct queue_string *served, struct queue_node *node)
{
    struct waiter *w = node->w;
    void (*unlink)(void *object) = w->unlink;
    queue_string(served, node);
    if (unlikely(w->cancellable)) {
        container_of(node, struct sem_wait, node)->granted = true;
        w->unlink = unlink;
    }
}

/* Busy, with WAITING set in `state`, which the caller has changed: serve those whose turn it is. The new word. When nobody
 * waits any more, of the `given` units those that are left stay out, for the caller to give back. */
static uint64_t serve_waiting(weft_sem *s, uint64_t state, uint64_t word, enum run_hold hold,
                              int64_t *given, struct queue_string *served)
{
    struct queue_node *node = queue_first(word), *next;
    for (struct queue_node *last = node ? node->prev : NULL; node; node = next) {
        next = node == last ? NULL : node->next;
        if (!queue_can_wake(node, hold))
            continue;
        if (!fits(s, state, node->what))
            break;
        word = queue_remove(word, node);
        if (!is_served(node))
            continue;
        state += (uint64_t)node->what << 1;
        string_served(served, node);
    }
    int64_t left = s->size_ - (int64_t)(state >> 1);
    *given = queue_first(word) ? 0 : *given < left ? *given : left;
    if (!queue_first(word))
        state = (state + ((uint64_t)*given << 1)) & ~SEM_WAITING;
    atomic_store_release(sem_state(s), state);
    return word;
}

/* Busy: somebody has been taken out whose turn it wasn't. Ends that. */
static void go_on_without(weft_sem *s, uint64_t word, enum run_hold hold)
{
    struct queue_string served = {0};
    int64_t given = 0;
    uint64_t state = atomic_load_acquire(sem_state(s));
    if (state & SEM_WAITING)
        word = serve_waiting(s, state, word, hold, &given, &served);
    queue_unlock(sem_word(s), word);
    queue_wake_all(served.first);
}

static void sem_unlink_dead(void *sem)
{
    weft_sem *s = sem;
    uint64_t word = queue_lock(sem_word(s));
    enum run_hold hold = sched_hold_run();
    go_on_without(s, queue_remove_dead(word), hold);
    sched_release_run(hold);
}

/* ---- acquire ---- */

static _Noreturn void wait_for_ever(void)
{
    struct waiter *w = waiter_self();
    w->unlink = NULL;
    for (;;)
        waiter_wait(w, WAIT_SEM);
}

/* Busy: take n units (true), or see to it that WAITING is set. */
static bool take_or_wait(weft_sem *s, int64_t n)
{
    uint64_t state = atomic_load_acquire(sem_state(s));
    while (!(state & SEM_WAITING)) {
        bool takes = fits(s, state, n);
        if (atomic_cas_acq_rel(sem_state(s), &state,
                               takes ? state + ((uint64_t)n << 1) : state | SEM_WAITING))
            return takes;
    }
    return false;
}

static void sem_acquire_waiting(weft_sem *s, int64_t n)
{
    struct queue_node node;
    struct waiter *w = queue_stand(&node, s, sem_unlink_dead);
    node.what = n;
    uint64_t word = queue_lock(sem_word(s));
    if (take_or_wait(s, n)) {
        queue_unlock(sem_word(s), word);
        return;
    }
    queue_unlock(sem_word(s), queue_append(word, &node));
    waiter_wait(w, WAIT_SEM);
}

void weft_sem_acquire_slow(weft_sem *s, int64_t n)
{
    if (weft_sem_try_acquire_slow(s, n)) /* gives way first */
        return;
    if (n > s->size_)
        wait_for_ever();
    sem_acquire_waiting(s, n);
}

bool weft_sem_try_acquire_slow(weft_sem *s, int64_t n)
{
    sched_checkpoint();
    check(s, n);
    uint64_t state = atomic_load_relaxed(sem_state(s));
    while (!(state & SEM_WAITING) && fits(s, state, n))
        if (atomic_cas_acq_rel(sem_state(s), &state, state + ((uint64_t)n << 1)))
            return true;
    return false;
}

/* ---- an acquire that may be ended ---- */

bool sem_wait_begin(struct sem_wait *wait, weft_sem *s, int64_t n, void *object,
                    void (*unlink)(void *object))
{
    struct waiter *w = queue_stand(&wait->node, object, unlink);
    wait->sem = s;
    wait->granted = false;
    wait->node.what = n;
    wait->token = waiter_arm(w);
    w->cancellable = true;
    if (n > s->size_)
        return false;
    uint64_t word = queue_lock(sem_word(s));
    bool takes = take_or_wait(s, n);
    queue_unlock(sem_word(s), takes ? word : queue_append(word, &wait->node));
    if (takes)
        waiter_disarm(w, wait->token);
    return takes;
}

void sem_wait_unlink_dead(struct sem_wait *wait)
{
    if (!wait->granted && sched_outlives_run(wait->sem) && wait->node.what <= wait->sem->size_)
        sem_unlink_dead(wait->sem);
}

void sem_wait_leave(struct sem_wait *wait)
{
    weft_sem *s = wait->sem;
    if (wait->node.what > s->size_)
        return;
    enum run_hold hold = sched_hold_run();
    uint64_t word = queue_lock(sem_word(s));
    if (wait->node.next)
        word = queue_remove(word, &wait->node);
    go_on_without(s, word, hold);
    sched_release_run(hold);
}

void sem_wait_end(struct sem_wait *wait)
{
    wait->node.w->cancellable = false;
}

/* ---- release ---- */

static _Noreturn __attribute__((noinline, cold)) void panic_released(void)
{
    weft_panic("semaphore: released more than held");
}

enum given { GIVEN, SOMEBODY_WAITS, TOO_MANY };

/* While nobody waits. */
static enum given give_back(weft_sem *s, int64_t n)
{
    uint64_t state = atomic_load_relaxed(sem_state(s));
    do {
        if ((uint64_t)n > state >> 1)
            return TOO_MANY;
        if (state & SEM_WAITING)
            return SOMEBODY_WAITS;
    } while (!atomic_cas_acq_rel(sem_state(s), &state, state - ((uint64_t)n << 1)));
    return GIVEN;
}

/* Give n units to those who wait, who aren't woken yet. How many are to be given back still: all n if they are too many, or
 * nobody waits any more. */
static int64_t give_to_waiting(weft_sem *s, int64_t n, enum run_hold *hold,
                               struct queue_string *served)
{
    uint64_t word = queue_lock(sem_word(s));
    if (*hold == RUN_UNASKED)
        *hold = sched_hold_run();
    uint64_t state = atomic_load_acquire(sem_state(s));
    if ((state & SEM_WAITING) && (uint64_t)n <= state >> 1)
        word = serve_waiting(s, state - ((uint64_t)n << 1), word, *hold, &n, served);
    queue_unlock(sem_word(s), word);
    return n;
}

void weft_sem_release_slow(weft_sem *s, int64_t n)
{
    struct queue_string served = {0};
    enum run_hold hold = RUN_UNASKED;
    enum given given;
    check(s, n);
    while ((given = give_back(s, n)) == SOMEBODY_WAITS &&
           (n = give_to_waiting(s, n, &hold, &served)) != 0)
        continue;
    queue_wake_all(served.first);
    sched_release_run(hold);
    if (unlikely(given ==
                 TOO_MANY)) /* others may be served already: a tried panic forgets nobody */
        panic_released();
}

SANITIZE_OWNER_DATA_END
