/* SPDX-License-Identifier: Apache-2.0
 * partial_graph.c - who could wake whom: all goroutines, what they wait for, and what leads from one to the other, as a graph
 * for reach.c. Made while nobody runs; what the rules are is told in partial.c. */
#include <errno.h>
#include <stdlib.h>

#include "runtime/sched/partial.h"

SANITIZE_OWNER_DATA_BEGIN

/* ---- passes over all of them ---- */

static void count(void *object, void *arg)
{
    struct look *l = arg;
    struct g *g = object;
    uint8_t state = atomic_load_acquire(&g->state);
    l->objects++;
    l->goroutines += state != G_FREE;
    l->alive += state == G_ALIVE;
    l->blocking |= state == G_BLOCKING;
    l->untold |= state == G_PARKED && !was_told(g);
}

void look_count(struct look *l)
{
    l->objects = l->goroutines = l->alive = 0;
    l->blocking = l->untold = false;
    slab_for_each(&sched.g_class, count, l);
}

struct pass {
    struct look *l;
    void (*fn)(struct g *g, struct look *l);
};

static void pass(void *object, void *arg)
{
    const struct pass *p = arg;
    struct g *g = object;
    if (atomic_load_acquire(&g->state) == G_FREE)
        return;
    p->fn(g, p->l);
    p->l->index++;
}

void look_each(struct look *l, void (*fn)(struct g *g, struct look *l))
{
    struct pass p = {l, fn};
    l->index = 0;
    slab_for_each(&sched.g_class, pass, &p);
}

/* ---- who is in a queue ---- */

static void add_queued(struct look *l, struct g *g)
{
    if (g && l->n_queued < l->room)
        l->queued[l->n_queued++] = g;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_queued(const struct look *l, struct g *g)
{
    return bsearch(&g, l->queued, l->n_queued, sizeof(struct g *), by_address);
}

/* More than there can be, if each is in one. */
static bool make_room_for_queued(struct look *l)
{
    l->room = l->objects + 1;
    l->queued = os_map(l->room * sizeof(struct g *));
    return l->queued;
}

static void note_queued(struct look *l)
{
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        struct p *p = sched.ps[i];
        struct deque_array *a = atomic_load_acquire(&p->runq.array);
        uint64_t head = atomic_load_acquire(&p->runq.head), n = deque_size(&p->runq);
        for (uint64_t at = head; at < head + n; at++)
            add_queued(l, atomic_load_relaxed(&a->slots[at & a->mask]));
        head = atomic_load_acquire(&p->fresh.top), n = fresh_size(&p->fresh);
        for (uint64_t at = head; at < head + n; at++)
            add_queued(l, atomic_load_relaxed(&p->fresh.slots[at % FRESH_MAX]));
        add_queued(l, atomic_load_acquire(&p->next));
    }
    for (struct g *g = atomic_load_acquire(&sched.injected); g; g = g->next)
        add_queued(l, g);
    for (unsigned i = 0, made = atomic_load_acquire(&sched.ms_made); i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        add_queued(l, m ? m->refused : NULL);
        add_queued(l, m ? m->gives_way : NULL);
    }
    qsort(l->queued, l->n_queued, sizeof(struct g *), by_address);
}

/* ---- what there is to be reached ---- */

static void skip(const void *block, size_t bytes, void *arg)
{
    reach_skip(arg, block, bytes);
}

static void skip_runtime(struct reach *r)
{
    slab_each_block(&sched.g_class, skip, r);
    waiter_each_block(skip, r);
    stack_each_block(&sched.stack_class, skip, r);
    for (unsigned i = 0, made = atomic_load_acquire(&sched.ms_made); i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        if (m)
            reach_skip(r, m, sizeof *m); /* in which contexts are that are over */
        if (m && atomic_load_acquire(&m->state) == M_RUNNING && m->stack_low)
            reach_skip(r, m->stack_low, (size_t)(m->stack_used - m->stack_low));
    }
    if (sched.main_stack)
        reach_skip(r, sched.main_stack->low, sched.main_stack->bytes); /* main may have left it */
}

