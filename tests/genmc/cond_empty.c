/* SPDX-License-Identifier: Apache-2.0
 * cond_empty.c - one who has the mutex lines up in a queue that a signal from outside the mutex, and a timer, may just be
 * emptying: he is in it afterwards, and the next signal wakes him.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a signal is busy in an empty queue | runtime/sync/queue.c | /^uint64_t queue_lock_waited/,/^}/{s/while (word) {/for (;;) {/}
 * bug: who timed out takes himself out twice | runtime/sync/cond.c | s/node->next ? queue_remove/true ? queue_remove/
 * bug: who finds the queue empty hasn't seen who emptied it | runtime/sync/cond.c | s/!atomic_load_acquire(q)))/!atomic_load_relaxed(q)))/
 * bug: who timed out hasn't seen who took him out | runtime/sync/queue.c | /^uint64_t queue_lock_waited/,/^}/s/atomic_load_acquire/atomic_load_relaxed/ */
#include "deadline.h"
#include "syncing.h"

#include "runtime/sync/cond.c"
#include "runtime/sync/mutex.c"

static weft_cond c = {.self_ = &c};
static struct queue_node node, own;
static _Atomic(uint32_t) lined_up;

/* The end of wait_timed(), in whose frame the node is. */
static void *first(void *arg)
{
    struct waiter *w = &g[1].waiter;
    m_is(1);
    waiter_wait(w, WAIT_COND);
    if (w->result == RESULT_TIMEOUT)
        leave(&c, &node);
    node.next = NULL;
    return arg;
}

/* As if he had the mutex: nobody else lines up. */
static void *second(void *arg)
{
    m_is(2);
    struct waiter *w = queue_stand(&own, &c, cond_unlink_dead);
    line_up(&c, &own);
    atomic_store_release(&lined_up, 1);
    waiter_wait(w, WAIT_COND);
    return arg;
}

static void *signals_it(void *arg)
{
    m_is(3);
    weft_cond_signal(&c);
    AWAIT(atomic_load_acquire(&lined_up));
    weft_cond_broadcast(&c);
    return arg;
}

int main(void)
{
    struct timer_ticket ticket;
    ms_init();
    m_is(1);
    struct waiter *w = queue_stand(&node, &c, cond_unlink_dead);
    uint64_t token = waiter_arm(w);
    w->cancellable = true;
    timer_arm(&ticket, DEADLINE, cond_timed_out, w, token);
    line_up(&c, &node);
    pthread_t t = go(timer, NULL), a = go(first, NULL), b = go(second, NULL);
    pthread_t d = go(signals_it, NULL);
    join(t);
    join(a);
    join(b);
    join(d);
    REQUIRE(c.queue_ == 0);
    return 0;
}
