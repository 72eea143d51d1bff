/* SPDX-License-Identifier: Apache-2.0
 * go.c - starting goroutines.
 *
 * A fresh goroutine is its descriptor only; it gets a stack when it first runs. It becomes `next` of
 * this P, and what stood there goes to the tail. Cost: 1 RMW (the swap of `next`); no call into the
 * allocator but for a slab every few hundred descriptors.
 *
 * Who started it is for reports: where that call returns to, and the caller's id. It lies where the context will be, in
 * the one cache line that a start writes to, and moves to the stack's record with the first run. */
#include <errno.h>
#include <string.h>

#include "runtime/sched/runq.h"

SANITIZE_OWNER_DATA_BEGIN

#define COPY_BYTES_MAX ((size_t)64 << 10)

int g_carved(void *object)
{
    struct g *g = object;
    g->waiter.g = g;
    return waiter_register(&g->waiter);
}

static inline void g_init(struct g *g, uint64_t id, weft_fn fn, void *arg)
{
    WEFT_DEBUG_ASSERT(!g->flow.deferred && !atomic_load_relaxed(&g->waiting) && !g->locals &&
                      !g->watch.record && !g->waiter.cancellable);
    atomic_store_relaxed(&g->on_cpu, 0);
    g->flags = 0;
    arch_fp_save(&g->fp_control);
    g->stack = NULL;
    g->fn = fn;
    g->arg = arg;
    g->id = id;
}

static __attribute__((noinline)) uint64_t next_id_block(struct p *p)
{
    p->id_next = ids_take();
    p->id_end = p->id_next + ID_BLOCK;
    return p->id_next++;
}

static inline struct g *g_new_here(struct p *p, weft_fn fn, void *arg)
{
    struct g *g = slab_get(&sched.g_class, &p->gs);
    if (likely(g))
        g_init(g, likely(p->id_next != p->id_end) ? p->id_next++ : next_id_block(p), fn, arg);
    return g;
}

struct g *g_new(struct p *p, weft_fn fn, void *arg)
{
    if (likely(p))
        return g_new_here(p, fn, arg);
    uint64_t id;
    struct g *g = foreign_g(&id);
    if (g)
        g_init(g, id, fn, arg);
    return g;
}

/* One that was never launched. */
static void g_discard(struct p *p, struct g *g)
{
    if (p)
        g_free(p, g);
    else
        foreign_g_free(g);
}

static inline void g_push(struct p *p, struct g *g)
{
    g_is_to_run(g);
    counter_add(&p->started, 1);
    runq_push_next(p, g);
}

static __attribute__((noinline)) void g_launch_asked(struct m *m, struct p *p, struct g *g)
{
    if (unlikely(m_is_orphan(m))) { /* it would be of no run, and counted in the one that is on */
        if (g->stack) {
            sanitize_fiber_destroy(&g->fiber);
            stack_unmap(g->stack);
        }
        g_free(p, g);
        sched_abandon();
    }
    g_push(p, g);
    if (m->g)
        weft_yield(); /* find_runnable sees to it, whatever it is */
}

static inline void g_launch_here(struct m *m, struct p *p, struct g *g)
{
    if (likely(!atomic_load_relaxed(&m->asked)))
        g_push(p, g);
    else
        g_launch_asked(m, p, g);
}

/* Make a new goroutine runnable. */
static void g_launch(struct p *p, struct g *g)
{
    if (p) {
        g_launch_here(m_self(), p, g);
        return;
    }
    g_is_to_run(g);
    atomic_add_relaxed(&sched.foreign_started, 1);
    sched_inject(g);
}

/* Where a new goroutine starts: on this P, or (*p NULL) in the run in progress, which does not end
 * before start_leave. */
static int start_enter(struct p **p)
{
    *p = p_held();
    if (unlikely(*p && p_is_orphan(*p)))
        sched_abandon();
    return *p || foreign_enter() ? 0 : -ESRCH;
}

static int start_leave(struct p *p, int rc)
{
    if (!p)
        foreign_exit();
    else if (unlikely(rc))
        sched_checkpoint(); /* who tries until there is memory */
    return rc;
}

/* g was started by the caller of the function that returns to pc, goroutine `by` or, 0, none. */
static inline void g_origin(struct g *g, uint64_t by, const void *pc)
{
    g->began = (struct stack_origin){.pc = (uintptr_t)pc, .id = by};
}