static void add_goroutine(struct g *g, struct look *l)
{
    uint8_t state = atomic_load_acquire(&g->state);
    uint32_t life = reach_node(l->r), stack = reach_node(l->r);
    reach_edge(l->r, life, stack);
    reach_key(l->r, stack, g->inline_arg, sizeof g->inline_arg);
    reach_area(l->r, stack, g->inline_arg, sizeof g->inline_arg);
    if (g->stack) {
        char *sp = (char *)g->ctx.sp;
        bool is_there = sp >= g->stack->low && sp <= (char *)stack_top(g->stack);
        size_t used = is_there ? (size_t)((char *)stack_top(g->stack) - sp) : 0;
        l->elsewhere |= !is_there;
        reach_key(l->r, stack, sp, used);
        reach_area(l->r, stack, sp, used);
        reach_area(l->r, stack, &g->ctx, sizeof g->ctx);
        reach_skip(l->r, g->stack->low, g->stack->bytes);
    }
    if (state != G_PARKED) {
        reach_area(l->r, life, &g->fn,
                   sizeof g->fn); /* it may not have begun; the code may be on a stack, too */
        reach_area(l->r, life, &g->arg, sizeof g->arg);
    }
    l->alive_queued += state == G_ALIVE && is_queued(l, g);
}

/* ---- what they wait for ---- */

static void add_chan(const void *chan, size_t bytes, void *arg)
{
    struct look *l = arg;
    uint32_t node = reach_node(l->r);
    reach_key_and_area(l->r, node, chan, bytes);
    reach_edge(l->r, node, node_of_life(l->index));
}

/* False: by what it may be woken isn't known. */
static bool add_object(struct look *l, const void *object)
{
    uint32_t stack = reach_node_at(l->r, object);
    if (stack != REACH_NONE)
        reach_edge(l->r, stack, node_of_life(l->index));
    return stack != REACH_NONE;
}

static void add_once(struct look *l, const void *once)
{
    if (add_object(l, once))
        return;
    uint32_t node = reach_node(l->r);
    reach_skip(l->r, once, sizeof(uint64_t)); /* it leads to those who wait */
    reach_key(l->r, node, once, sizeof(uint64_t));
    reach_edge(l->r, node, node_of_life(l->index));
}

/* Of one that is parked. False: by what it may be woken isn't known. */
static bool add_wait(struct look *l, struct g *g)
{
    struct waiter *w = g_waits_with(g);
    enum wait_reason reason = reason_of(g);
    const void *once = reason == WAIT_MUTEX_LOCK ? once_waits_for(w) : NULL;
    switch (reason) {
    case WAIT_WAITGROUP:
    case WAIT_MUTEX_LOCK:
    case WAIT_RWMUTEX_RLOCK:
    case WAIT_RWMUTEX_LOCK:
    case WAIT_COND:
    case WAIT_SEM:
        if (w != &g->waiter || w->cancellable)
            return false;
        if (once)
            add_once(l, once);
        if (once || (reason == WAIT_SEM && !w->unlink)) /* for more units than there are */
            return true;
        return w->unlink && add_object(l, w->object);
    default:
        return chan_waits_for(w, reason, add_chan, l);
    }
}

static bool may_be_stuck(const struct look *l, struct g *g)
{
    return atomic_load_acquire(&g->state) == G_PARKED && !(g->flags & G_LOCKED) &&
           g_waits_with(g)->g == g && atomic_load_acquire(&g->on_cpu) != ON_CPU && !is_queued(l, g);
}

static void add_its_wait(struct g *g, struct look *l)
{
    if (!may_be_stuck(l, g) || !add_wait(l, g))
        reach_root(l->r, node_of_life(l->index));
}

/* ---- all of it ---- */

int look_gather(struct look *l)
{
    look_count(l);
    l->r = l->blocking || !make_room_for_queued(l) ? NULL : reach_begin(l->objects);
    if (!l->r)
        return -EAGAIN;
    note_queued(l);
    skip_runtime(l->r);
    reach_skip(l->r, l->queued, l->room * sizeof(struct g *));
    look_each(l, add_goroutine);
    if (l->alive_queued != l->alive || l->elsewhere)
        return -EAGAIN; /* somebody is on the way, or on a stack of the program's, where it isn't seen */
    look_each(l, add_its_wait);
    return 0;
}

void look_end(struct look *l)
{
    if (l->r)
        reach_end(l->r);
    if (l->queued)
        os_unmap(l->queued, l->room * sizeof(struct g *));
}

SANITIZE_OWNER_DATA_END
