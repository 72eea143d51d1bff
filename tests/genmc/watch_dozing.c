/* SPDX-License-Identifier: Apache-2.0
 * watch_dozing.c - sysmon wakes up from a doze as an M arms a timer, which it leaves for the look of sysmon's that comes if it
 * sees that one comes: the M that sleeps is woken to watch the timer by one or the other.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/idle.c | s/ROUNDS_BEFORE_YIELD 16/ROUNDS_BEFORE_YIELD 2/
 * bug: who armed a timer asks for sysmon's look without a fence | runtime/sched/idle.c | /\[WATCH-1\]/s/atomic_fence_full();//
 * bug: sysmon looks at the timers without a fence | runtime/sched/sysmon.c | /\[WATCH-2\]/s/atomic_fence_after_rmw();//
 * bug: it goes on saying that it will look | runtime/sched/sysmon.c | /^static void wake_up/,/^}/s/atomic_store_relaxed(&looks_at, 0);// */
#define IDLING_SYSMON
#include "idling.h"

#include "runtime/sched/sysmon.c"

#define SOON INT64_C(1000000000000)
#define ARMED (2 * SOON)

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

static void *looks(void *arg)
{
    struct monitor mon;
    wake_up(&mon);
    watcher_ensure(NULL);
    return arg;
}

/* In m_sleep(), for ever: it is woken, whatever it finds then. */
static void *sleeps(void *arg)
{
    struct m *m = arg;
    AWAIT(atomic_load_acquire(&m->park));
    REQUIRE(m->to_watch && m->handed == &p[1]);
    atomic_add_relaxed(&found, 1);
    return NULL;
}

int main(void)
{
    idling_init(2);
    ms[0].p = &p[0];
    atomic_store_relaxed(&state, ASLEEP);
    atomic_store_relaxed(&looks_at, SOON);
    atomic_store_relaxed(&sched.idle_ps[0], UINT64_C(1) << 1);
    atomic_store_relaxed(&sched.word, WORD_IDLE_ONE);
    idle_m_add(&ms[1]);
    go(arms, NULL);
    go(looks, NULL);
    go(sleeps, &ms[1]);
    return 0;
}
