/* SPDX-License-Identifier: Apache-2.0
 * flows.h - goroutines that switch: park.c over the checker's flows of control (model/arch/arch.h). Each
 * M runs what is in the queue of its P until that is empty; nobody steals. */
#ifndef WEFT_TESTS_GENMC_FLOWS_H
#define WEFT_TESTS_GENMC_FLOWS_H

#include "fence.h"

#include "runtime/sched/deque.c"
#include "runtime/sched/find.c"
#include "runtime/sched/park.c"

#define MS 2

struct sched sched;

static struct p p[MS];
static struct m ms[MS];
static int errno_of[MS];

/* ---- what park.c needs of its neighbours ---- */

/* A stack: where its first frame is, and the record above. */
struct model_stack {
    uintptr_t frame;
    struct stack record;
};

/* The first M's stacks are of the default size, those of the other aren't. */
struct stack *stack_get_slow(struct stack_class *class, struct stack_cache *cache)
{
    struct model_stack *s = malloc(sizeof *s);
    (void)class, (void)cache;
    s->record.low = NULL;
    s->record.bytes = 0;
    s->record.pooled = m_self() == &ms[0];
    s->record.guard = GUARD_CHEAP;
    return &s->record;
}

void stack_put_slow(struct stack_class *class, struct stack_cache *cache, struct stack *s)
{
    (void)class, (void)cache;
    free(container_of(s, struct model_stack, record));
}

void bare_stack_left(const struct g *g)
{
    (void)g;
}

int *os_errno_location(void)
{
    return m_self()->errno_location;
}

int weft_num_goroutine(void)
{
    return 1;
}

void wake_slow(struct p *here)
{
    (void)here; /* both Ms are awake */
}

/* ---- goroutines and Ms ---- */

static void g_make(struct g *g, weft_fn fn, void *arg, struct p *queue)
{
    g->waiter.g = g;
    g->fn = fn;
    g->arg = arg;
    atomic_store_relaxed(&g->state, G_ALIVE);
    REQUIRE(deque_push(&queue->runq, g) == 0);
}

/* What find_runnable comes to: here, with no goroutine's on_cpu set, one may be waited for. */
static struct g *pick(struct p *here)
{
    struct g *g = runq_take_next(here);
    if (!g)
        g = runq_take_queued(here);
    if (g)
        AWAIT(!atomic_load_acquire(&g->on_cpu));
    return g;
}

static void *m_thread(void *arg)
{
    struct m *m = arg;
    model_m = m;
    for (struct g *g; (g = pick(m->p));)
        sched_run_g(m, g);
    return NULL;
}

static void retire(struct deque_array *a)
{
    alloc_free(a);
}

static void ms_init(void)
{
    for (int i = 0; i < MS; i++) {
        ms[i].p = &p[i];
        ms[i].errno_location = &errno_of[i];
        ms[i].exceptions = &sched.no_exceptions;
        deque_init(&p[i].runq, retire);
        atomic_store_relaxed(&p[i].picks_left, SLOW_PICK_EVERY);
    }
}

#endif
