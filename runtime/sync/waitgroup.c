/* SPDX-License-Identifier: Apache-2.0
 * waitgroup.c - weft_waitgroup.
 *
 * state = count << 1 | WAITED.   waiters = stack of waiters, newest first.
 *
 * wait   pushes its waiter, then sets WAITED by a CAS that fails when the count has become zero; in
 *        that case it serves the stack itself, as the last done would have.
 * done   the RMW that brings the count to zero sees WAITED or not. Not: that was its last touch of the
 *        object. WAITED: it clears the flag, takes the whole stack and wakes all in it; as their
 *        waits haven't returned the object is still there until the first wake, and isn't touched
 *        after the stack was taken.
 * No wake-up is lost: the flag and the count are one word, so either the last done sees the flag of a
 * waiter that is on the stack already, or that waiter sees the zero.
 *
 * A wait with a deadline uses a waiter of its own, which the timer and the last done both try to claim.
 * When the timer wins the waiter stays on the stack, dead, until somebody takes the stack: the
 * goroutine that timed out does so at once, drops the dead ones, pushes the others back, and looks at the
 * count again, since a last done may have found the stack empty meanwhile.
 *
 * Cost: add and done 1 RMW; a wait that parks 2; the last done with waiters 2 more. */
#include <errno.h>
#include <weft/defer.h>
#include <weft/go.h>
#include <weft/sync.h>
#include <weft/time.h>

#include "arch/os.h"
#include "runtime/sched/sched.h"
#include "runtime/time/time.h"

#define WAITED UINT64_C(1)
#define COUNT_ONE UINT64_C(2)

/* waiter.kind on our stack */
enum { KIND_PLAIN, KIND_TIMED };
/* waiter.result */
enum { RESULT_ZERO, RESULT_TIMEOUT };

SANITIZE_OWNER_DATA_BEGIN

static _Atomic(uint64_t) *state_of(weft_waitgroup *wg)
{
    return (_Atomic(uint64_t) *)&wg->state_;
}

static _Atomic(struct waiter *) *waiters_of(weft_waitgroup *wg)
{
    return (_Atomic(struct waiter *) *)&wg->waiters_;
}

static inline int64_t count_of(uint64_t state)
{
    return (int64_t)state >> 1;
}

static void push_chain(weft_waitgroup *wg, struct waiter *first, struct waiter *last)
{
    last->next = atomic_load_relaxed(waiters_of(wg));
    while (!atomic_cas_acq_rel(waiters_of(wg), &last->next, first))
        ;
}

static bool is_dead(struct waiter *w)
{
    return w->kind == KIND_TIMED && !(atomic_load_acquire(&w->word) & 1);
}

/* Whether a waiter taken off the stack is ours to wake; a dead one is dropped. */
static bool taken(struct waiter *w)
{
    if (w->kind == KIND_PLAIN)
        return true;
    uint64_t word = atomic_load_acquire(&w->word);
    if ((word & 1) && waiter_claim(w, word))
        return true;
    waiter_drop(w);
    return false;
}

/* The count is zero: wake all on the stack in the order of their arrival. True: self was among them,
 * and need not park. */
static bool serve(weft_waitgroup *wg, struct waiter *self)
{
    struct waiter *w = atomic_swap_acq_rel(waiters_of(wg), NULL), *oldest = NULL;
    if (likely(w && !w->next && w != self)) {
        if (taken(w)) {
            w->result = RESULT_ZERO;
            waiter_wake(w);
        }
        return false;
    }
    bool found = false;
    while (w) {
        struct waiter *next = w->next;
        w->next = oldest;
        oldest = w;
        w = next;
    }
    while (oldest) {
        struct waiter *each = oldest;
        oldest = each->next;
        if (!taken(each))
            continue;
        each->result = RESULT_ZERO;
        if (each == self)
            found = true;
        else
            waiter_wake_in_order(each);
    }
    return found;
}

void weft_waitgroup_add(weft_waitgroup *wg, int delta)
{
    uint64_t last_with_waiters = COUNT_ONE | WAITED;
    if (delta == -1 && atomic_load_relaxed(state_of(wg)) == last_with_waiters &&
        atomic_cas_acq_rel(state_of(wg), &last_with_waiters, 0)) {
        serve(wg, NULL);
        return;
    }
    uint64_t change = (uint64_t)(int64_t)delta * COUNT_ONE;
    uint64_t state = atomic_add_acq_rel(state_of(wg), change) + change;
    if (unlikely(count_of(state) < 0))
        weft_panic("sync: negative WaitGroup counter");
    if (unlikely(state == WAITED)) {
        atomic_and_acq_rel(state_of(wg), ~WAITED);
        serve(wg, NULL);
    }
}

void weft_waitgroup_done(weft_waitgroup *wg)
{
    weft_waitgroup_add(wg, -1);
}

/* After w was pushed. True: park, somebody will wake w. False: the count is zero, don't. */
static bool must_park(weft_waitgroup *wg, struct waiter *w)
{
    uint64_t state = atomic_load_acquire(state_of(wg));
    while (count_of(state) != 0)
        if ((state & WAITED) || atomic_cas_acq_rel(state_of(wg), &state, state | WAITED))
            return true;
    return !serve(wg, w);
}

void weft_waitgroup_wait(weft_waitgroup *wg)
{
    if (count_of(atomic_load_acquire(state_of(wg))) == 0)
        return;
    struct waiter *w = waiter_self();
    if (unlikely(!w))
        sched_fatal("out of memory: a foreign thread can't wait");
    w->kind = KIND_PLAIN;
    push_chain(wg, w, w);
    if (must_park(wg, w))
        waiter_wait(w, WAIT_WAITGROUP);
}

/* Take our dead waiter, and any other, out of the stack. */
static void sweep(weft_waitgroup *wg)
{
    struct waiter *w = atomic_swap_acq_rel(waiters_of(wg), NULL), *first = NULL, *last = NULL;
    while (w) {
        struct waiter *next = w->next;
        if (is_dead(w)) {
            waiter_drop(w);
        } else {
            if (last)
                last->next = w;
            else
                first = w;
            last = w;
        }
        w = next;
    }
    if (!first)
        return;
    push_chain(wg, first, last);
    must_park(wg, NULL); /* sets WAITED again, or serves them if the count is zero now */
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
    if (count_of(atomic_load_acquire(state_of(wg))) == 0)
        return 0;
    if (deadline <= os_now())
        return -ETIMEDOUT;
    struct waiter *w = waiter_get();
    if (!w)
        return -ENOMEM;
    w->kind = KIND_TIMED;
    uint64_t token = waiter_arm(w);
    struct timer_ticket ticket = {0};
    bool timed = w->g && deadline != WEFT_FOREVER;
    if (timed && timer_arm(&ticket, deadline, timed_out, w, token)) {
        waiter_put(w);
        return -ENOMEM;
    }
    push_chain(wg, w, w);
    if (must_park(wg, w))
        wait_timed(w, token, deadline);
    if (w->result == RESULT_TIMEOUT) {
        sweep(wg);
        waiter_drop(w); /* the stack, which holds it too, may be in another sweeper's hands */
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
