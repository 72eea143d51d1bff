/* SPDX-License-Identifier: Apache-2.0
 * blocking.c - an M enters a blocking section that lasts until a goroutine of its own queue has run: its
 * P goes to another M, which runs that one and idles again, while the first comes back and wants a P.
 * Both goroutines go on, each P has one holder at a time, and the result of the section is seen by
 * whoever resumes its goroutine.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/idle.c | s/ROUNDS_BEFORE_YIELD 16/ROUNDS_BEFORE_YIELD 2/
 * bug: a P with work is let go and nobody told | runtime/sched/idle.c | s/atomic_load_acquire(&p->next) || work_queued()/false/
 * bug: an idle P may be taken by two | runtime/sched/idle.c | s/!(atomic_and_acq_rel(&sched.idle_ps\[index \/ 64\], ~bit) & bit)/(atomic_store_relaxed(\&sched.idle_ps[index \/ 64], 0), false)/
 * bug: a goroutine is resumed though no P is to be had | runtime/sched/blocking.c | s/if (m_take_p(m, p))/if (m_take_p(m, p) || true)/
 * bug: who comes back without a P looks for idle Ps without a fence | runtime/sched/injection.c | /\[WAKE-1\]/s/atomic_fence_after_rmw();// */
#include "idling.h"

#include "runtime/sched/blocking.c"

static struct g blocks = {.id = 1}, queued = {.id = 1};
static struct blocking_call call;
static int error;

static bool all_found(void)
{
    return atomic_load_relaxed(&found) >= 2;
}

bool foreign_enter(void)
{
    return true; /* the run goes on */
}

void foreign_exit(void) {}

void topology_unbind(struct m *m)
{
    (void)m;
}

void sched_switch_to_loop(struct m *m, struct g *from, struct g *prev)
{
    (void)m, (void)from, (void)prev;
}

/* Back on the M where it was. */
void sched_run_g(struct m *m, struct g *g)
{
    REQUIRE(g == &blocks && call.result == &call);
    ran(m, g);
}

static void *section(void *arg)
{
    AWAIT(atomic_load_relaxed(&found) >= 1);
    return arg;
}

static void *enters(void *arg)
{
    struct m *m = arg;
    model_m = m;
    m->call = &call;
    hold_p(m);
    m_run_call(m);
    return NULL;
}

/* Idle from the start. */
static void *sleeps(void *arg)
{
    model_m = arg;
    REQUIRE(m_sleep(arg));
    return m_thread(arg);
}

int main(void)
{
    idling_init(1);
    ms[0].p = &p[0];
    ms[0].errno_location = &error;
    call = (struct blocking_call){.fn = section, .arg = &call, .g = &blocks};
    atomic_store_relaxed(&blocks.on_cpu, 1);
    REQUIRE(deque_push(&p[0].runq, &queued) == 0);
    idle_m_add(&ms[1]);
    go(enters, &ms[0]);
    go(sleeps, &ms[1]);
    go(spare_m, &ms[2]);
    return 0;
}
