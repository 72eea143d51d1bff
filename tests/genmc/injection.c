/* SPDX-License-Identifier: Apache-2.0
 * injection.c - two foreign threads inject, one of them twice, while two Ms take: each goroutine lands in
 * one queue, once, with what was written before, and those of one thread in their order.
 *
 * bug: a push publishes nothing of what was written before | runtime/sched/injection.c | s/atomic_cas_acq_rel/bug_cas_relaxed/
 * bug: the stack is read, then emptied | runtime/sched/injection.c | s/atomic_swap_acq_rel(&sched.injected, NULL)/atomic_load_acquire(\&sched.injected)/; s/, \*oldest = NULL;/, *oldest = NULL; atomic_store_release(\&sched.injected, NULL);/
 * bug: a batch is not reversed | runtime/sched/injection.c | s/^        g->next = oldest;$/        runq_push_tail(p, g);/; s/^        oldest = g;$// */
#include "model.h"

#include "runtime/sched/deque.c"
#include "runtime/sched/injection.c"

#define GS 3

struct sched sched;

static struct p p[2];
static struct g g[GS];

void wake_one(struct p *waker, struct p *prefer)
{
    (void)waker, (void)prefer;
}

void wake_slow(struct p *waker)
{
    (void)waker;
}

static void inject(int i)
{
    g[i].id = 1; /* plain: who takes it reads it */
    sched_inject(&g[i]);
}

static void *foreign_twice(void *arg)
{
    (void)arg;
    inject(0);
    inject(1);
    return NULL;
}

static void *foreign_once(void *arg)
{
    (void)arg;
    inject(2);
    return NULL;
}

/* Run what is in the queue of p. */
static void run_all(struct p *here)
{
    bool second = false;
    for (struct g *got; (got = deque_pop(&here->runq));) {
        REQUIRE(got->id == 1);
        got->id = 2;
        REQUIRE(got != &g[0] || !second); /* 0 was injected before 1 */
        second |= got == &g[1];
    }
}

static void *m(void *arg)
{
    struct p *here = arg;
    injection_take(here);
    run_all(here);
    return NULL;
}

static void retire(struct deque_array *a)
{
    alloc_free(a); /* nobody steals here */
}

int main(void)
{
    deque_init(&p[0].runq, retire);
    deque_init(&p[1].runq, retire);
    pthread_t a = go(foreign_twice, NULL), b = go(foreign_once, NULL);
    pthread_t c = go(m, &p[0]), d = go(m, &p[1]);
    join(a);
    join(b);
    join(c);
    join(d);
    injection_take(&p[0]);
    run_all(&p[0]);
    for (int i = 0; i < GS; i++)
        REQUIRE(g[i].id == 2);
    return 0;
}
