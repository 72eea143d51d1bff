/* SPDX-License-Identifier: Apache-2.0
 * lock_stop.c - the run ends while an M waits for its locked goroutine, or is about to, or is being handed
 * a P for it: it comes back.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: who waits looks at the run's end without a fence | runtime/sched/lock.c | /\[STOP-1\]/s/atomic_fence_full();//
 * bug: who waits does not look at the run's end | runtime/sched/lock.c | s/if (atomic_load_acquire(&sched.word) & WORD_STOP)/if (false)/
 * bug: the run's end looks who waits without a fence | runtime/sched/end.c | /^void run_main_returned/,/^}/s/atomic_fence_after_rmw();// */
#include "model.h"

int snprintf(char *text, size_t n, const char *format, ...);

#include "runtime/sched/end.c"
#include "runtime/sched/lock.c"

#include "lock.h"

static void *finds(void *arg)
{
    struct m *m = arg;
    model_m = m;
    if (atomic_load_acquire(&g.on_cpu) == ON_CPU_LOCKED)
        locked_hand_over(m, &g);
    return NULL;
}

static void *locked(void *arg)
{
    struct m *m = arg;
    model_m = m;
    leaves(m);
    if (locked_wait(m))
        REQUIRE(m->p == &p[1]);
    else
        REQUIRE(atomic_load_acquire(&sched.word) & WORD_STOP);
    return NULL;
}

void idle_wake_all(void) {}
void sysmon_stop(void) {}

static void *stops(void *arg)
{
    run_main_returned();
    return arg;
}

int main(void)
{
    lock_init();
    atomic_store_relaxed(&sched.ms[0], &ms[0]);
    atomic_store_relaxed(&sched.ms_made, 1);
    go(locked, &ms[0]);
    go(finds, &ms[1]);
    go(stops, NULL);
    return 0;
}
