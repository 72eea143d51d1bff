/* SPDX-License-Identifier: Apache-2.0
 * retire.c - outgrown arrays: two owners retire one each, while the thread that frees them starts, or is
 * about to end as it has found nothing more. Each array is freed, by that thread or by another that is
 * started for it, once; a thief that has the first one in its hands reads it until it is quiescent.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * bug: who retires looks for the thread without a fence | runtime/sched/qsbr.c | /\[RETIRE-1\]/s/atomic_fence_after_rmw();//
 * bug: the thread looks for more without a fence | runtime/sched/qsbr.c | /\[RETIRE-2\]/s/atomic_fence_after_rmw();//
 * bug: the thread does not look for more | runtime/sched/qsbr.c | s/if (!atomic_load_acquire(&retired) ||/if (true ||/
 * bug: no grace period is waited for | runtime/sched/qsbr.c | s/synchronize_rcu();// */
#include "model.h"

#include "runtime/sched/qsbr.c"

#define THREADS 2

struct sched sched;

static struct deque_array *array[2];
static _Atomic(struct deque_array *) shown;
static os_thread threads[THREADS];
static _Atomic(uint32_t) asked[THREADS], ended[THREADS];
static _Atomic(uint32_t) starts;

void os_thread_name(const char *name)
{
    (void)name;
}

/* Only while the starter says that it has started. */
void os_yield(void)
{
    AWAIT(atomic_load_acquire(&reclaimer_state) != RECLAIMER_STARTING);
}

/* Their threads are there from the start. */
int os_thread_start(os_thread *out, void *(*fn)(void *), void *arg)
{
    uint32_t i = atomic_add_acq_rel(&starts, 1);
    REQUIRE(i < THREADS && fn == reclaimer_thread && !arg);
    *out = (os_thread)i;
    atomic_store_release(&asked[i], 1);
    return 0;
}

void os_thread_join(os_thread thread)
{
    AWAIT(atomic_load_acquire(&ended[thread]));
}

static _Atomic(uint32_t) over; /* both have been retired, and freed or not */

static void *reclaims(void *arg)
{
    int i = *(int *)arg;
    AWAIT(atomic_load_acquire(&asked[i]) || atomic_load_acquire(&over));
    if (!atomic_load_acquire(&asked[i]))
        return NULL;
    reclaimer_thread(NULL);
    atomic_store_release(&ended[i], 1);
    return NULL;
}

static void *retires(void *arg)
{
    qsbr_retire(array[*(int *)arg]);
    return NULL;
}

static void *thief(void *arg)
{
    struct deque_array *a = atomic_load_acquire(&shown);
    if (a)
        REQUIRE(a->mask == 1);
    qsbr_quiescent();
    return arg;
}

int main(void)
{
    static int number[2] = {0, 1};
    for (int i = 0; i < 2; i++) {
        array[i] = malloc(sizeof *array[i]);
        array[i]->mask = 1;
    }
    atomic_store_relaxed(&shown, array[0]);
    go(thief, NULL);
    go(reclaims, &number[0]);
    go(reclaims, &number[1]);
    pthread_t a = go(retires, &number[0]), b = go(retires, &number[1]);
    join(a);
    join(b);
    AWAIT(!atomic_load_acquire(&retired) &&
          atomic_load_acquire(&reclaimer_state) == RECLAIMER_DONE);
    atomic_store_release(&over, 1);
    return 0;
}
