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
 * the run ends. That of the first timer, if a stop cancels it, goes with the program's: the stop is over before that
 * one goes, so `stopped_first` needs no RMW.
 *
 * Cost beside the arming's and the cancel's: a stop 0 RMWs, after a reset 1; a reset 3. */
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
    _Atomic(bool) stopped_first; /* the reference of the first timer is the program's, too */
    struct atomic_pair ticket;   /* timer, generation */
};

static struct slab_class func_class = {
    .object_bytes = (sizeof(struct func_timer) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE,
};

SANITIZE_OWNER_DATA_BEGIN

static struct func_timer *func_timer_of(struct weft_timer *timer)
{
    return container_of(timer, struct func_timer, timer);
}

static inline void free_func(struct func_timer *f)
{
    struct slab_cache *cache = sched_cache_at(sched_p_here(), SCHED_CACHE_FUNCS);
    if (likely(cache))
        slab_put(&func_class, cache, f);
}

/* Of one who has the only reference nobody else gets one. */
static inline void drop(struct func_timer *f, uint32_t refs)
{
    if (atomic_load_acquire(&f->refs) == refs || atomic_sub_acq_rel(&f->refs, refs) == refs)
        free_func(f);
}

static void unref(struct func_timer *f)
{
    drop(f, 1);
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

/* Of one that was reset. */
static __attribute__((noinline)) bool stop_again(struct func_timer *f)
{
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

static inline bool stop(struct sched_p *p, struct func_timer *f)
{
    uint64_t timer = atomic_load_acquire(&f->ticket.lo);
    uint64_t generation = atomic_load_acquire(&f->ticket.hi);
    if (unlikely(atomic_load_relaxed(&f->reset))) /* [FUNC-2] */
        return stop_again(f);
    if (likely(timer_cancel_at(p, (struct timer *)(uintptr_t)timer, generation))) {
        atomic_store_relaxed(&f->stopped_first, true);
        return true;
    }
    return atomic_load_acquire(&f->reset) && stop_again(f);
}

static bool reset(struct func_timer *f, int64_t ns)
{
    struct timer_ticket fresh;
    atomic_add_relaxed(&f->refs, 1);
    if (arm(f, time_after(ns), &fresh))
        sched_fatal("out of memory: a timer can't be set");
    atomic_store_release(&f->reset, true); /* [FUNC-1] seen by who sees a word of the swap */
    return cancel(f, timer_cell_swap(&f->ticket, fresh));
}

/* Whether it is one of the run that is held. */
static inline bool is_of_this_run(struct func_timer *f, enum run_hold hold)
{
    return hold != RUN_GONE && f->run == sched_run_number();
}

bool func_timer_stop(struct weft_timer *timer)
{
    struct func_timer *f = func_timer_of(timer);
    struct sched_p *p = sched_p_here();
    enum run_hold hold = sched_hold_run_at(p);
    bool pending = is_of_this_run(f, hold) && stop(p, f);
    sched_release_run(hold);
    return pending;
}

bool func_timer_reset(struct weft_timer *timer, int64_t ns)
{
    struct func_timer *f = func_timer_of(timer);
    enum run_hold hold = sched_hold_run();
    bool pending = is_of_this_run(f, hold) && reset(f, ns);
    sched_release_run(hold);
    return pending;
}

void func_timer_unref(struct weft_timer *timer)
{
    struct func_timer *f = func_timer_of(timer);
    drop(f, atomic_load_relaxed(&f->stopped_first) ? 2 : 1);
}

/* The run is held. 0 or -errno. */
static inline int start(struct sched_p *p, struct func_timer **out, int64_t ns, weft_fn fn,
                        void *arg)
{
    struct slab_cache *cache = sched_cache_at(p, SCHED_CACHE_FUNCS);
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
    atomic_store_relaxed(&f->stopped_first, false);
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
    struct sched_p *p = sched_p_here();
    enum run_hold hold = sched_hold_run_at(p);
    int rc = !fn ? -EINVAL : hold == RUN_GONE ? -ESRCH : start(p, &f, ns, fn, arg);
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
