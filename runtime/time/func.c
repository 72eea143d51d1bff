/* SPDX-License-Identifier: Apache-2.0
 * func.c - weft_after_func: a timer that starts a goroutine.
 *
 * The record of the first arming lies in it; a reset takes another. `ticket` names the one that was armed last by a
 * reset, or none. Resetting arms a new one, swaps it in and cancels what it has taken out; stopping cancels what is
 * there. Each arming is swapped out once at most and cancelled by one only, so of every arming exactly one thing
 * comes: f runs, or one stop or reset says true. A reset takes effect at its swap, a stop at its cancel; that the
 * new one may fire before the swap is as if it had been before the old one's end.
 *
 * A stop that finds `reset` unset ends the first arming, the ticket unread. If that is over already, it may be that a
 * reset has ended it, which says so before [FUNC-1] [FUNC-2].
 *
 * References: one of the program's, one a record that is in use. A record that is ended before it came to the wheel is free at
 * once; when that is the first, its reference goes with the program's: the ending is over before that one goes, so
 * `first_over` needs no RMW.
 *
 * Cost beside the arming's and the cancel's: a stop 0 RMWs, after a reset 1; a reset 3. */
#include "runtime/time/timer.h"

#include <errno.h>
#include <weft/time.h>

#include "arch/os.h"

#define RETRY_NS 1000000 /* without memory for a goroutine */

struct func_timer {
    struct depot_node free; /* while it is free */
    struct weft_timer timer;
    _Atomic(bool) reset;
    _Atomic(bool) first_over; /* the reference of the first record is the program's, too */
    _Atomic(uint32_t) refs;
    weft_fn fn;
    void *arg;
    uint64_t run;
    struct timer first;
    struct atomic_pair ticket; /* timer, generation; NULL: the first */
};

static int func_carved(void *object);

