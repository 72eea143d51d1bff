/* SPDX-License-Identifier: Apache-2.0
 * watch.c - a timer is armed on a P whose M goes on running, while the other M, which has slept towards
 * a nearer one that is gone, goes to sleep again, for a later one or for ever. It sleeps towards the new
 * one, whether it sees that by itself or is woken to watch it.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/idle.c | s/ROUNDS_BEFORE_YIELD 16/ROUNDS_BEFORE_YIELD 2/
 * bug: who armed a timer looks for a watcher without a fence | runtime/sched/idle.c | /\[WATCH-1\]/s/atomic_fence_full();//
 * bug: who has watched looks at the timers without a fence | runtime/sched/idle.c | /^static void watch_end/,/^}/s/atomic_fence_after_rmw();//
 * bug: nobody is woken to watch | runtime/sched/idle.c | /^void watcher_ensure/,/^}/s/wake(m ? m->p : NULL, NULL, true);/(void)0;/ */
#include "idling.h"

#define GONE INT64_C(1000000000000)
#define ARMED (2 * GONE)
#define LATER (3 * GONE)

static bool all_found(void)
{
    return atomic_load_relaxed(&found) >= 1;
}

static void *arms(void *arg)
{
    int64_t none = OS_FOREVER;
    model_m = &ms[0];
    REQUIRE(atomic_cas_acq_rel(&p[0].timer.earliest, &none, ARMED));
    watcher_ensure(&ms[0]);
    return arg;
}

/* Or there is none. */
static void *later(void *arg)
{
    atomic_store_release(&p[1].timer.earliest, LATER);
    return arg;
}

/* In m_sleep(), after a signal. */
static void *sleeps_again(void *arg)
{
    model_m = arg;
    watch_end(GONE);
    REQUIRE(m_sleep(arg));
    return m_thread(arg);
}

int main(void)
{
    idling_init(2);
    nearest_timer = ARMED;
    ms[0].p = &p[0];
    atomic_store_relaxed(&sched.watch_deadline, GONE);
    atomic_store_relaxed(&sched.idle_ps[0], UINT64_C(1) << 1);
    atomic_store_relaxed(&sched.word, WORD_IDLE_ONE);
    idle_m_add(&ms[1]);
    go(later, NULL);
    go(arms, NULL);
    go(sleeps_again, &ms[1]);
    go(spare_m, &ms[2]);
    return 0;
}
