/* SPDX-License-Identifier: Apache-2.0
 * timer.c - the timers of a P: three are armed, two that are due, the second before the first, and one that is not; an M
 * looks for due ones, and a third thread cancels the first. That one fires once or is cancelled; the second fires; the
 * third stays known to whoever asks for the earliest.
 *
 * options: -disable-ipr -disable-sr
 * edit: runtime/time/timer.h | s/LOOSE_MAX 16/LOOSE_MAX 2/
 * edit: runtime/time/wheel.h | s/WHEEL_LEVELS 9/WHEEL_LEVELS 1/; s/WHEEL_SLOT_BITS 6/WHEEL_SLOT_BITS 0/; /^static inline void wheel_\(add\|remove\)/,/^}/d; s/^struct wheel_entry .wheel_take_any/void wheel_add(struct wheel *w, struct wheel_entry *e); void wheel_remove(struct wheel *w, struct wheel_entry *e);\n&/
 * bug: a timer is announced before it is there | runtime/time/timer.c | /^void timer_arm_slow/,/^}/{s/^    if (likely(p .. wheel_try(ts))) {/    lower_earliest(ts->slot, deadline);\n&/; s/^    if (lower_earliest(ts->slot, deadline))//}
 * bug: the earliest is reset after what came in was taken | runtime/time/timer.c | /^static void run_due/,/^}/{/^    atomic_swap_acq_rel/d; s/^    catch_up(ts, records);/& atomic_swap_acq_rel(\&ts->slot->earliest, OS_FOREVER);/}
 * bug: two may be at the wheel at once | runtime/time/timer.c | s/!atomic_swap_acq_rel(&ts->busy, 1)/(atomic_store_release(\&ts->busy, 1), 1)/
 * bug: the wheel is let go without a word | runtime/time/timer.c | s/atomic_store_release(&ts->busy, 0)/atomic_store_relaxed(\&ts->busy, 0)/
 * bug: a timer fires though it is being cancelled | runtime/time/timer.c | /^static bool claim/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: a look leaves the wheel's first unannounced | runtime/time/timer.c | /^    lower_earliest(ts->slot, wheel_soonest/d */
#include "timers.h"

static bool cancelled;

static void *arms(void *arg)
{
    hold(1);
    REQUIRE(!timer_arm(&ticket[0], DUE, fire, &fired[0], 0));
    atomic_store_release(&armed, 1);
    REQUIRE(!timer_arm(&ticket[1], DUE - 1, fire, &fired[1], 0));
    REQUIRE(!timer_arm(&ticket[2], LATER, fire, &fired[2], 0));
    return arg;
}

static void *cancels(void *arg)
{
    if (atomic_load_acquire(&armed))
        cancelled = timer_cancel(&ticket[0]);
    return arg;
}

int main(void)
{
    static int number = 2;
    timers_init();
    pthread_t a = go(arms, NULL), b = go(cancels, NULL), c = go(looks, &number);
    join(a);
    join(b);
    join(c);
    looks(&number);
    REQUIRE(atomic_load_relaxed(&fired[0]) == !cancelled);
    REQUIRE(atomic_load_relaxed(&fired[1]) && !atomic_load_relaxed(&fired[2]));
    REQUIRE(earliest_known() <= LATER);
    return 0;
}
