/* SPDX-License-Identifier: Apache-2.0
 * lock_hand_over.c - a goroutine that is locked to its M stops, and another M finds it runnable as soon
 * as it has left its stack: the first M gets the P, however near it is to its sleep, and with it all that
 * the other wrote.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a hand-over is not published | runtime/sched/lock.c | /^static void unpark/,/^}/s/atomic_cas_acq_rel/bug_cas_relaxed/
 * bug: `park` is cleared after the goroutine may be picked | runtime/sched/lock.c | /^void g_left_locked/,/^}/{s/^    atomic_store_relaxed(&m->park, 0);//; s/^    atomic_store_release(&g->on_cpu.*;/& atomic_store_relaxed(\&m->park, 0);/}
 * bug: on_cpu is set without a release | runtime/sched/lock.c | /^void g_left_locked/,/^}/s/atomic_store_release/atomic_store_relaxed/ */
#include "model.h"

#include "runtime/sched/lock.c"

#include "lock.h"

static void *finds(void *arg)
{
    struct m *m = arg;
    model_m = m;
    AWAIT(atomic_load_acquire(&g.on_cpu) ==
          ON_CPU_LOCKED); /* find_runnable() puts it back until then */
    REQUIRE(on_stack == 1);
    m->p->id_next = 1; /* plain: its holder's */
    locked_hand_over(m, &g);
    return NULL;
}

static void *locked(void *arg)
{
    struct m *m = arg;
    model_m = m;
    leaves(m);
    REQUIRE(locked_wait(m));
    REQUIRE(m->p == &p[1] && m->p->id_next == 1);
    return NULL;
}

int main(void)
{
    lock_init();
    go(locked, &ms[0]);
    go(finds, &ms[1]);
    return 0;
}
