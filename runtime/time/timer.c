/* SPDX-License-Identifier: Apache-2.0
 * timer.c - the timers of a P: a wheel that one thread at a time may work on, and nobody waits for, and a few that the
 * holder of the P hasn't brought there yet.
 *
 *   FREE --arm--> LOOSE --taken into the wheel, by a CAS--> ARMED --due, by a CAS--> FIRING --fire returned--> FREE
 *                   '--cancel, by a CAS--> FREE               '--cancel, by a CAS--> CANCELLED --out of the wheel--> FREE
 * The state word carries a generation, so a cancel that comes late finds another generation and fails.
 * Owner: LOOSE nobody yet; ARMED the wheel (or `incoming`); FIRING the M that runs it; CANCELLED who cancelled it, or `gone`.
 *
 * `busy` is tried, never waited for. Who holds the P and gets it adds or removes in the wheel itself. Who doesn't get it,
 * or cancels a timer of another P, leaves the timer in `incoming` or `gone`, a CAS each, for the next look.
 *
 * A look: any M that finds `earliest` due tries `busy`, sees to what was left, and fires what is due. If somebody has
 * it, he may be arming only: then earliest stays due, and the next look comes to it. No timer is missed: a look sets
 * earliest to "none" first, takes `incoming` then, and lowers earliest to the wheel's soonest at the end. An arm that
 * comes before the taking is in the wheel; one after it lowers earliest itself, and nothing raises it again until the
 * next look.
 *
 * Loose is what the holder of the P arms that isn't nearer than all that are known: most timers are cancelled soon, and
 * then have never seen the wheel. They are in the LOOSE_MAX places of `loose`, and slot->loose, a lower bound
 * of their times, counts for looks as earliest does; so a look may come from any M, whatever the holder is doing. The
 * holder puts the timer in its place and then stores the bound again, even the same: a look takes the bound first, and
 * leaves "none" there, and then what is in the places. So either it took the bound that was stored last, and sees all
 * places [LOOSE-1] [LOOSE-2]; or that comes after it, and another look does: at a pick of any M, or, where the holder computes and
 * the others sleep, when sysmon sees that it is due, up to 10 ms late, as the same bound is told to nobody. Where the bound is lowered, that is told to who
 * sleeps by an earliest that a look may just be raising [LOOSE-3] [LOOSE-4]. A place may name one that is over, or armed
 * elsewhere by now: the state, the home and the CAS tell. Who cancels a loose one frees it at once; the holder gives up
 * the last place, too. When there is none left, he takes all into the wheel at once.
 *
 * What the holder of the P cancels in the wheel he leaves in `stopped`, which is his alone, and takes out of it when he
 * next has it. So an arming and its cancel come to the wheel once.
 *
 * What a cancel left in `gone` was in `incoming` or the wheel before, so a look takes gone first and sees to it last, when
 * both are in the wheel. A look comes after GONE_MAX at the latest, as then earliest is made due: timeouts that
 * never come cost no memory for long.
 *
 * earliest and the bound may be too early, after a cancel: then a look finds nothing and puts it right. A look fires
 * FIRE_MAX at most, so that what was woken runs before the next are: a million timers that are due at once neither fill
 * the queue nor hold up the M. What is left stays due.
 *
 * What is left with an orphan stays armed there until that is buried, but its run is over: nobody else ends it or counts it.
 *
 * Cost: a loose one: arm 0 RMWs, cancel 1, into the wheel 1; others: arm 1, cancel 1; fire 1; those left for a look 1
 * more, and 1 who lowers earliest. Rejected: a lock per P as Go has (a preempted holder stops every arm and cancel);
 * leaving the cancelled in the wheel until due or swept (a server's timeouts are all cancelled, and a sweep is a pass
 * over memory); loose ones that only the holder sees (he may compute for long). */
#include "runtime/time/timer.h"

#include <errno.h>

#include "alloc/alloc.h"
#include "arch/os.h"

#ifdef WEFT_TEST_BUILD
#define GONE_MAX 3
#define FIRE_MAX 3
#else
#define GONE_MAX 64
#define FIRE_MAX 64 /* a look comes every SLOW_PICK_EVERY picks, about as many */
#endif

