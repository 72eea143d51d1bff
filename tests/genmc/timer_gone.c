/* SPDX-License-Identifier: Apache-2.0
 * timer_gone.c - two timers are armed, the second to be due before the first, so that both come to the wheel; an M
 * looks for due ones; the second is cancelled by its P and by another thread. One of the two is told so, or it
 * fires; its record is freed once, and is in no list then: a third is armed by the P afterwards.
 *
 * options: -disable-ipr -disable-sr
 * edit: runtime/time/timer.h | s/LOOSE_MAX 16/LOOSE_MAX 2/
 * edit: runtime/time/wheel.h | s/WHEEL_LEVELS 9/WHEEL_LEVELS 1/; s/WHEEL_SLOT_BITS 6/WHEEL_SLOT_BITS 0/; /^static inline void wheel_\(add\|remove\)/,/^}/d; s/^struct wheel_entry .wheel_take_any/void wheel_add(struct wheel *w, struct wheel_entry *e); void wheel_remove(struct wheel *w, struct wheel_entry *e);\n&/
 * bug: two may be at the wheel at once | runtime/time/timer.c | s/!atomic_swap_acq_rel(&ts->busy, 1)/(atomic_store_release(\&ts->busy, 1), 1)/
 * bug: what is gone is taken after what came in | runtime/time/timer.c | /^static void catch_up/,/^}/{s/^    take_incoming(ts);//; s/^    struct timer \*gone = NULL;/& take_incoming(ts);/}
 * bug: a cancelled timer is freed where it is | runtime/time/timer.c | /^static inline void free_stopped/,/^}/s/unlikely(atomic_load_relaxed(&ts->incoming))/0/
 * bug: one who isn't the holder frees what that has stopped | runtime/time/timer.c | s/if (here == (struct sched_p .)p)/if (here)/ */
#include "timers.h"

static bool cancelled_here, cancelled_there;

static void *arms(void *arg)
{
    hold(1);
    REQUIRE(!timer_arm(&ticket[0], DUE, fire, &fired[0], 0));
    REQUIRE(!timer_arm(&ticket[1], DUE - 1, fire, &fired[1], 0));
    atomic_store_release(&armed, 1);
    cancelled_here = timer_cancel(&ticket[1]);
    REQUIRE(!timer_arm(&ticket[2], DUE - 2, fire, &fired[2], 0));
    return arg;
}

static void *cancels(void *arg)
{
    if (atomic_load_acquire(&armed))
        cancelled_there = timer_cancel(&ticket[1]);
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
    hold(1);
    run_due((struct p *)&ps[1]);
    run_due((struct p *)&ps[1]);
    REQUIRE(cancelled_here + cancelled_there + (int)atomic_load_relaxed(&fired[1]) == 1);
    REQUIRE(atomic_load_relaxed(&fired[0]) && atomic_load_relaxed(&fired[2]));
    REQUIRE(all_are_free());
    return 0;
}
