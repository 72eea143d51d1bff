/* SPDX-License-Identifier: Apache-2.0
 * cond_order.c - two wait, one of them, who came first, with a deadline, in a queue that is there from the start; one
 * signal comes, and the timer: the signal wakes the first if he doesn't time out, else the second, and never
 * nobody. The second is woken by a broadcast in the end, if he has to be.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a signal is spent on who timed out | runtime/sync/cond.c | /^static .*signal_busy/,/^}/s/while (!w && /if (!w \&\& /
 * bug: the first is removed, the queue says otherwise | runtime/sync/queue.h | s/return queue_first(word) == node ? queue_set_first(word, next) : word;/return word;/ */
#include "deadline.h"
#include "syncing.h"

#include "runtime/sync/cond.c"
#include "runtime/sync/mutex.c"

static weft_cond c;
static struct queue_node nodes[3];
static _Atomic(uint32_t) first_was_signalled, second_is_back;

/* The end of wait_timed(). */
static void *first(void *arg)
{
    struct waiter *w = &g[1].waiter;
    m_is(1);
    waiter_wait(w, WAIT_COND);
    if (w->result == RESULT_SIGNAL)
        atomic_store_release(&first_was_signalled, 1);
    else
        leave(&c, &nodes[1]);
    return arg;
}

static void *second(void *arg)
{
    m_is(2);
    waiter_wait(&g[2].waiter, WAIT_COND);
    atomic_store_release(&second_is_back, 1);
    return arg;
}

static void *signals_once(void *arg)
{
    m_is(3);
    weft_cond_signal(&c);
    AWAIT(atomic_load_acquire(&first_was_signalled) || atomic_load_acquire(&second_is_back));
    weft_cond_broadcast(&c);
    return arg;
}

int main(void)
{
    struct timer_ticket ticket;
    ms_init();
    c.self_ = &c;
    for (int i = 1; i < 3; i++) {
        m_is(i);
        struct waiter *w = queue_stand(&nodes[i], &c, cond_unlink_dead);
        if (i == 1) {
            uint64_t token = waiter_arm(w);
            w->cancellable = true;
            timer_arm(&ticket, DEADLINE, cond_timed_out, w, token);
        }
        line_up(&c, &nodes[i]);
    }
    pthread_t t = go(timer, NULL), a = go(first, NULL), b = go(second, NULL);
    pthread_t d = go(signals_once, NULL);
    join(t);
    join(a);
    join(b);
    join(d);
    REQUIRE(c.queue_ == 0);
    return 0;
}
