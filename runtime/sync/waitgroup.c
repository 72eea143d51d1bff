/* SPDX-License-Identifier: Apache-2.0
 * waitgroup.c - weft_waitgroup.
 *
 * state = count << 32 | name of the newest waiter; the others hang from it by their `next`.
 *
 * One word, so one RMW does it all: a wait that must park pushes its waiter with a CAS that fails when
 * the count has become zero, and the done that brings the count to zero takes the whole list with that same
 * CAS, which is its last touch of the object. So no wake-up is lost, and the object may go as soon as a
 * wait has returned.
 *
 * A wait with a deadline uses a waiter of its own, which the timer and the last done both try to claim.
 * When the timer wins the waiter stays in the list, dead. The one who timed out sweeps: takes the list by a
 * CAS while the count isn't zero, drops the dead and pushes the others back, or wakes them if the
 * count is zero by then, as no done has seen them. Finding the count zero or the list in other hands,
 * it leaves the waiter to them: it has two holders, the list and the one who waited.
 *
 * Who takes the list holds the run before (sched_hold_run) until he has woken or put back all of it. When it is gone the
 * goroutines in it never run again, and its end may be taking them away: they are passed over.
 *
 * Cost: add and done 1 RMW; a wait that parks 1. Rejected: count and flag in one word and the list in
 * another (the last done must touch the list after the count is zero, when somebody who timed out
 * before may have seen the zero and freed the object). */
#include <errno.h>
#include <weft/defer.h>
#include <weft/go.h>
#include <weft/sync.h>
#include <weft/time.h>

#include "arch/os.h"
#include "runtime/sched/sched.h"
#include "runtime/time/time.h"

enum { RESULT_ZERO, RESULT_TIMEOUT }; /* waiter.result */

SANITIZE_OWNER_DATA_BEGIN

static _Atomic(uint64_t) *state_of(weft_waitgroup *wg)
{
    return (_Atomic(uint64_t) *)&wg->state_;
}

static inline int32_t count_of(uint64_t state)
{
    return (int32_t)(state >> 32);
}

static inline uint64_t pack(int32_t count, const struct waiter *newest)
{
    return (uint64_t)(uint32_t)count << 32 | waiter_name(newest);
}

static inline struct waiter *newest_of(uint64_t state)
{
    return waiter_by_name((uint32_t)state);
}

/* Whether a waiter taken off the list is ours to wake; a dead one is dropped. */
static inline bool taken(struct waiter *w, enum run_hold hold)
{
    if (unlikely(w->g && hold == RUN_GONE)) {
        waiter_drop(w); /* its run's end may be at it, too */
        return false;
    }
    if (!w->cancellable)
        return true;
    uint64_t word = atomic_load_acquire(&w->word);
    if ((word & 1) && waiter_claim(w, word))
        return true;
    waiter_drop(w);
    return false;
}

/* Wake all of a list that was taken. Several go to the tail, the last to come first: a WaitGroup promises no
 * order, and turning a list of a million round costs a pass over all of it. */
static __attribute__((noinline)) void serve_many(struct waiter *w, enum run_hold hold)
{
    while (w) {
        struct waiter *next = w->next; /* w is its owner's once it is woken */
        if (taken(w, hold)) {
            w->result = RESULT_ZERO;
            w->unlink = NULL; /* it is in no list, and the object may be gone */
            waiter_wake_in_order(w);
        }
        w = next;
    }
}

static inline void serve(struct waiter *w, enum run_hold hold)
{
    if (w->next) {
        serve_many(w, hold);
    } else if (taken(w, hold)) {
        w->result = RESULT_ZERO;
        w->unlink = NULL;
        waiter_wake(w);
    }
}

/* Negative if the count would be, or, as in Go, is too large. */
static inline uint64_t after_adding(uint64_t state, int delta)
{
    uint64_t after = state + ((uint64_t)(uint32_t)delta << 32);
    return count_of(after) == 0 ? 0 : after;
}

static inline bool is_last(uint64_t state, uint64_t after)
{
    return after == 0 && (uint32_t)state;
}

static _Noreturn __attribute__((noinline, cold)) void panic_negative(void)
{
    weft_panic("sync: negative WaitGroup counter");
}

/* The run is held before the list is taken, until all are woken. */
static __attribute__((noinline)) void add_without_p(weft_waitgroup *wg, int delta)
{
    enum run_hold hold = sched_hold_run();
    uint64_t state = atomic_load_relaxed(state_of(wg)), after;
    do {
        after = after_adding(state, delta);
        if (unlikely((int64_t)after < 0)) {
            sched_release_run(hold);
            panic_negative();
        }
    } while (!atomic_cas_acq_rel(state_of(wg), &state, after));
    if (is_last(state, after))
        serve(newest_of(state), hold);
    sched_release_run(hold);
}

static inline __attribute__((always_inline)) void add(weft_waitgroup *wg, int delta)
{
    uint64_t state = atomic_load_relaxed(state_of(wg)), after;
    do {
        after = after_adding(state, delta);
        if (unlikely((int64_t)after < 0))
            panic_negative();
        if (is_last(state, after) && unlikely(!sched_p_here())) {
            add_without_p(wg, delta);
            return;
        }
    } while (!atomic_cas_acq_rel(state_of(wg), &state, after));
    if (is_last(state, after))
        serve(newest_of(state), RUN_OURS);
}

/* Apart, so that the usual way saves no registers for the call. */
static __attribute__((noinline)) void give_way_and_add(weft_waitgroup *wg, int delta)
{
    sched_give_way();
    add(wg, delta);
}

