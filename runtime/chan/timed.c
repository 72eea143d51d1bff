/* SPDX-License-Identifier: Apache-2.0
 * timed.c - timers and tickers that have a channel, and that channel.
 *
 * Nothing is ever sent to it. `due` says when a value is there, and a receive that comes then or later takes it, by a CAS
 * from {when, period} to "stopped", or to a ticker's next time. So a timer that nobody waits for is a time in a
 * word: it costs nothing, keeps nothing alive, and has no value that could be stale after a stop or a reset; a
 * ticker that nobody reads has one tick.
 *
 * Only while receivers wait there is an alarm, a timer of the time room, which hands the value to the first of them. Whoever
 * changes what the alarm depends on (a waiter comes or leaves, a stop, a reset, a value that was taken)
 * settles it afterwards: arms one if somebody waits and none is armed early enough, cancels it if nobody does or nothing
 * is coming. An alarm that comes too early settles and does no harm. Nobody is forgotten:
 *   [TIMED-1] who changed `state` or `due` looks at the alarm after it, with a fence between;
 *   [TIMED-2] who cancelled or replaced an alarm, or in whose hands one has fired, looks at both after it.
 * So of two that settle at once the later to change sees the other's alarm, or that one sees its change and settles anew.
 *
 * Timers are type-stable: an alarm that fires late finds one that is used again, or free (it is stopped, nobody waits), and
 * settles that. Those of a run that has ended are dead: stopped for ever.
 *
 * Cost: stopping, resetting: 1 CAS of two words; waiting: an arming, and 1 more such CAS.
 * Rejected: a buffer of one that the timer fills (stopping must then empty it, a race with each receiver);
 * a deadline of each receiver (all are woken for one tick, and the same one always gets it). */
#include "runtime/chan/timed.h"

#include <errno.h>
#include <weft/defer.h>
#include <weft/time.h>

#include "alloc/slab.h"
#include "arch/os.h"
#include "arch/sanitize.h"
#include "runtime/chan/wait.h"
#include "runtime/time/time.h"

struct timed {
    struct depot_node free; /* while it is free */
    struct weft_timer timer;
    _Atomic(uint64_t) run; /* whose it is, by number */
    struct atomic_pair due;
    struct atomic_pair alarm; /* a ticket: what was armed last */
    struct weft_chan chan;
};

struct weft_ticker {
    struct timed timed;
};

static int timed_carved(void *object);