static __attribute__((noinline)) int go_foreign(weft_fn fn, void *arg, void *pc)
{
    if (!foreign_enter())
        return -ESRCH;
    struct g *g = g_new(NULL, fn, arg);
    if (g) {
        g_origin(g, 0, pc);
        g_launch(NULL, g);
    }
    foreign_exit();
    return g ? 0 : -ENOMEM;
}

int weft_go(weft_fn fn, void *arg)
{
    struct m *m = m_self();
    struct p *p = likely(m) ? m->p : NULL;
    if (unlikely(!fn))
        return -EINVAL;
    if (unlikely(!p))
        return go_foreign(fn, arg, __builtin_return_address(0));
    struct g *g = g_new_here(p, fn, arg);
    if (unlikely(!g))
        return start_leave(p, -ENOMEM);
    g_origin(g, m->g->id, __builtin_return_address(0));
    g_launch_here(m, p, g);
    return 0;
}

/* g->arg becomes a copy of arg. 0 or -ENOMEM. */
static int copy_arg(struct g *g, const void *arg, size_t n)
{
    g->arg = g->inline_arg;
    if (n > INLINE_ARG_BYTES || SANITIZE_FRESH_STACKS) {
        g->arg = alloc_aligned(16, n);
        if (!g->arg)
            return -ENOMEM;
        g->flags |= G_COPY;
    }
    if (n > 0)
        memcpy(g->arg, arg, n);
    return 0;
}

int sched_go_without_p(weft_fn fn, void *arg)
{
    return go_foreign(fn, arg, NULL);
}

int sched_go_in_order(weft_fn fn, void *arg)
{
    struct p *p = p_held();
    struct g *g = g_new_here(p, fn, arg);
    if (!g)
        return -ENOMEM;
    g_origin(g, 0, NULL); /* a timer */
    g_is_to_run(g);
    counter_add(&p->started, 1);
    runq_push_last(p, g);
    return 0;
}

int weft_go_copy(weft_fn fn, const void *arg, size_t n)
{
    struct p *p;
    if (!fn || (!arg && n > 0))
        return -EINVAL;
    if (n > COPY_BYTES_MAX)
        return -E2BIG;
    int rc = start_enter(&p);
    if (rc)
        return rc;
    struct g *g = g_new(p, fn, NULL);
    if (!g)
        return start_leave(p, -ENOMEM);
    g_origin(g, weft_self(), __builtin_return_address(0));
    rc = copy_arg(g, arg, n);
    if (rc)
        g_discard(p, g);
    else
        g_launch(p, g);
    return start_leave(p, rc);
}

/* A stack of its own size, mapped now, so that the caller learns of it when there is no room. */
static int own_stack(struct g *g, size_t bytes)
{
    if (bytes == 0 || bytes == sched.stack_class.bytes)
        return 0;
    g->stack = stack_get_sized(bytes);
    if (!g->stack)
        return -ENOMEM;
    g->stack->began = g->began;
    g_prepare(g);
    return 0;
}

int sched_go_called(const void *caller, const weft_go_options *options, weft_fn fn, void *arg)
{
    struct p *p;
    size_t stack_bytes = options ? options->stack_size : 0;
    if (!fn || (stack_bytes && (stack_bytes < STACK_BYTES_MIN || stack_bytes > STACK_BYTES_MAX)))
        return -EINVAL;
    int rc = start_enter(&p);
    if (rc)
        return rc;
    struct g *g = g_new(p, fn, arg);
    if (!g)
        return start_leave(p, -ENOMEM);
    g_origin(g, weft_self(), caller);
    if (options && options->name) {
        g->flags |= G_NAMED;
        g->name[0] = '\0';
        strncat(g->name, options->name, NAME_BYTES - 1);
    }
    rc = own_stack(g, stack_bytes);
    if (rc)
        g_discard(p, g);
    else
        g_launch(p, g);
    return start_leave(p, rc);
}

int weft_go_with(const weft_go_options *options, weft_fn fn, void *arg)
{
    return sched_go_called(__builtin_return_address(0), options, fn, arg);
}

uint64_t weft_self(void)
{
    struct m *m = m_self();
    return m && m->g ? m->g->id : 0;
}

void sched_set_watch(struct sched_g *sched_g, struct waiter *record)
{
    struct g *g = (struct g *)sched_g;
    g->watch.record = record;
    g->flags |= G_WATCHES;
}

void g_end_watch(struct g *g)
{
    struct waiter *record = g->watch.record;
    g->watch = (struct sched_watch){0};
    if (record)
        record->unlink(record);
}

SANITIZE_OWNER_DATA_END
