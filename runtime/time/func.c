/* SPDX-License-Identifier: Apache-2.0
 * func.c - weft_after_func: a timer that starts a goroutine.
 *
 * `ticket` names the timer (timer.c) that was armed last. Resetting arms a new one, swaps it in and cancels what it
 * has taken out; stopping cancels what is there. Each arming is swapped out once at most and cancelled by one only, so
 * of every arming exactly one thing comes: f runs, or one stop or reset says true. A reset takes effect at its
 * swap, a stop at its cancel; that the new one may fire before the swap is as if it had been before the old one's end.
 *
 * A stop reads the two words of a ticket that was never reset without an RMW: `reset` says whether, before the first swap
 * and after the reading [FUNC-1] [FUNC-2].
 *
 * References: one of the program's, one a timer that is armed; the timer's goes when it is cancelled, has fired, or
 * the run ends. Cost beside the arming's and the cancel's: a stop 1 RMW, for the reference; a reset 3. */
#include <errno.h>
#include <weft/time.h>

#include "alloc/slab.h"
#include "arch/os.h"
#include "arch/sanitize.h"
#include "runtime/sched/sched.h"
#include "runtime/time/time.h"

#define RETRY_NS 1000000 /* without memory for a goroutine */

struct func_timer {
    struct depot_node free; /* while it is free */
    struct weft_timer timer;
    _Atomic(uint32_t) refs;
    weft_fn fn;
    void *arg;
    uint64_t run;
    _Atomic(bool) reset;
    struct atomic_pair ticket; /* timer, generation */
};

static struct slab_class func_class = {
    .object_bytes = (sizeof(struct func_timer) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE,
};

SANITIZE_OWNER_DATA_BEGIN

static struct func_timer *func_timer_of(struct weft_timer *timer)
{
    return container_of(timer, struct func_timer, timer);
}

static void free_func(struct func_timer *f)
{
    struct slab_cache *cache = sched_cache(SCHED_CACHE_FUNCS);
    if (likely(cache))
        slab_put(&func_class, cache, f);
}

/* Of one who has the only reference nobody else gets one. */
static void unref(struct func_timer *f)
{
    if (atomic_load_acquire(&f->refs) == 1 || atomic_sub_acq_rel(&f->refs, 1) == 1)
        free_func(f);
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
    if (!sched_go_in_order(f->fn, f->arg))
        unref(f);
    else if (arm(f, os_now() + RETRY_NS,
                 &again)) /* late is better than never; it counts as started */
        sched_fatal("out of memory: a timer's function can't be started");
}

/* The timer takes over one reference. */
static int arm(struct func_timer *f, int64_t deadline, struct timer_ticket *out)
{
    return timer_arm_owned(out, deadline, fire, dropped, f, 0);
}

/* True: it hadn't fired and never will. */
static bool cancel(struct func_timer *f, struct timer_ticket ticket)
{
    if (!timer_cancel(&ticket))
        return false;
    unref(f);
    return true;
}

static struct timer_ticket ticket_of(struct func_timer *f)
{
    uint64_t timer = atomic_load_acquire(&f->ticket.lo);
    uint64_t generation = atomic_load_acquire(&f->ticket.hi);
    if (unlikely(atomic_load_relaxed(&f->reset))) /* [FUNC-2] */
        return timer_cell_read(&f->ticket);
    return (struct timer_ticket){.timer = (struct timer *)(uintptr_t)timer,
                                 .generation = generation};
}

bool func_timer_stop(struct weft_timer *timer)
{
    struct func_timer *f = func_timer_of(timer);
    struct timer_ticket ticket, now = ticket_of(f);
    do {
        ticket = now;
        if (cancel(f, ticket))
            return true;
        /* It is a reset that has cancelled it, or it has fired or was stopped. */
        now = ticket_of(f);
    } while (now.timer != ticket.timer || now.generation != ticket.generation);
    return false;
}

bool func_timer_reset(struct weft_timer *timer, int64_t ns)
{
    struct func_timer *f = func_timer_of(timer);
    struct timer_ticket fresh;
    atomic_add_relaxed(&f->refs, 1);
    if (arm(f, time_after(ns), &fresh))
        sched_fatal("out of memory: a timer can't be set");
    atomic_store_release(&f->reset, true); /* [FUNC-1] seen by who sees a word of the swap */
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
    struct slab_cache *cache = sched_cache(SCHED_CACHE_FUNCS);
    struct func_timer *f = cache ? slab_get(&func_class, cache) : NULL;
    struct timer_ticket ticket;
    if (!f)
        return -ENOMEM;
    f->timer.is_func = true;
    f->fn = fn;
    f->arg = arg;
    f->run = sched_run_number();
    atomic_store_relaxed(&f->refs, 2); /* the program's and the timer's */
    atomic_store_relaxed(&f->reset, false);
    int rc = arm(f, time_after(ns), &ticket);
    if (rc) {
        free_func(f);
        return rc;
    }
    atomic_store_relaxed(&f->ticket.lo, (uintptr_t)ticket.timer); /* nobody else has f yet */
    atomic_store_relaxed(&f->ticket.hi, ticket.generation);
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

__attribute__((constructor)) static void install(void)
{
    sched_set_cache_class(SCHED_CACHE_FUNCS, &func_class);
}

SANITIZE_OWNER_DATA_END
