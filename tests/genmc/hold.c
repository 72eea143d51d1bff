/* SPDX-License-Identifier: Apache-2.0
 * hold.c - threads without a P against the end of a run and the beginning of the next: one that found a run on finds it as it
 * was until it lets go; one that found none is gone before the next run's first goroutine. Two of either kind, or one of each.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/sched/hold.c | s/^        os_yield();/        AWAIT(atomic_load_acquire(releases) == was \/ HOLDS_ONE);/
 * bug: a run's end waits for nobody | runtime/sched/hold.c | s/^        turn(0);/        atomic_swap_acq_rel(\&sched.holds, 0);/
 * bug: a run's beginning waits for nobody | runtime/sched/hold.c | s/^    turn(HOLDS_RUN_ON);/    atomic_swap_acq_rel(\&sched.holds, HOLDS_RUN_ON);/
 * bug: who takes a hold looks first whether a run is on | runtime/sched/hold.c | s/^    bool on = atomic_add_acq_rel(&sched.holds, HOLDS_ONE) & HOLDS_RUN_ON;/    bool on = atomic_load_acquire(\&sched.holds) \& HOLDS_RUN_ON; atomic_add_acq_rel(\&sched.holds, HOLDS_ONE);/
 * bug: what a hold saw may be done after its release | runtime/sched/hold.c | s/atomic_add_acq_rel(&sched.releases/atomic_add_relaxed(\&sched.releases/
 * bug: the releases of a phase are counted in the next of its kind | runtime/sched/hold.c | s/^    atomic_store_relaxed(releases, 0).*$// */
#include "model.h"

#include "runtime/sched/hold.c"

struct sched sched;
_Thread_local struct m *tls_m;

static int run = 1; /* plain: what the end of a run takes down */
static int waiting; /* plain: goroutines of the second run */

static void *foreign(void *arg)
{
    enum run_hold hold = sched_hold_run();
    if (hold == RUN_GONE)
        REQUIRE(waiting == 0);
    else
        REQUIRE(run != 0);
    sched_release_run(hold);
    return arg;
}

int main(void)
{
    atomic_store_relaxed(&sched.holds, HOLDS_RUN_ON);
    pthread_t a = go(foreign, NULL), b = go(foreign, NULL);
    holds_end_run();
    run = 0;
    run = 2;
    holds_begin_run();
    waiting = 1;
    waiting = 0;
    holds_end_run();
    run = 0;
    join(a);
    join(b);
    return 0;
}
