/* SPDX-License-Identifier: Apache-2.0
 * sem_ended.c - a semaphore of two units, one of them out: one waits for both, until another ends that wait; one wants one, and may
 * stand behind it. He gets it as soon as the first has given up, which is all that can become of that one.
 *
 * bug: who gives up doesn't let those behind go on | runtime/sync/sem.c | /^void sem_wait_leave/,/^}/s/go_on_without(s, word, hold);/queue_unlock(sem_word(s), word);/
 * bug: who gives up stays in the queue | runtime/sync/sem.c | /^void sem_wait_leave/,/^}/s/if (wait->node.next)/if (false)/ */
#include "syncing.h"

#include "runtime/sync/sem.c"

static weft_sem sem;
static _Atomic(uint64_t) token; /* of the first's wait */

static void *wants_two(void *arg)
{
    struct sem_wait wait;
    m_is(1);
    REQUIRE(!sem_wait_begin(&wait, &sem, 2, &sem, sem_unlink_dead));
    atomic_store_release(&token, wait.token);
    waiter_wait(wait.node.w, WAIT_SEM);
    REQUIRE(wait.node.w->result == 1);
    sem_wait_leave(&wait);
    sem_wait_end(&wait);
    return arg;
}

static void *wants_one(void *arg)
{
    m_is(2);
    weft_sem_acquire(&sem, 1);
    return arg;
}

static void *ends(void *arg)
{
    m_is(0);
    AWAIT(atomic_load_acquire(&token));
    struct waiter *w = &g[1].waiter;
    REQUIRE(waiter_claim(w, atomic_load_relaxed(&token)));
    w->result = 1;
    waiter_wake(w);
    return arg;
}

int main(void)
{
    ms_init();
    sem.state_ = 1 << 1;
    sem.size_ = 2;
    pthread_t a = go(wants_two, NULL), b = go(wants_one, NULL), c = go(ends, NULL);
    join(a);
    join(b);
    join(c);
    REQUIRE(sem.state_ == 2 << 1 && sem.queue_ == 0);
    return 0;
}
