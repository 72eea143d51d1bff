/* SPDX-License-Identifier: Apache-2.0
 * func.c - weft_after_func: a timer that starts a goroutine.
 *
 * `ticket` names the timer (timer.c) that was armed last. Resetting arms a new one, swaps it in and cancels what it
 * has taken out; stopping cancels what is there. Each arming is swapped out once at most and cancelled by one only, so
 * of every arming exactly one thing comes: f runs, or one stop or reset says true. A reset takes effect at its
 * swap, a stop at its cancel; that the new one may fire before the swap is as if it had been before the old one's end.
 *
 * References: one of the program's, one a timer that is armed; the timer's goes when it is cancelled, has fired, or
 * the run ends. Cost: 1 allocation; a stop 1 CAS, a reset an arming and 2 more. */
#include <errno.h>
#include <weft/time.h>

#include "alloc/alloc.h"
#include "arch/os.h"
#include "arch/sanitize.h"
#include "runtime/sched/sched.h"
#include "runtime/time/time.h"

#define RETRY_NS 1000000 /* without memory for a goroutine */

struct func_timer {
    struct weft_timer timer;
    _Atomic(uint32_t) refs;
    weft_fn fn;
    void *arg;
    uint64_t run;
    struct atomic_pair ticket; /* timer, generation */
};

SANITIZE_OWNER_DATA_BEGIN

static struct func_timer *func_timer_of(struct weft_timer *timer)
{
    return container_of(timer, struct func_timer, timer);
}

static void unref(struct func_timer *f)
{
    if (atomic_sub_acq_rel(&f->refs, 1) == 1)
        alloc_free(f);
}

static void dropped(void *arg)
{
    unref(arg);
}

static int arm(struct func_timer *f, int64_t deadline, struct timer_ticket *out);

static void fire(void *arg, uint64_t token)
{
    struct func_timer *f = arg;
    struct timer_ticket again;
    (void)token;
    if (sched_go_in_order(f->fn, f->arg)) {
        /* Late is better than never. It counts as started: nobody can stop it any more. */
        if (arm(f, os_now() + RETRY_NS, &again))
            sched_fatal("out of memory: a timer's function can't be started");
    }
    unref(f);
}

/* With a reference of its own. */
static int arm(struct func_timer *f, int64_t deadline, struct timer_ticket *out)
{
    atomic_add_relaxed(&f->refs, 1);
    int rc = timer_arm_owned(out, deadline, fire, dropped, f, 0);
    if (rc)
        atomic_add_relaxed(&f->refs, -1);
    return rc;
}

/* True: it hadn't fired and never will. */
static bool cancel(struct func_timer *f, struct timer_ticket ticket)
{
    if (!timer_cancel(&ticket))
        return false;
    unref(f);
    return true;
}

bool func_timer_stop(struct weft_timer *timer)
{
    struct func_timer *f = func_timer_of(timer);
    struct timer_ticket ticket, now = timer_cell_read(&f->ticket);
    do {
        ticket = now;
        if (cancel(f, ticket))
            return true;
        /* It is a reset that has cancelled it, or it has fired or was stopped. */
        now = timer_cell_read(&f->ticket);
    } while (now.timer != ticket.timer || now.generation != ticket.generation);
    return false;
}

bool func_timer_reset(struct weft_timer *timer, int64_t ns)
{
    struct func_timer *f = func_timer_of(timer);
    struct timer_ticket fresh;
    if (arm(f, time_after(ns), &fresh))
        sched_fatal("out of memory: a timer can't be set");
    return cancel(f, timer_cell_swap(&f->ticket, fresh));
}

uint64_t func_timer_run(struct weft_timer *timer)
{
    return func_timer_of(timer)->run;
}

void func_timer_unref(struct weft_timer *timer)
{
    unref(func_timer_of(timer));
}

/* The run is held. 0 or -errno. */
static int start(struct func_timer **out, int64_t ns, weft_fn fn, void *arg)
{
    struct func_timer *f = alloc_zeroed(_Alignof(struct func_timer), sizeof *f);
    struct timer_ticket ticket;
    if (!f)
        return -ENOMEM;
    f->timer.is_func = true;
    f->fn = fn;
    f->arg = arg;
    f->run = sched_run_number();
    atomic_store_relaxed(&f->refs, 1);
    int rc = arm(f, time_after(ns), &ticket);
    if (rc) {
        alloc_free(f);
        return rc;
    }
    timer_cell_swap(&f->ticket, ticket);
    *out = f;
    return 0;
}

weft_timer *weft_after_func(int64_t ns, weft_fn fn, void *arg)
{
    struct func_timer *f = NULL;
    enum run_hold hold = sched_hold_run();
    int rc = !fn ? -EINVAL : hold == RUN_GONE ? -ESRCH : start(&f, ns, fn, arg);
    sched_release_run(hold);
    if (rc) {
        errno = -rc;
        return NULL;
    }
    return &f->timer;
}

SANITIZE_OWNER_DATA_END
