/* SPDX-License-Identifier: Apache-2.0
 * foreign.c - foreign threads against the end of a run: one that was let in finds the run as it was until
 * it goes out, and the run's end waits for it; one that comes later is turned away.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: who enters looks at the run's state without a fence | runtime/sched/foreign.c | /\[FOREIGN-1\]/s/atomic_fence_after_rmw();//
 * bug: the run's end looks who is inside without a fence | runtime/sched/foreign.c | /\[FOREIGN-2\]/s/atomic_fence_full();//
 * bug: who enters looks at the run's state first | runtime/sched/foreign.c | /^bool foreign_enter/,/^}/{s/^    atomic_add_acq_rel/    bool on = atomic_load_acquire(\&sched.state) == RUN_ON; &/; s/if (likely(.*))$/if (on)/} */
#include "model.h"

#include "runtime/sched/foreign.c"

struct sched sched;

static int run = 1; /* plain: what the end of a run takes down */

/* In foreign_shut(). */
void os_yield(void)
{
    AWAIT(!atomic_load_acquire(&sched.foreign_calls));
}

static void *foreign(void *arg)
{
    if (foreign_enter()) {
        REQUIRE(run == 1);
        foreign_exit();
    }
    return arg;
}

int main(void)
{
    atomic_store_relaxed(&sched.state, RUN_ON);
    pthread_t a = go(foreign, NULL), b = go(foreign, NULL);
    atomic_store_release(&sched.state, RUN_STOPPING); /* as run_main_returned() */
    foreign_shut();
    run = 0;
    join(a);
    join(b);
    return 0;
}