static struct slab_class func_class = {
    .init = func_carved,
    .object_bytes = (sizeof(struct func_timer) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE,
};

SANITIZE_OWNER_DATA_BEGIN

static struct func_timer *func_timer_of(struct weft_timer *timer)
{
    return container_of(timer, struct func_timer, timer);
}

static __attribute__((noinline)) void free_func_slow(struct func_timer *f)
{
    struct slab_cache *cache = sched_cache(SCHED_CACHE_FUNCS);
    atomic_store_relaxed(&f->reset, false);
    atomic_store_relaxed(&f->ticket.lo, 0);
    if (likely(cache))
        slab_put(&func_class, cache, f);
}

static inline void free_func(struct sched_p *p, struct func_timer *f)
{
    if (unlikely(!p || atomic_load_relaxed(&f->reset)))
        free_func_slow(f);
    else
        slab_put(&func_class, &p->caches[SCHED_CACHE_FUNCS], f);
}

/* Of one who has the only reference nobody else gets one. */
static inline void drop(struct sched_p *p, struct func_timer *f, uint32_t refs)
{
    if (atomic_load_acquire(&f->refs) == refs || atomic_sub_acq_rel(&f->refs, refs) == refs)
        free_func(p, f);
}

static void unref(struct func_timer *f)
{
    drop(sched_p_here(), f, 1);
}

/* Its record is over; or a reset's, when the run ends. */
static void record_over(void *arg)
{
    unref(arg);
}

static int arm(struct func_timer *f, int64_t deadline, struct timer_ticket *out);

static void start_later(struct func_timer *f)
{
    struct timer_ticket again;
    if (arm(f, os_now() + RETRY_NS, &again)) /* late is better than never; it counts as started */
        sched_fatal("out of memory: a timer's function can't be started");
}

static void fire_first(void *arg, uint64_t token)
{
    struct func_timer *f = arg;
    (void)token;
    if (likely(!sched_go_in_order(f->fn, f->arg)))
        return; /* its reference goes with the record */
    atomic_add_relaxed(&f->refs, 1);
    start_later(f);
}

static void fire_again(void *arg, uint64_t token)
{
    struct func_timer *f = arg;
    (void)token;
    if (likely(!sched_go_in_order(f->fn, f->arg)))
        unref(f);
    else
        start_later(f);
}

/* A record of its own, which takes over one reference. */
static int arm(struct func_timer *f, int64_t deadline, struct timer_ticket *out)
{
    return timer_arm_owned(out, deadline, fire_again, record_over, f, 0);
}

/* True: it was loose, and is over. */
static inline bool cancel_loose(struct sched_p *p, struct func_timer *f)
{
    uint64_t state = atomic_load_acquire(&f->first.state);
    if (unlikely((state & STATE_MASK) != TIMER_LOOSE) ||
        unlikely(!timer_end_loose(p, &f->first, state)))
        return false;
    atomic_store_relaxed(&f->first_over, true);
    return true;
}

/* True: it hadn't fired and never will. Its generation is the same while f lives. */
static bool cancel_first(struct sched_p *p, struct func_timer *f)
{
    uint64_t generation = atomic_load_relaxed(&f->first.state) >> STATE_BITS;
    return cancel_loose(p, f) || timer_end(p, &f->first, generation);
}

static bool cancel(struct func_timer *f, struct timer_ticket ticket)
{
    if (!ticket.timer)
        return cancel_first(sched_p_here(), f);
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

static __attribute__((noinline)) bool stop_slow(struct sched_p *p, struct func_timer *f)
{
    if (!atomic_load_relaxed(&f->reset) && cancel_first(p, f))
        return true;
    return atomic_load_acquire(&f->reset) && stop_again(f); /* [FUNC-2] */
}

static inline bool stop(struct sched_p *p, struct func_timer *f)
{
    return (likely(!atomic_load_relaxed(&f->reset)) && likely(cancel_loose(p, f))) ||
           stop_slow(p, f);
}

static bool reset(struct func_timer *f, int64_t ns)
{
    struct timer_ticket fresh;
    atomic_add_relaxed(&f->refs, 1);
    if (arm(f, time_after(ns), &fresh))
        sched_fatal("out of memory: a timer can't be set");
    atomic_store_release(&f->reset, true); /* [FUNC-1] seen by who finds the first ended by this */
    return cancel(f, timer_cell_swap(&f->ticket, fresh));
}

/* When its run is over so are its records; those left with an orphan nobody can end (timer_home_is_left). */
static __attribute__((noinline)) bool stop_without_p(struct func_timer *f)
{
    enum run_hold hold = sched_hold_run_without_p();
    bool pending = hold != RUN_GONE && stop(NULL, f);
    sched_release_run(hold);
    return pending;
}

bool func_timer_stop(struct sched_p *p, struct weft_timer *timer)
{
    struct func_timer *f = func_timer_of(timer);
    return likely(p) ? stop(p, f) : stop_without_p(f);
}

bool func_timer_reset(struct weft_timer *timer, int64_t ns)
{
    struct func_timer *f = func_timer_of(timer);
    enum run_hold hold = sched_hold_run();
    bool pending = hold != RUN_GONE && f->run == sched_run_number() && reset(f, ns);
    sched_release_run(hold);
    return pending;
}

void func_timer_unref(struct sched_p *p, struct weft_timer *timer)
{
    struct func_timer *f = func_timer_of(timer);
    drop(p, f, atomic_load_relaxed(&f->first_over) ? 2 : 1);
}

static inline weft_timer *start(struct sched_p *p, struct timers *ts, struct func_timer *f,
                                int64_t deadline, weft_fn fn, void *arg)
{
    f->fn = fn;
    f->arg = arg;
    f->run = sched_run_number();
    atomic_store_relaxed(&f->refs, 2); /* the program's and the first record's */
    atomic_store_relaxed(&f->first_over, false);
    timer_arm_at(p, ts, &f->first, deadline);
    return &f->timer;
}

/* The run is held. */
static weft_timer *start_held(struct sched_p *p, int64_t deadline, weft_fn fn, void *arg)
{
    struct slab_cache *cache = sched_cache_at(p, SCHED_CACHE_FUNCS);
    struct timers *ts = timers_at(p);
    struct func_timer *f = cache && ts ? slab_get(&func_class, cache) : NULL;
    if (f)
        return start(p, ts, f, deadline, fn, arg);
    errno = ENOMEM;
    return NULL;
}

static __attribute__((noinline)) weft_timer *start_slow(struct sched_p *p, int64_t deadline,
                                                        weft_fn fn, void *arg)
{
    weft_timer *timer = NULL;
    if (!fn) {
        errno = EINVAL;
        return NULL;
    }
    enum run_hold hold = sched_hold_run_at(p);
    if (hold == RUN_GONE)
        errno = ESRCH;
    else
        timer = start_held(p, deadline, fn, arg);
    sched_release_run(hold);
    return timer;
}

weft_timer *weft_after_func(int64_t ns, weft_fn fn, void *arg)
{
    int64_t deadline = time_after(ns);
    struct sched_p *p = sched_p_here();
    struct timers *ts = likely(p) ? atomic_load_relaxed(&p->timer.timers) : NULL;
    struct func_timer *f =
        likely(fn && ts) ? magazine_get_hot(&p->caches[SCHED_CACHE_FUNCS].free) : NULL;
    return likely(f) ? start(p, ts, f, deadline, fn, arg) : start_slow(p, deadline, fn, arg);
}

/* What never changes. */
static int func_carved(void *object)
{
    struct func_timer *f = object;
    f->timer.is_func = true;
    f->first.fire = fire_first;
    f->first.put = record_over;
    f->first.arg = f;
    return 0;
}

__attribute__((constructor)) static void install(void)
{
    sched_set_cache_class(SCHED_CACHE_FUNCS, &func_class);
}

SANITIZE_OWNER_DATA_END
