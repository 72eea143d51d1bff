/* SPDX-License-Identifier: Apache-2.0
 * sysmon.c - sysmon goes to sleep as all Ps are idle, while an M takes one: either sysmon sees that, or it
 * is woken. It never sleeps for good while somebody runs.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: who takes a P looks whether sysmon sleeps without a fence | runtime/sched/sysmon.c | /\[SYSMON-1\]/s/atomic_fence_after_rmw();//
 * bug: sysmon looks at the Ps without a fence | runtime/sched/sysmon.c | /\[SYSMON-2\]/s/atomic_fence_after_rmw();//
 * bug: sysmon does not look at the Ps again | runtime/sched/sysmon.c | s/if (all_idle() && /if (/ */
#include "model.h"

#include "runtime/sched/sysmon.c"

struct sched sched;

bool work_visible(struct m *eyes)
{
    (void)eyes;
    return false;
}

int64_t timers_earliest(void)
{
    return OS_FOREVER;
}

enum deadlock deadlock_check(void)
{
    return DEADLOCK_NO;
}

int64_t partial_due(void)
{
    return OS_FOREVER;
}

int64_t os_now(void)
{
    return 0;
}

int os_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t deadline)
{
    REQUIRE(deadline == OS_FOREVER);
    AWAIT(atomic_load_acquire(word) != expected);
    return 0;
}

void os_futex_wake(_Atomic(uint32_t) *word, int n)
{
    (void)word, (void)n;
}

static void *watches(void *arg)
{
    struct monitor mon;
    mon.eyes = arg;
    mon.trimmed = true;
    mon.dozes = false;
    sleep_while_idle(&mon);
    return NULL;
}

/* As p_acquire_at() and m_hold() of idle.c. */
static void *takes_p(void *arg)
{
    atomic_sub_acq_rel(&sched.word, WORD_IDLE_ONE);
    sysmon_poke();
    return arg;
}

int main(void)
{
    sched.procs = 2;
    atomic_store_relaxed(&sched.word, 2 * WORD_IDLE_ONE);
    go(watches, NULL);
    go(takes_p, NULL);
    go(takes_p, NULL);
    return 0;
}
