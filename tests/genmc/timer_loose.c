/* SPDX-License-Identifier: Apache-2.0
 * timer_loose.c - the timers of a P that didn't come to the wheel: one is armed there, and two that aren't nearer are
 * loose; an M looks, and a third thread cancels a loose one. Who is due fires, or is cancelled; nobody is missed, though
 * the P's holder never looks himself.
 *
 * options: -disable-ipr -disable-sr
 * edit: runtime/time/timer.h | s/LOOSE_MAX 16/LOOSE_MAX 2/
 * edit: runtime/time/wheel.h | s/WHEEL_LEVELS 9/WHEEL_LEVELS 1/; s/WHEEL_SLOT_BITS 6/WHEEL_SLOT_BITS 0/; /^static inline void wheel_\(add\|remove\)/,/^}/d; s/^struct wheel_entry .wheel_take_any/void wheel_add(struct wheel *w, struct wheel_entry *e); void wheel_remove(struct wheel *w, struct wheel_entry *e);\n&/
 * bug: the bound is not stored again | runtime/time/timer.h | s/^    atomic_store_release(&p->timer.loose, bound);/    (void)0;/
 * bug: the bound is stored before the timer is there | runtime/time/timer.h | s/^    ts->loose_n = n + 1;/& atomic_store_release(\&p->timer.loose, bound);/; s/^    atomic_store_release(&p->timer.loose, bound);/    (void)0;/
 * bug: a look takes the bound after the timers | runtime/time/timer.c | /^static void catch_up/,/^}/{s/^        atomic_swap_acq_rel(&ts->slot->loose, OS_FOREVER);/        (void)0;/; s/^        take_loose(ts);/& atomic_swap_acq_rel(\&ts->slot->loose, OS_FOREVER);/}
 * bug: a loose timer is taken though it is being cancelled | runtime/time/timer.c | /^static int64_t take_loose/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: a loose timer is cancelled though it is being taken | runtime/time/timer.h | /^static inline bool timer_end_loose/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "timers.h"

#define ALSO_DUE (DUE + 1)

static bool cancelled;

static void *arms(void *arg)
{
    hold(1);
    REQUIRE(!timer_arm(&ticket[0], DUE, fire, &fired[0], 0));
    REQUIRE(!timer_arm(&ticket[1], ALSO_DUE, fire, &fired[1], 0));
    atomic_store_release(&armed, 1);
    REQUIRE(!timer_arm(&ticket[2], ALSO_DUE + 1, fire, &fired[2], 0));
    return arg;
}

static void *cancels(void *arg)
{
    hold(3);
    if (atomic_load_acquire(&armed))
        cancelled = timer_cancel(&ticket[1]);
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
    REQUIRE(atomic_load_relaxed(&fired[0]));
    REQUIRE(atomic_load_relaxed(&fired[1]) == !cancelled);
    REQUIRE(atomic_load_relaxed(&fired[2]));
    hold(1);
    run_due((struct p *)&ps[1]);
    REQUIRE(all_are_free());
    return 0;
}
