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

/*   NONE --retire--> STARTING --handle written--> RUNS --nothing left--> DONE --retire--> STARTING
 * Only STARTING's owner touches `reclaimer`; DONE still has to be joined. */
enum reclaimer_state { RECLAIMER_NONE, RECLAIMER_STARTING, RECLAIMER_RUNS, RECLAIMER_DONE };

static _Atomic(struct deque_array *) retired;
static _Atomic(uint32_t) reclaimer_state;
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

static bool reclaimer_move(uint32_t from, uint32_t to)
{
    return atomic_cas_acq_rel(&reclaimer_state, &from, to);
}

static void *reclaimer_thread(void *arg)
{
    os_thread_name("weft-reclaim");
    while (atomic_load_acquire(&reclaimer_state) == RECLAIMER_STARTING)
        os_yield(); /* our starter is about to say so */
    for (;;) {
        struct deque_array *taken = atomic_swap_acq_rel(&retired, NULL);
        if (taken) {
            synchronize_rcu();
            free_all(taken);
            continue;
        }
        reclaimer_move(RECLAIMER_RUNS, RECLAIMER_DONE);
        atomic_fence_after_rmw(); /* [RETIRE-2] who retired before that saw us run, or we see it */
        if (!atomic_load_acquire(&retired) || !reclaimer_move(RECLAIMER_DONE, RECLAIMER_RUNS))
            return arg;
    }
}

void qsbr_retire(struct deque_array *outgrown)
{
    outgrown->next_retired = atomic_load_relaxed(&retired);
    while (!atomic_cas_acq_rel(&retired, &outgrown->next_retired, outgrown))
        ;
    atomic_fence_after_rmw(); /* [RETIRE-1] */
    if (reclaimer_move(RECLAIMER_DONE, RECLAIMER_STARTING))
        os_thread_join(reclaimer); /* it has nothing left to do but to return */
    else if (!reclaimer_move(RECLAIMER_NONE, RECLAIMER_STARTING))
        return;
    bool failed = os_thread_start(&reclaimer, reclaimer_thread, NULL) != 0;
    /* Without a thread they wait for the next one that is retired, or for the end of the run. */
    atomic_store_release(&reclaimer_state, failed ? RECLAIMER_NONE : RECLAIMER_RUNS);
}

void qsbr_settle(void)
{
    uint32_t state = atomic_load_acquire(&reclaimer_state);
    if (sched.orphans && state != RECLAIMER_DONE)
        return; /* it may wait for one that computes for ever: a later run joins it */
    if (state != RECLAIMER_NONE)
        os_thread_join(reclaimer);
    atomic_store_release(&reclaimer_state, RECLAIMER_NONE);
    if (sched.orphans == 0)
        free_all(atomic_swap_acq_rel(&retired, NULL));
}

SANITIZE_OWNER_DATA_END
