/* SPDX-License-Identifier: Apache-2.0
 * spin_finds.c - the wake word: the only M that spins has found a goroutine and goes on to run it, while
 * another goroutine is pushed, which wakes nobody as long as somebody spins. A third P is idle: one of the
 * two sees to it that an M comes for what was pushed.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/idle.c | s/ROUNDS_BEFORE_YIELD 16/ROUNDS_BEFORE_YIELD 3/
 * bug: who stops spinning looks at the queues without a fence | runtime/sched/idle.c | /^void m_stop_spinning/,/^}/{/\[WAKE-2\]/s/atomic_fence_after_rmw();//}
 * bug: who stops spinning does not look at the queues | runtime/sched/idle.c | /^void m_stop_spinning/,/^}/s/work_visible(m)/false/
 * bug: a push looks whether somebody spins without a fence | runtime/sched/runq.h | /\[WAKE-1\]/s/atomic_fence_after_rmw();// */
#include "idling.h"

static struct g pushed = {.id = 1};

static bool all_found(void)
{
    return atomic_load_relaxed(&found) >= 1;
}

static void *computes(void *arg)
{
    model_m = &ms[0];
    runq_push_tail(&p[0], &pushed);
    wake_check(&p[0]);
    return arg;
}

/* Has a goroutine in its hands, and will compute. */
static void *spins(void *arg)
{
    model_m = arg;
    m_stop_spinning(arg);
    return NULL;
}

int main(void)
{
    idling_init(3);
    ms[0].p = &p[0];
    ms[1].p = &p[1];
    ms[1].spinning = true;
    atomic_store_relaxed(&sched.idle_ps[0], UINT64_C(1) << 2);
    atomic_store_relaxed(&sched.word, WORD_SPIN_ONE | WORD_IDLE_ONE);
    pthread_t a = go(computes, NULL), b = go(spins, &ms[1]);
    go(spare_m, &ms[2]);
    join(a);
    join(b);
    REQUIRE(atomic_load_relaxed(&started) == 1);
    return 0;
}