/* Nobody only raises a count without end. */
void weft_waitgroup_add(weft_waitgroup *wg, int delta)
{
    if (delta <= 0 && sched_is_asked())
        give_way_and_add(wg, delta);
    else
        add(wg, delta);
}

void weft_waitgroup_done(weft_waitgroup *wg)
{
    if (sched_is_asked())
        give_way_and_add(wg, -1);
    else
        add(wg, -1);
}

/* Push a chain of waiters. False: the count is zero, and the chain still the caller's. */
static bool push(weft_waitgroup *wg, struct waiter *first, struct waiter *last)
{
    uint64_t state = atomic_load_acquire(state_of(wg));
    do {
        if (count_of(state) == 0) {
            last->next = NULL; /* not what a failed CAS left there, which the last done has taken */
            return false;
        }
        last->next = newest_of(state);
    } while (!atomic_cas_acq_rel(state_of(wg), &state, pack(count_of(state), first)));
    return true;
}

/* Take the dead out of the list. */
static void sweep_held(weft_waitgroup *wg, enum run_hold hold)
{
    uint64_t state = atomic_load_acquire(state_of(wg));
    do {
        if (count_of(state) == 0 || !(uint32_t)state)
            return;
    } while (!atomic_cas_acq_rel(state_of(wg), &state, pack(count_of(state), NULL)));
    struct waiter *w = newest_of(state), *first = NULL, *last = NULL;
    while (w) {
        struct waiter *next = w->next;
        if ((w->g && hold == RUN_GONE) || waiter_is_dead(w)) {
            waiter_drop(w);
        } else if (last) {
            last = last->next = w;
        } else {
            first = last = w;
        }
        w = next;
    }
    if (!first)
        return;
    last->next = NULL;
    if (!push(wg, first, last))
        serve(first, hold);
}

/* Those who live are in no list for a moment: the run is held. */
static void sweep(void *object)
{
    enum run_hold hold = sched_hold_run();
    sweep_held(object, hold);
    sched_release_run(hold);
}

static void publish_as(struct waiter *w, weft_waitgroup *wg)
{
    w->object = wg;
    w->unlink = sweep;
}

void weft_waitgroup_wait(weft_waitgroup *wg)
{
    if (count_of(atomic_load_acquire(state_of(wg))) == 0) {
        sched_checkpoint();
        return;
    }
    struct waiter *w = waiter_self();
    publish_as(w, wg);
    if (push(wg, w, w))
        waiter_wait(w, WAIT_WAITGROUP);
}

static void timed_out(void *waiter, uint64_t token)
{
    struct waiter *w = waiter;
    if (!waiter_claim(w, token))
        return;
    w->result = RESULT_TIMEOUT;
    waiter_wake_in_order(w);
}

/* Park w, claimed by the last done or by the deadline. */
static void wait_timed(struct waiter *w, uint64_t token, int64_t deadline)
{
    if (w->g) {
        waiter_wait(w, WAIT_WAITGROUP);
        return;
    }
    if (waiter_wait_foreign_until(w, deadline))
        return;
    if (waiter_claim(w, token))
        w->result = RESULT_TIMEOUT;
    else
        waiter_wait(w, WAIT_WAITGROUP); /* claimed: the wake is on its way */
}

int weft_waitgroup_wait_until(weft_waitgroup *wg, int64_t deadline)
{
    sched_checkpoint();
    if (count_of(atomic_load_acquire(state_of(wg))) == 0)
        return 0;
    if (deadline <= os_now()) {
        weft_yield(); /* who polls in a loop gives way all the same */
        return count_of(atomic_load_acquire(state_of(wg))) == 0 ? 0 : -ETIMEDOUT;
    }
    struct waiter *w = waiter_get();
    if (!w)
        return -ENOMEM;
    publish_as(w, wg);
    uint64_t token = waiter_arm(w);
    struct timer_ticket ticket = {0};
    bool timed = w->g && deadline != WEFT_FOREVER;
    if (timed && timer_arm(&ticket, deadline, timed_out, w, token)) {
        waiter_put(w);
        return -ENOMEM;
    }
    if (push(wg, w, w)) {
        wait_timed(w, token, deadline);
    } else if (!waiter_claim(w, token)) {
        waiter_wait(w, WAIT_WAITGROUP); /* the timer was faster: let its wake-up come */
        w->result = RESULT_ZERO;
    }
    if (w->result == RESULT_TIMEOUT) {
        sweep(wg);
        waiter_drop(w);
        return -ETIMEDOUT;
    }
    if (timed)
        timer_cancel(&ticket);
    waiter_put(w);
    return 0;
}

SANITIZE_OWNER_DATA_END

struct task {
    weft_waitgroup *wg;
    weft_fn fn;
    void *arg;
};

static void task_done(void *wg)
{
    weft_waitgroup_done(wg);
}

static void task_run(void *arg)
{
    struct task *task = arg;
    WEFT_DEFER(task_done, task->wg);
    WEFT_DEFER(sched_untried,
               NULL); /* or who waits could go on before a panic has ended the process */
    task->fn(task->arg);
}

int weft_waitgroup_go(weft_waitgroup *wg, weft_fn fn, void *arg)
{
    if (!fn)
        return -EINVAL;
    weft_waitgroup_add(wg, 1);
    int rc = WEFT_GO(task_run, struct task, wg, fn, arg);
    if (rc)
        weft_waitgroup_add(wg, -1);
    return rc;
}
