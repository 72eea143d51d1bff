/* SPDX-License-Identifier: Apache-2.0
 * go.c - starting goroutines.
 *
 * A fresh goroutine is its descriptor only; it gets a stack when it first runs. It becomes `next` of
 * this P, and what stood there goes to the tail. Cost: 1 RMW (the swap of `next`); no call into the
 * allocator but for a slab every few hundred descriptors. */
#include <errno.h>
#include <string.h>

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#define COPY_BYTES_MAX ((size_t)64 << 10)

static inline uint64_t next_id(struct p *p)
{
    if (unlikely(p->id_next == p->id_end)) {
        p->id_next = atomic_add_relaxed(&sched.ids, ID_BLOCK) + 1;
        p->id_end = p->id_next + ID_BLOCK;
    }
    return p->id_next++;
}

static inline void g_init(struct g *g, weft_fn fn, void *arg)
{
    g->fn = fn;
    g->arg = arg;
    g->deferred = NULL;
    g->copy = NULL;
    g->exiting = false;
    g->name[0] = '\0';
    g->fp_control = arch_fp_control();
    g->waiter.g = g;
    atomic_store_relaxed(&g->on_cpu, 0);
    atomic_store_relaxed(&g->state, G_RUNNABLE);
}

/* A descriptor from this P, or by way of the foreign thread's record. NULL without memory. */
struct g *g_new(weft_fn fn, void *arg)
{
    struct m *m = m_self();
    struct g *g;
    if (likely(m && m->p)) {
        g = slab_get(&sched.g_class, &m->p->gs);
        if (unlikely(!g))
            return NULL;
        g->id = next_id(m->p);
    } else {
        g = foreign_g();
        if (!g)
            return NULL;
        g->id = atomic_add_relaxed(&sched.ids, 1) + 1;
    }
    g_init(g, fn, arg);
    return g;
}

void g_free(struct p *p, struct g *g)
{
    if (unlikely(g->copy))
        alloc_free(g->copy);
    atomic_store_relaxed(&g->state, G_FREE);
    slab_put(&sched.g_class, &p->gs, g);
}

/* One that was never launched. */
static void g_discard(struct g *g)
{
    struct m *m = m_self();
    if (m && m->p)
        g_free(m->p, g);
    else
        foreign_g_free(g);
}

/* Make a new goroutine runnable. */
static inline void g_launch(struct g *g)
{
    sanitize_release(g);
    struct m *m = m_self();
    if (likely(m && m->p)) {
        counter_add(&m->p->started, 1);
        runq_push_next(m->p, g);
        if (unlikely(atomic_load_relaxed(&sched.word) & WORD_STOP) && m->g)
            sched_abandon();
        return;
    }
    atomic_add_relaxed(&sched.foreign_started, 1);
    sched_inject(g);
}

/* Between these two the run doesn't end under a foreign thread; goroutines are part of the run. */
static inline int start_enter(bool *foreign)
{
    struct m *m = m_self();
    *foreign = !(m && m->p);
    return likely(!*foreign) || foreign_enter() ? 0 : -ESRCH;
}

static inline int start_exit(bool foreign, int rc)
{
    if (unlikely(foreign))
        foreign_exit();
    return rc;
}

int weft_go(weft_fn fn, void *arg)
{
    bool foreign;
    if (unlikely(!fn))
        return -EINVAL;
    int rc = start_enter(&foreign);
    if (unlikely(rc))
        return rc;
    struct g *g = g_new(fn, arg);
    if (unlikely(!g))
        return start_exit(foreign, -ENOMEM);
    g_launch(g);
    return start_exit(foreign, 0);
}

int weft_go_copy(weft_fn fn, const void *arg, size_t n)
{
    bool foreign;
    if (!fn || (!arg && n > 0))
        return -EINVAL;
    if (n > COPY_BYTES_MAX)
        return -E2BIG;
    int rc = start_enter(&foreign);
    if (rc)
        return rc;
    struct g *g = g_new(fn, NULL);
    if (!g)
        return start_exit(foreign, -ENOMEM);
    g->arg = g->inline_arg;
    if (n > INLINE_ARG_BYTES || SANITIZE_FRESH_STACKS) {
        g->copy = alloc_aligned(16, n);
        if (!g->copy) {
            g_discard(g);
            return start_exit(foreign, -ENOMEM);
        }
        g->arg = g->copy;
    }
    if (n > 0)
        memcpy(g->arg, arg, n);
    g_launch(g);
    return start_exit(foreign, 0);
}

int weft_go_with(const weft_go_options *options, weft_fn fn, void *arg)
{
    bool foreign;
    size_t stack_bytes = options ? options->stack_size : 0;
    if (!fn || (stack_bytes && (stack_bytes < STACK_BYTES_MIN || stack_bytes > STACK_BYTES_MAX)))
        return -EINVAL;
    int rc = start_enter(&foreign);
    if (rc)
        return rc;
    struct g *g = g_new(fn, arg);
    if (!g)
        return start_exit(foreign, -ENOMEM);
    if (options && options->name)
        strncat(g->name, options->name, NAME_BYTES - 1);
    if (stack_bytes && stack_bytes != sched.stack_class.bytes) {
        /* Mapped now, so that the caller learns of it when there is no room. */
        g->stack = stack_get_sized(stack_bytes);
        if (!g->stack) {
            g_discard(g);
            return start_exit(foreign, -ENOMEM);
        }
        g_prepare(g);
    }
    g_launch(g);
    return start_exit(foreign, 0);
}

uint64_t weft_self(void)
{
    struct m *m = m_self();
    return m && m->g ? m->g->id : 0;
}

struct weft_deferred **sched_deferred(void)
{
    struct m *m = m_self();
    return likely(m && m->g) ? &m->g->deferred : foreign_deferred();
}

SANITIZE_OWNER_DATA_END
