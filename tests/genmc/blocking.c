/* SPDX-License-Identifier: Apache-2.0
 * blocking.c - a goroutine is in a blocking section until another one of its own queue has run: its P goes
 * to another M, which runs that one and idles again, while the first comes back and wants a P. Both
 * goroutines go on, each P has one holder at a time, and who resumes the first sees what it did in the
 * section.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/idle.c | s/ROUNDS_BEFORE_YIELD 16/ROUNDS_BEFORE_YIELD 2/
 * edit: runtime/sched/find.c | s/RETRIES_BEFORE_YIELD 16/RETRIES_BEFORE_YIELD 2/
 * bug: a P with work is let go and nobody told | runtime/sched/idle.c | s/atomic_load_acquire(&p->next) || work_queued()/false/
 * bug: an idle P may be taken by two | runtime/sched/idle.c | s/!(atomic_and_acq_rel(&sched.idle_ps\[index \/ 64\], ~bit) & bit)/(atomic_store_relaxed(\&sched.idle_ps[index \/ 64], 0), false)/
 * bug: a goroutine goes on though its P was taken | runtime/sched/blocking.c | s/bool took_it = section_close(m, p);/bool took_it = section_close(m, p) || (m->p = p);/
 * bug: who comes back without a P looks for idle Ps without a fence | runtime/sched/injection.c | /\[WAKE-1\]/s/atomic_fence_after_rmw();// */
#include "idling.h"
#include "section.h"

static bool all_found(void)
{
    return atomic_load_relaxed(&found) >= 2;
}

static void *section(void *arg)
{
    AWAIT(atomic_load_relaxed(&found) >= 1);
    blocks.arg = arg; /* plain */
    return arg;
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
    section_init(1);
    REQUIRE(deque_push(&p[0].runq, &queued) == 0);
    idle_m_add(&ms[1]);
    go(enters, &ms[0]);
    go(sleeps, &ms[1]);
    go(spare_m, &ms[2]);
    return 0;
}