static struct slab_class timed_class = {
    .init = timed_carved,
    .object_bytes = (sizeof(struct timed) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE,
};

SANITIZE_OWNER_DATA_BEGIN

/* What never changes. */
static int timed_carved(void *object)
{
    struct weft_chan *ch = &((struct timed *)object)->chan;
    ch->form = FORM_TIMER;
    ch->capacity = 1; /* to a select it looks as if there were room: then sending panics */
    ch->cells = 2;
    ch->turn = 1;
    ch->elem_size = sizeof(int64_t);
    return 0;
}

static struct timed *timed_of(struct weft_chan *ch)
{
    return container_of(ch, struct timed, chan);
}

/* ---- when it is due ---- */

static bool is_of_this_run(struct timed *t)
{
    return atomic_load_relaxed(&t->run) == sched_run_number();
}

int64_t timed_when(struct weft_chan *ch)
{
    struct timed *t = timed_of(ch);
    int64_t when = (int64_t)atomic_load_acquire(&t->due.lo);
    return likely(is_of_this_run(t)) ? when : TIMED_STOPPED;
}

bool timed_is_due(int64_t when)
{
    return when != TIMED_STOPPED && when <= os_now();
}

/* The first time after now on the grid of when and period; 0: there is no period. */
static int64_t next_due(int64_t when, int64_t period, int64_t now)
{
    if (period == 0)
        return TIMED_STOPPED;
    int64_t next = when + (now - when) / period * period; /* now or before */
    return time_plus(next, period);
}

/* Take the value that is there at `now`; it is the time for which it was due. */
static bool take(struct timed *t, int64_t now, int64_t *value)
{
    for (;;) {
        int64_t when = timed_when(&t->chan);
        uint64_t period = atomic_load_acquire(&t->due.hi);
        if (when == TIMED_STOPPED || when > now)
            return false;
        int64_t next = next_due(when, (int64_t)period, now);
        if (!atomic_cas_pair(&t->due, (uint64_t)when, period, (uint64_t)next, period))
            continue;
        sanitize_acquire(&t->due);
        *value = when;
        return true;
    }
}

/* What it was due. */
static int64_t set(struct timed *t, int64_t when, int64_t period)
{
    uint64_t old, old_period;
    sanitize_release(&t->due);
    atomic_swap_pair(&t->due, (uint64_t)when, (uint64_t)period, &old, &old_period);
    return (int64_t)old;
}

enum chan_result timed_get(struct weft_chan *ch, void *out)
{
    int64_t value;
    if (!take(timed_of(ch), os_now(), &value))
        return CHAN_BLOCKED;
    chan_copy(out, &value, sizeof value);
    return CHAN_DONE;
}

/* ---- the alarm ---- */

/* Hand what is due to the first who waits. */
static void serve(struct timed *t, int64_t now)
{
    struct taken taken;
    int64_t value, when;
    for (;;) {
        uint64_t state = atomic_load_acquire(&t->chan.state);
        when = timed_when(&t->chan);
        if (!(state & CHAN_RECV) || when == TIMED_STOPPED || when > now)
            return;
        if (!chan_take(&t->chan, state, NULL, &taken))
            continue;
        if (take(t, now, &value)) {
            chan_copy(taken_elem(&taken, CHAN_RECV), &value, sizeof value);
            chan_finish_in_order(&taken, OUTCOME_DONE, CHAN_RECV);
        } else {
            chan_finish_in_order(&taken, OUTCOME_RETRY, CHAN_RECV); /* it was taken, or reset */
        }
    }
}

static void settle(struct timed *t);

static void ring(void *timed, uint64_t token)
{
    (void)token;
    atomic_fence_after_rmw(); /* [TIMED-2] it is firing */
    serve(timed, os_now());
    settle(timed);
}

/* For when an alarm should be armed; WEFT_FOREVER: not at all. */
static int64_t alarm_wanted(struct timed *t)
{
    if (!(atomic_load_acquire(&t->chan.state) & CHAN_RECV))
        return WEFT_FOREVER;
    int64_t when = timed_when(&t->chan);
    return when == TIMED_STOPPED ? WEFT_FOREVER : when;
}

static void alarm_set(struct timed *t, int64_t at)
{
    struct timer_ticket armed = {NULL, 0};
    if (atomic_load_acquire(&t->alarm.lo))
        armed = timer_cell_read(&t->alarm);
    if (at == WEFT_FOREVER) {
        if (armed.timer)
            timer_cancel(&armed);
        return;
    }
    if (timer_is_armed(&armed, at))
        return;
    if (timer_arm(&armed, at, ring, t, 0))
        sched_fatal("out of memory: a timer can't be set");
    armed = timer_cell_swap(&t->alarm, armed);
    if (armed.timer)
        timer_cancel(&armed);
}

/* The run is held. */
static void settle(struct timed *t)
{
    int64_t at;
    do {
        at = alarm_wanted(t);
        alarm_set(t, at);
        atomic_fence_full(); /* [TIMED-2] */
    } while (alarm_wanted(t) != at);
}

void timed_settle(struct weft_chan *ch)
{
    struct timed *t = timed_of(ch);
    enum run_hold hold = sched_hold_run();
    if (hold != RUN_GONE && is_of_this_run(t)) {
        atomic_fence_full(); /* [TIMED-1] */
        settle(t);
    }
    sched_release_run(hold);
}

/* Where only those are left in the list whose waits are over, nobody waits. */
void timed_left_slow(struct weft_chan *ch)
{
    uint64_t state = atomic_load_acquire(&ch->state);
    if ((state & CHAN_LIST) && !(state & CHAN_WORD)) {
        waitlist_trim(&ch->receivers, chan_wait_is_over);
        if (waitlist_is_empty(&ch->receivers))
            atomic_cas_acq_rel(&ch->state, &state, chan_unwaited(ch, state));
    }
    timed_settle(ch);
}

/* ---- timers and tickers ---- */

static void free_timed(struct timed *t)
{
    struct slab_cache *cache = sched_cache(SCHED_CACHE_TIMED);
    if (likely(cache))
        slab_put(&timed_class, cache, t);
}

void timed_free(struct weft_chan *ch)
{
    struct timed *t = timed_of(ch);
    uint64_t state = atomic_load_acquire(&ch->state);
    while ((state & CHAN_EITHER) &&
           !atomic_cas_acq_rel(&ch->state, &state, chan_unwaited(ch, state)))
        ;
    atomic_store_release(&t->due.lo,
                         TIMED_STOPPED); /* nobody waits, so no alarm takes it meanwhile */
    if (atomic_load_acquire(&t->alarm.lo)) {
        timed_settle(ch);
        struct timer_ticket armed = {NULL, 0};
        armed = timer_cell_swap(&t->alarm, armed);
        if (armed.timer) /* one that comes late may just have armed it */
            timer_cancel(&armed);
    }
    free_timed(t);
}

/* Of the run that is held. NULL without memory. */
static struct timed *timed_make(int64_t ns, int64_t period)
{
    struct slab_cache *cache = sched_cache(SCHED_CACHE_TIMED);
    struct timed *t = cache ? slab_get(&timed_class, cache) : NULL;
    if (!t)
        return NULL;
    atomic_store_relaxed(&t->chan.refs, 1);
    atomic_store_relaxed(&t->run, sched_run_number());
    atomic_store_relaxed(&t->due.hi, (uint64_t)period);
    atomic_store_release(&t->due.lo, (uint64_t)time_after(ns));
    return t;
}

static struct timed *timed_new(int64_t ns, int64_t period)
{
    enum run_hold hold = sched_hold_run();
    struct timed *t = hold == RUN_GONE ? NULL : timed_make(ns, period);
    sched_release_run(hold);
    if (!t)
        errno = hold == RUN_GONE ? ESRCH : ENOMEM;
    return t;
}

/* Whether it was pending, or due and not read. */
static bool timed_set(struct timed *t, int64_t when, int64_t period)
{
    enum run_hold hold = sched_hold_run();
    bool pending = false;
    if (hold != RUN_GONE && is_of_this_run(t)) {
        pending = set(t, when, period) != TIMED_STOPPED;
        atomic_fence_after_rmw(); /* [TIMED-1] */
        if (unlikely(atomic_load_acquire(&t->chan.state) & CHAN_RECV))
            settle(t);
    }
    sched_release_run(hold);
    return pending;
}

static struct timed *timed_of_timer(weft_timer *timer)
{
    return container_of(timer, struct timed, timer);
}

weft_chan *weft_after(int64_t ns)
{
    struct timed *t = timed_new(ns, 0);
    return t ? &t->chan : NULL;
}

weft_timer *weft_timer_new(int64_t ns)
{
    struct timed *t = timed_new(ns, 0);
    return t ? &t->timer : NULL;
}

weft_chan *weft_timer_chan(weft_timer *timer)
{
    return !timer || timer->is_func ? NULL : &timed_of_timer(timer)->chan;
}

/* A checkpoint, and the P that the caller has after it, or NULL. */
static inline struct sched_p *checkpoint_p(void)
{
    struct sched_m *m = sched_m_unasked();
    if (likely(m))
        return m->p;
    sched_checkpoint();
    return sched_p_here();
}

bool weft_timer_stop(weft_timer *timer)
{
    struct sched_p *p = checkpoint_p();
    if (!timer)
        weft_panic("time: Stop called on uninitialized Timer");
    if (timer->is_func)
        return func_timer_stop(p, timer);
    return timed_set(timed_of_timer(timer), TIMED_STOPPED, 0);
}

bool weft_timer_reset(weft_timer *timer, int64_t ns)
{
    sched_checkpoint();
    if (!timer)
        weft_panic("time: Reset called on uninitialized Timer");
    if (timer->is_func)
        return func_timer_reset(timer, ns);
    return timed_set(timed_of_timer(timer), time_after(ns), 0);
}

void weft_timer_unref(weft_timer *timer)
{
    struct sched_p *p = checkpoint_p();
    if (timer && timer->is_func)
        func_timer_unref(p, timer);
    else if (timer)
        chan_drop(&timed_of_timer(timer)->chan);
}

weft_ticker *weft_ticker_new(int64_t ns)
{
    if (ns <= 0)
        weft_panic("non-positive interval for NewTicker");
    return (weft_ticker *)timed_new(ns, ns);
}

weft_chan *weft_ticker_chan(weft_ticker *ticker)
{
    return ticker ? &ticker->timed.chan : NULL;
}

void weft_ticker_stop(weft_ticker *ticker)
{
    sched_checkpoint();
    if (ticker)
        timed_set(&ticker->timed, TIMED_STOPPED, 0);
}

void weft_ticker_reset(weft_ticker *ticker, int64_t ns)
{
    sched_checkpoint();
    if (ns <= 0)
        weft_panic("non-positive interval for Ticker.Reset");
    if (!ticker)
        weft_panic("time: Reset called on uninitialized Ticker");
    timed_set(&ticker->timed, time_after(ns), ns);
}

void weft_ticker_unref(weft_ticker *ticker)
{
    if (ticker)
        chan_drop(&ticker->timed.chan);
    sched_checkpoint();
}

__attribute__((constructor)) static void install(void)
{
    sched_set_cache_class(SCHED_CACHE_TIMED, &timed_class);
}

SANITIZE_OWNER_DATA_END
