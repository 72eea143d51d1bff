/* SPDX-License-Identifier: Apache-2.0
 * deadline.h - one timer: a thread of its own, timer(), fires it at any time, or never if it isn't armed by then. */
#ifndef WEFT_TESTS_GENMC_DEADLINE_H
#define WEFT_TESTS_GENMC_DEADLINE_H

#include "waiting.h"

#include "runtime/time/time.h"

static _Atomic(uint32_t) timer_state;
static timer_fire_fn timer_fires;
static void *timer_arg;
static uint64_t timer_token;

enum { TIMER_NONE, TIMER_ARMED, TIMER_OVER };

#define DEADLINE 1

static _Atomic(int64_t) now; /* DEADLINE when the timer has fired */

int64_t os_now(void)
{
    return atomic_load_relaxed(&now);
}

int timer_arm(struct timer_ticket *out, int64_t deadline, timer_fire_fn fire, void *arg,
              uint64_t token)
{
    (void)out;
    REQUIRE(deadline == DEADLINE);
    timer_fires = fire;
    timer_arg = arg;
    timer_token = token;
    atomic_store_release(&timer_state, TIMER_ARMED);
    return 0;
}

/* As the real one: it loses against a timer that has been taken. */
bool timer_cancel(const struct timer_ticket *ticket)
{
    uint32_t armed = TIMER_ARMED;
    (void)ticket;
    return atomic_cas_acq_rel(&timer_state, &armed, TIMER_OVER);
}

static void *timer(void *arg)
{
    uint32_t armed = TIMER_ARMED;
    (void)arg;
    m_is(0);
    if (atomic_cas_acq_rel(&timer_state, &armed, TIMER_OVER)) {
        atomic_store_relaxed(&now, DEADLINE);
        timer_fires(timer_arg, timer_token);
    }
    return NULL;
}

#endif
