/* SPDX-License-Identifier: Apache-2.0
 * alarms.h - a timer with a channel in the model: timed.c and the channels, over timers of which each is armed once.
 * A thread of its own, passes(), moves the clock on and fires what is due; what is armed later fires, too. */
#ifndef WEFT_TESTS_GENMC_ALARMS_H
#define WEFT_TESTS_GENMC_ALARMS_H

#include "channels.h"

#include "runtime/time/time.h"

/* In place of the loops that swap and read both words: each is one step here. */
static inline void model_swap_pair(struct atomic_pair *pair, uint64_t new_lo, uint64_t new_hi,
                                   uint64_t *lo, uint64_t *hi)
{
    uint64_t was = atomic_swap_acq_rel(&pair->lo, new_hi << 32 | new_lo);
    *lo = (uint32_t)was;
    *hi = was >> 32;
}

static inline void model_cell_swap(struct timer_ticket *out, struct atomic_pair *cell,
                                   struct timer_ticket ticket)
{
    uint64_t timer;
    model_swap_pair(cell, (uintptr_t)ticket.timer, ticket.generation, &timer, &out->generation);
    out->timer = (struct timer *)(uintptr_t)timer;
}

static inline void model_cell_read(struct timer_ticket *out, struct atomic_pair *cell)
{
    uint64_t was = atomic_add_acq_rel(&cell->lo, 0);
    out->timer = (struct timer *)(uintptr_t)(uint32_t)was;
    out->generation = was >> 32;
}

#define atomic_swap_pair model_swap_pair
#define timer_cell_swap model_cell_swap
#define timer_cell_read model_cell_read
#define settle settle_alarm /* other files have them, too */
#define install install_timed
#include "runtime/chan/timed.c"
#undef settle
#undef install

#define BEFORE 1
#define FIRST 2 /* when the timer is due to begin with */
#define LAST 3
#define ALARMS 3 /* that each M may arm */

enum { ALARM_NONE, ALARM_ARMED, ALARM_OVER };

/* The generation of its ticket is where it is, and the timer, which nobody follows, the last bit of that and a mark. */
struct alarm {
    _Atomic(uint32_t) state;
    int64_t deadline;
    timer_fire_fn fire;
    void *arg;
    uint64_t token;
};

#define TIMER_MARK 2

static struct alarm alarms[MS * ALARMS];
static unsigned armed_by[MS];
static struct alarm *late_by[MS]; /* was armed when its time had passed */
static _Atomic(int64_t) now;
static struct timed timed;

int64_t os_now(void)
{
    return atomic_load_relaxed(&now);
}

/* ---- timers ---- */

int timer_arm(struct timer_ticket *out, int64_t deadline, timer_fire_fn fire, void *arg,
              uint64_t token)
{
    long m = m_self() - ms;
    uint32_t none = ALARM_NONE;
    REQUIRE(armed_by[m] < ALARMS && !late_by[m]);
    uint64_t place = (uint64_t)m * ALARMS + armed_by[m]++;
    struct alarm *a = &alarms[place];
    a->deadline = deadline;
    a->fire = fire;
    a->arg = arg;
    a->token = token;
    out->timer = (struct timer *)(uintptr_t)(place % 2 + TIMER_MARK);
    out->generation = place;
    if (deadline > LAST)
        atomic_store_relaxed(&a->state, ALARM_OVER); /* it would fire after the end */
    else if (!atomic_cas_acq_rel(&a->state, &none, ALARM_ARMED))
        late_by[m] = a;
    return 0;
}

/* An M looks for what is due, when it does nothing else. */
static void fire_late(void)
{
    long m = m_self() - ms;
    struct alarm *a;
    while ((a = late_by[m])) {
        late_by[m] = NULL;
        a->fire(a->arg, a->token);
    }
}

/* None but one that an arming gave. */
static struct alarm *alarm_of(const struct timer_ticket *ticket)
{
    REQUIRE((uintptr_t)ticket->timer == ticket->generation % 2 + TIMER_MARK);
    return &alarms[ticket->generation];
}

bool timer_is_armed(const struct timer_ticket *ticket, int64_t until)
{
    if (!ticket->timer)
        return false;
    struct alarm *a = alarm_of(ticket);
    return atomic_load_acquire(&a->state) == ALARM_ARMED && a->deadline <= until;
}

bool timer_cancel(const struct timer_ticket *ticket)
{
    uint32_t armed = ALARM_ARMED;
    return atomic_cas_acq_rel(&alarm_of(ticket)->state, &armed, ALARM_OVER);
}

/* It is due. */
static void alarm_passes(struct alarm *a)
{
    if (atomic_swap_acq_rel(&a->state, ALARM_OVER) == ALARM_ARMED)
        a->fire(a->arg, a->token);
}

/* The clock. The first alarm of M 1 is for FIRST. */
static void *passes(void *arg)
{
    m_is(0);
    atomic_store_relaxed(&now, FIRST);
    alarm_passes(&alarms[ALARMS]);
    atomic_store_relaxed(&now, LAST);
    for (int i = 0; i < MS * ALARMS; i++)
        alarm_passes(&alarms[i]);
    fire_late();
    return arg;
}

static bool none_is_armed(void)
{
    for (int i = 0; i < MS * ALARMS; i++)
        if (atomic_load_relaxed(&alarms[i].state) == ALARM_ARMED)
            return false;
    return true;
}

/* ---- what timed.c needs of its other neighbours ---- */

bool func_timer_stop(struct sched_p *p, struct weft_timer *timer)
{
    (void)p, (void)timer;
    REQUIRE(false);
    return false;
}

bool func_timer_reset(struct weft_timer *timer, int64_t ns)
{
    (void)timer, (void)ns;
    REQUIRE(false);
    return false;
}

void func_timer_unref(struct sched_p *p, struct weft_timer *timer)
{
    (void)p, (void)timer;
    REQUIRE(false);
}

uint64_t sched_run_number(void)
{
    return 1;
}

_Noreturn void sched_fatal(const char *text)
{
    (void)text;
    REQUIRE(false);
    __builtin_unreachable();
}

/* ---- */

/* A timer that is due at `when`, or stopped; with a period a ticker. */
static void alarms_init(int64_t when, int64_t period)
{
    ms_init();
    before_waiting = fire_late;
    atomic_store_relaxed(&now, BEFORE);
    timed_carved(&timed);
    atomic_store_relaxed(&timed.chan.refs, 1);
    atomic_store_relaxed(&timed.run, 1);
    atomic_store_relaxed(&timed.due.lo, (uint64_t)period << 32 | (uint64_t)when);
}

/* A receive by M 1, which is main then, in two pieces: it comes to wait, and goes on when all else has ended, if it was
 * told to try again. */
static int64_t got;

static void begin_receive(void)
{
    m_is(1);
    uint64_t state = atomic_load_acquire(&timed.chan.state);
    struct waiter *w = waiter_self();
    stand_for(w, &timed.chan, &got);
    REQUIRE(chan_publish_in_word(&timed.chan, state, w, CHAN_RECV));
    timed_settle(&timed.chan);
}

/* Whether it has a value. */
static bool end_receive(void)
{
    m_is(1);
    return waiter_wait(waiter_self(), WAIT_CHAN_RECV) == OUTCOME_DONE;
}

#endif
