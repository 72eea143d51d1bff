/* SPDX-License-Identifier: Apache-2.0
 * park.c - on_cpu: two Ms, each with a goroutine that publishes its waiter, wakes the other if that one has
 * published, and parks. So each may be woken, queued and picked before it has left its own M, and
 * both at once. They run on, on one M at a time and on whole stacks, and nobody waits for ever.
 *
 * options: -check-liveness -disable-spin-assume -disable-ipr
 * bug: on_cpu is cleared without a release | runtime/sched/park.c | s/atomic_store_release(&prev->on_cpu, 0)/atomic_store_relaxed(\&prev->on_cpu, 0)/
 * bug: on_cpu is cleared before the switch | runtime/sched/park.c | s/^    m->prev = from;/    m->prev = NULL, atomic_store_release(\&from->on_cpu, 0);/
 * bug: a picker does not look at on_cpu | runtime/sched/runq.h | s/return g && unlikely(atomic_load_acquire(&g->on_cpu)).* : g;/return g;/
 * bug: a picker waits for on_cpu | runtime/sched/runq.h | s/return g && unlikely(atomic_load_acquire(&g->on_cpu)).* : g;/if (g) AWAIT(!atomic_load_acquire(\&g->on_cpu)); return g;/ */
#include "flows.h"

static struct g g[MS];
static _Atomic(struct waiter *) published[MS];
static int told[MS]; /* plain: the waker writes, the woken reads */
static _Atomic(uint32_t) ended;

static void wake(int i)
{
    struct waiter *w = atomic_swap_acq_rel(&published[i], NULL);
    if (!w)
        return;
    told[i] = 1;
    waiter_wake(w);
}

static void body(void *arg)
{
    int i = *(int *)arg;
    struct waiter *w = waiter_self();
    atomic_swap_acq_rel(&published[i], w);
    atomic_fence_after_rmw(); /* one of the two sees the other */
    wake(!i);
    waiter_wait(w, WAIT_GATE);
    REQUIRE(told[i] == 1);
    wake(!i);
    atomic_add_acq_rel(&ended, 1);
}

int main(void)
{
    static int number[MS] = {0, 1};
    ms_init();
    for (int i = 0; i < MS; i++)
        g_make(&g[i], body, &number[i], &p[i]);
    pthread_t a = go(m_thread, &ms[0]), b = go(m_thread, &ms[1]);
    join(a);
    join(b);
    REQUIRE(atomic_load_relaxed(&ended) == 2);
    return 0;
}
