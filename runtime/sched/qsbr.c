/* SPDX-License-Identifier: Apache-2.0
 * qsbr.c - when an outgrown deque array may be freed: quiescent-state-based reclamation by liburcu.
 *
 * Each M is a reader, quiescent once in its scheduling loop and offline while it sleeps or blocks. A
 * goroutine that computes can hold up a grace period for ever, so only arrays that were outgrown wait
 * for one: their sum is less than the arrays in use. No M waits: a thread is started for it when the
 * first array is retired, and ends when there are none left. Without a thread to be had they wait
 * for the end of the run. */
#define RCU_API_MAP
#include <urcu-qsbr.h>

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

static _Atomic(struct deque_array *) retired;
static _Atomic(bool) reclaimer_runs;
static _Atomic(bool) reclaimer_made; /* and not joined yet */
static os_thread reclaimer;

void qsbr_register(void)
{
    rcu_register_thread();
}

void qsbr_unregister(void)
{
    rcu_unregister_thread();
}

void qsbr_online(void)
{
    rcu_thread_online();
}

void qsbr_offline(void)
{
    rcu_thread_offline();
}

void qsbr_quiescent(void)
{
    rcu_quiescent_state();
}

static void free_all(struct deque_array *a)
{
    while (a) {
        struct deque_array *next = a->next_retired;
        alloc_free(a);
        a = next;
    }
}

static void *reclaimer_thread(void *arg)
{
    os_thread_name("weft-reclaim");
    while (!atomic_load_acquire(&reclaimer_made))
        os_yield(); /* until our starter has written down whom to join: he is just about to */
    for (;;) {
        struct deque_array *taken = atomic_swap_acq_rel(&retired, NULL);
        if (taken) {
            synchronize_rcu();
            free_all(taken);
            continue;
        }
        atomic_store_release(&reclaimer_runs, false);
        atomic_fence_full(); /* [RETIRE-2] who retired before that saw us run, or we see it now */
        bool runs = false;
        if (!atomic_load_acquire(&retired) || !atomic_cas_acq_rel(&reclaimer_runs, &runs, true))
            return arg;
    }
}

void qsbr_retire(struct deque_array *outgrown)
{
    outgrown->next_retired = atomic_load_relaxed(&retired);
    while (!atomic_cas_acq_rel(&retired, &outgrown->next_retired, outgrown))
        ;
    atomic_fence_after_rmw(); /* [RETIRE-1] */
    bool runs = false;
    if (!atomic_cas_acq_rel(&reclaimer_runs, &runs, true))
        return;
    if (atomic_swap_acq_rel(&reclaimer_made, false))
        os_thread_join(reclaimer); /* it has nothing left to do but to return */
    if (os_thread_start(&reclaimer, reclaimer_thread, NULL))
        atomic_store_release(&reclaimer_runs, false); /* the arrays wait for the next, or the end */
    else
        atomic_store_release(&reclaimer_made, true);
}

void qsbr_settle(void)
{
    if (atomic_swap_acq_rel(&reclaimer_made, false))
        os_thread_join(reclaimer);
    free_all(atomic_swap_acq_rel(&retired, NULL));
}

SANITIZE_OWNER_DATA_END