static struct slab_class timer_class = {
    .object_bytes = (sizeof(struct timer) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE,
};

SANITIZE_OWNER_DATA_BEGIN

struct timers *timers_make(struct sched_timer_slot *slot)
{
    void *made = NULL;
    struct timers *ts = alloc_zeroed(CACHE_LINE, sizeof *ts);
    if (!ts)
        return NULL;
    ts->slot = slot;
    if (atomic_cas_acq_rel(&slot->timers, &made, ts))
        return ts;
    alloc_free(ts); /* a foreign thread was faster, or the holder of the P */
    return made;
}

static struct timers *timers_of(struct p *p)
{
    return atomic_load_acquire(&((struct sched_p *)p)->timer.timers);
}

/* Never above at. Whether it was. */
static inline bool lower_earliest(struct sched_timer_slot *slot, int64_t at)
{
    int64_t earliest = atomic_load_relaxed(&slot->earliest);
    while (at < earliest)
        if (atomic_cas_acq_rel(&slot->earliest, &earliest, at))
            return true;
    return false;
}

/* ---- the wheel, and what is left for its next holder ---- */

static inline bool wheel_try(struct timers *ts)
{
    return !atomic_load_relaxed(&ts->busy) && !atomic_swap_acq_rel(&ts->busy, 1);
}

static inline void wheel_release(struct timers *ts)
{
    atomic_store_release(&ts->busy, 0);
}

static struct timer *timer_of(struct wheel_entry *e)
{
    return container_of(e, struct timer, entry);
}

static void incoming_push(struct timers *ts, struct wheel_entry *e)
{
    e->next = atomic_load_relaxed(&ts->incoming);
    while (!atomic_cas_acq_rel(&ts->incoming, &e->next, e))
        ;
}

static __attribute__((noinline)) void gone_push(struct timers *ts, struct timer *t)
{
    t->gone = atomic_load_relaxed(&ts->gone);
    while (!atomic_cas_acq_rel(&ts->gone, &t->gone, t))
        ;
    bool many = atomic_add_relaxed(&ts->gone_n, 1) + 1 >= GONE_MAX;
    if (many && lower_earliest(ts->slot, 1)) /* long due; who lowers it sees to a look */
        sched_timer_armed();
}

/* Into the wheel, oldest first. */
static void take_incoming(struct timers *ts)
{
    struct wheel_entry *newest = atomic_swap_acq_rel(&ts->incoming, NULL), *oldest = NULL, *next;
    for (; newest; newest = next) {
        next = newest->next;
        newest->next = oldest;
        oldest = newest;
    }
    for (; oldest; oldest = next) {
        next = oldest->next;
        wheel_add(&ts->wheel, oldest);
    }
}

/* Into the wheel. When the first of them is due. */
static int64_t take_loose(struct timers *ts)
{
    int64_t soonest = OS_FOREVER;
    for (unsigned i = 0; i < LOOSE_MAX; i++) {
        struct timer *t = atomic_load_acquire(&ts->loose[i]);
        uint64_t state = t ? atomic_load_acquire(&t->state) : TIMER_FREE;
        /* It may have been armed again, elsewhere even: home is of this generation, if the CAS succeeds. */
        if ((state & STATE_MASK) != TIMER_LOOSE || atomic_load_relaxed(&t->home) != ts ||
            !atomic_cas_acq_rel(&t->state, &state, (state & ~STATE_MASK) | TIMER_ARMED))
            continue;
        wheel_add(&ts->wheel, &t->entry);
        int64_t when = atomic_load_relaxed(&t->entry.when);
        soonest = when < soonest ? when : soonest;
    }
    return soonest;
}

/* After take_loose(), by the holder of the P. */
static void clear_loose(struct timers *ts)
{
    for (unsigned i = 0; i < ts->loose_n; i++)
        atomic_store_relaxed(&ts->loose[i], NULL);
    ts->loose_n = 0;
}

static void record_free(struct slab_cache *to, struct timer *t)
{
    atomic_store_release(&t->state, atomic_load_relaxed(&t->state) & ~STATE_MASK);
    if (t->put)
        t->put(t->arg);
    else
        slab_put(&timer_class, to, t);
}

static void free_gone(struct timers *ts, struct timer *t, struct slab_cache *to)
{
    int64_t n = 0;
    for (struct timer *next; t; t = next, n++) {
        next = t->gone;
        if (t->entry.place)
            wheel_remove(&ts->wheel, &t->entry);
        record_free(to, t);
    }
    if (n)
        atomic_add_relaxed(&ts->gone_n, -n);
}

/* By the holder of the P, when he has the wheel. */
static inline void free_stopped(struct timers *ts, struct slab_cache *to)
{
    struct timer *t = ts->stopped;
    if (t && unlikely(atomic_load_relaxed(&ts->incoming)))
        take_incoming(ts); /* t may be there */
    ts->stopped = NULL;
    ts->stopped_n = 0;
    for (struct timer *next; t; t = next) {
        next = t->gone;
        if (t->entry.place) /* else it was due meanwhile */
            wheel_remove(&ts->wheel, &t->entry);
        record_free(to, t);
    }
}

/* What was left. Records go `to` there. */
static void catch_up(struct timers *ts, struct slab_cache *to)
{
    struct timer *gone = NULL;
    if (atomic_load_relaxed(&ts->gone))
        gone = atomic_swap_acq_rel(&ts->gone, NULL);
    take_incoming(ts);
    if (atomic_load_relaxed(&ts->slot->loose) != OS_FOREVER) {
        atomic_swap_acq_rel(&ts->slot->loose, OS_FOREVER); /* [LOOSE-2] */
        take_loose(ts);
    }
    free_gone(ts, gone, to);
}

/* ---- arming and cancelling ---- */

/* All loose ones into the wheel, by the holder of the P, so that there is room for more. False: somebody is at it. */
static bool gather(struct sched_p *p, struct timers *ts)
{
    if (!wheel_try(ts))
        return false;
    free_stopped(ts, &p->caches[SCHED_CACHE_TIMERS]);
    lower_earliest(ts->slot, take_loose(ts));
    clear_loose(ts);
    wheel_release(ts);
    return true;
}

/* With a lower bound than that which is known, or where that is out of date. */
static void arm_loose(struct timers *ts, struct timer *t, int64_t deadline)
{
    atomic_store_release(&t->state, timer_state_next(t, TIMER_LOOSE));
    atomic_store_release(&ts->loose[ts->loose_n++], t);
    atomic_swap_acq_rel(&ts->slot->loose, deadline);
    atomic_fence_after_rmw(); /* [LOOSE-3] */
    if (deadline < atomic_load_relaxed(&ts->slot->earliest))
        sched_timer_armed();
}

void timer_arm_slow(struct sched_p *p, struct timers *ts, struct timer *t, int64_t deadline)
{
    /* What never comes due lowers no bound, so only in the wheel the run's end finds it. */
    bool first = deadline == OS_FOREVER || deadline < atomic_load_relaxed(&ts->slot->earliest);
    if (p && !first && (ts->loose_n < LOOSE_MAX || gather(p, ts))) {
        arm_loose(ts, t, deadline);
        return;
    }
    atomic_store_release(&t->state, timer_state_next(t, TIMER_ARMED));
    if (likely(p && wheel_try(ts))) {
        free_stopped(ts, &p->caches[SCHED_CACHE_TIMERS]);
        wheel_add(&ts->wheel, &t->entry);
        wheel_release(ts);
    } else {
        incoming_push(ts, &t->entry);
    }
    if (lower_earliest(ts->slot, deadline))
        sched_timer_armed();
}

int timer_arm_owned(struct timer_ticket *out, int64_t deadline, timer_fire_fn fire,
                    void (*dropped)(void *arg), void *arg, uint64_t token)
{
    struct sched_p *p = sched_p_for_timers();
    struct timers *ts = timers_at(p);
    struct slab_cache *records = sched_cache_at(p, SCHED_CACHE_TIMERS);
    struct timer *t = ts && records ? slab_get(&timer_class, records) : NULL;
    if (!t)
        return -ENOMEM;
    t->fire = fire;
    t->dropped = dropped;
    t->arg = arg;
    t->token = token;
    out->timer = t;
    out->generation = (atomic_load_relaxed(&t->state) >> STATE_BITS) + 1;
    timer_arm_at(p, ts, t, deadline);
    return 0;
}

int timer_arm(struct timer_ticket *out, int64_t deadline, timer_fire_fn fire, void *arg,
              uint64_t token)
{
    return timer_arm_owned(out, deadline, fire, NULL, arg, token);
}

bool timer_is_armed(const struct timer_ticket *ticket, int64_t until)
{
    struct timer *t = ticket->timer;
    if (!t)
        return false;
    uint64_t loose = ticket->generation << STATE_BITS | TIMER_LOOSE,
             armed = loose ^ TIMER_LOOSE ^ TIMER_ARMED;
    uint64_t state = atomic_load_acquire(&t->state);
    if ((state != loose && state != armed) || timer_home_is_left(timer_home(t)))
        return false;
    int64_t when =
        atomic_load_acquire(&t->entry.when); /* the generation's, if that is still the same */
    state = atomic_load_relaxed(&t->state);
    return when <= until && (state == loose || state == armed);
}

static __attribute__((noinline)) void try_free_stopped(struct timers *ts, struct slab_cache *to)
{
    if (!wheel_try(ts))
        return;
    free_stopped(ts, to);
    wheel_release(ts);
}

/* By the holder of its P, who alone comes to `stopped`. */
static inline void stop_here(struct sched_p *p, struct timers *ts, struct timer *t)
{
    t->gone = ts->stopped;
    ts->stopped = t;
    if (unlikely(++ts->stopped_n >= GONE_MAX))
        try_free_stopped(ts, &p->caches[SCHED_CACHE_TIMERS]);
}

bool timer_end(struct sched_p *p, struct timer *t, uint64_t generation)
{
    uint64_t armed = generation << STATE_BITS | TIMER_ARMED;
    struct timers *home = timer_home(t);
    bool here = likely(p && atomic_load_relaxed(&p->timer.timers) == home);
    if (unlikely(!here && timer_home_is_left(home)) ||
        !atomic_cas_acq_rel(&t->state, &armed, generation << STATE_BITS | TIMER_CANCELLED))
        return false;
    sched_timer_count(p, -1);
    if (here)
        stop_here(p, home, t);
    else
        gone_push(home, t);
    return true;
}

bool timer_cancel(const struct timer_ticket *ticket)
{
    struct sched_p *p = sched_p_for_timers();
    struct timer *t = ticket->timer;
    uint64_t loose = ticket->generation << STATE_BITS | TIMER_LOOSE;
    if (atomic_load_acquire(&t->state) != loose || !timer_end_loose(p, t, loose))
        return timer_end(p, t, ticket->generation);
    struct slab_cache *records = sched_cache_at(p, SCHED_CACHE_TIMERS);
    if (likely(records))
        slab_put(&timer_class, records, t);
    return true;
}

/* ---- looking ---- */

static bool claim(struct timer *t)
{
    uint64_t armed = (atomic_load_relaxed(&t->state) & ~STATE_MASK) | TIMER_ARMED;
    return atomic_cas_acq_rel(&t->state, &armed, (armed & ~STATE_MASK) | TIMER_FIRING);
}

/* The next to be fired, whose neighbour's removal has just had its first line. */
static inline void prefetch_to_fire(const struct timer *t)
{
    __builtin_prefetch(&t->put);
    __builtin_prefetch(t->arg);
}

static void run_due(struct p *p)
{
    struct timers *ts = timers_of(p);
    if (!ts || !wheel_try(ts))
        return;
    int64_t now = os_now();
    struct sched_p *here = sched_p_here(); /* who looks has one */
    struct slab_cache *records = sched_cache_at(here, SCHED_CACHE_TIMERS);
    struct wheel_entry *e;
    atomic_swap_acq_rel(&ts->slot->earliest, OS_FOREVER);
    atomic_fence_after_rmw(); /* [LOOSE-4] who still saw what it was has lowered the bound before */
    catch_up(ts, records);
    if (here == (struct sched_p *)p) {
        free_stopped(ts, records);
        clear_loose(ts);
    }
    for (int fired = 0; fired < FIRE_MAX && (e = wheel_expire(&ts->wheel, now)); fired++) {
        struct timer *t = timer_of(e);
        if (e->next)
            prefetch_to_fire(timer_of(e->next));
        if (!claim(t))
            continue; /* cancelled: it will be in gone */
        sched_timer_count(here, -1);
        t->fire(t->arg, t->token);
        record_free(records, t);
    }
    lower_earliest(ts->slot, wheel_soonest(&ts->wheel));
    wheel_release(ts);
}

/* All Ms have left. */
static void drop_all(struct p *p)
{
    struct timers *ts = timers_of(p);
    struct wheel_entry *e;
    if (!ts)
        return;
    catch_up(ts, &ts->records_freed);
    free_stopped(ts, &ts->records_freed);
    clear_loose(ts);
    while ((e = wheel_take_any(&ts->wheel))) {
        struct timer *t = timer_of(e);
        if (claim(t) && t->dropped)
            t->dropped(t->arg);
        record_free(&ts->records_freed, t);
    }
    atomic_store_relaxed(&ts->busy, 0);
}

__attribute__((constructor)) static void install(void)
{
    static const struct sched_timer_ops ops = {.run_due = run_due, .drop_all = drop_all};
    sched_set_timer_ops(&ops);
    sched_set_cache_class(SCHED_CACHE_TIMERS, &timer_class);
}

SANITIZE_OWNER_DATA_END
