/* SPDX-License-Identifier: Apache-2.0
 * foreign.c - threads that weft did not start, and threads inside weft_blocking: they have no P.
 *
 * Each has a record with a waiter (which waits on a futex), a cache of goroutine descriptors and a
 * list of deferred calls. Records are type-stable: a waker may still touch the waiter's futex when
 * its thread has gone on and exited. They are made at first use and go to a free list when the thread
 * exits. While such a thread touches a run it holds it: hold.c. */
#include <errno.h>

#include "runtime/hooks.h"
#include "runtime/sched/internal.h"

#define HELD_SPINS 2000 /* tens of microseconds; then its CPU may be wanted by who wakes it */

SANITIZE_OWNER_DATA_BEGIN

struct foreign {
    struct depot_node free; /* while it is free: a batch of one */
    struct waiter waiter;
    struct slab_cache gs, caches[SCHED_CACHES];
    uint64_t id_next, id_end, id_run; /* goroutine ids that are its own, in that run */
    struct sched_flow flow;
    struct locals *locals;
};

static _Thread_local struct foreign *tls_foreign;
static struct depot records;

static void foreign_release(void *record)
{
    struct foreign *f = record;
    locals_destroy();
    locals_free(&f->locals);
    tls_foreign = NULL;
    magazine_flush(&f->gs.free, &sched.g_class.depot);
    caches_flush(f->caches);
    f->flow = (struct sched_flow){0}; /* frames that the thread has ended in are gone */
    f->free.count = 1;
    depot_push(&records, &f->free);
}

static __attribute__((noinline)) struct foreign *foreign_make(void)
{
    struct depot_node *node = depot_pop(&records);
    struct foreign *f =
        node ? container_of(node, struct foreign, free) : alloc_zeroed(CACHE_LINE, sizeof *f);
    if (!f)
        return NULL;
    if (!f->waiter.name && waiter_register(&f->waiter)) {
        alloc_free(f);
        return NULL;
    }
    if (os_at_thread_exit(foreign_release, f)) {
        foreign_release(f);
        return NULL;
    }
    return tls_foreign = f;
}

static __attribute__((noinline)) struct foreign *foreign_self(void)
{
    return likely(tls_foreign) ? tls_foreign : foreign_make();
}

void sched_outside(int delta)
{
    atomic_add_acq_rel(&sched.outside, delta);
    if (delta < 0)
        sysmon_poke(); /* those who wait may have lost their hope */
}

struct g *foreign_g(uint64_t *id)
{
    struct foreign *f = foreign_self();
    if (unlikely(!f))
        return NULL;
    if (unlikely(f->id_next == f->id_end || f->id_run != sched_run_number())) {
        f->id_run = sched_run_number();
        f->id_next = ids_take();
        f->id_end = f->id_next + ID_BLOCK;
    }
    *id = f->id_next++;
    return slab_get(&sched.g_class, &f->gs);
}

void foreign_g_free(struct g *g)
{
    struct foreign *f = foreign_self();
    atomic_store_relaxed(&g->state, G_FREE);
    if (f)
        slab_put(&sched.g_class, &f->gs, g);
}

struct waiter *foreign_waiter(void)
{
    struct foreign *f = foreign_self();
    if (unlikely(!f))
        sched_fatal("out of memory: a foreign thread can't wait");
    f->waiter.g = NULL;
    f->waiter.cancellable = false;
    atomic_store_relaxed(&f->waiter.futex, 0);
    return &f->waiter;
}

struct slab_cache *foreign_cache(enum sched_cache which)
{
    struct foreign *f = foreign_self();
    return f ? &f->caches[which] : NULL;
}

struct locals *foreign_locals(void)
{
    return tls_foreign ? tls_foreign->locals : NULL;
}

bool foreign_set_locals(struct locals *t)
{
    struct foreign *f = foreign_self();
    if (f)
        f->locals = t;
    return f;
}

/* waiter.futex */
#define FUTEX_WOKEN 1u
#define FUTEX_SLEEPS 2u
#define FUTEX_SLEEPS_FOR_EVER 3u

/* sched.foreign_waits counts those that sleep for ever and were not woken (deadlock.c): never one that may run, unless its
 * waker is still there. */
#define WAITS_ONE ((UINT64_C(1) << 32) + 1)

bool waiter_wait_foreign_until(struct waiter *w, int64_t deadline)
{
    uint32_t word = atomic_load_acquire(&w->futex); /* pairs with foreign_wake(), like the next */
    uint32_t sleeps = deadline == OS_FOREVER ? FUTEX_SLEEPS_FOR_EVER : FUTEX_SLEEPS;
    while (word != FUTEX_WOKEN) {
        if (word != sleeps && !atomic_cas_acq_rel(&w->futex, &word, sleeps))
            continue;
        if (word != sleeps && sleeps == FUTEX_SLEEPS_FOR_EVER)
            atomic_add_acq_rel(&sched.foreign_waits, WAITS_ONE);
        int rc = os_futex_wait(&w->futex, sleeps, deadline);
        word = atomic_load_acquire(&w->futex);
        if (rc == -ETIMEDOUT && os_now() >= deadline)
            break;
    }
    return word == FUTEX_WOKEN;
}

void foreign_wait(struct waiter *w)
{
    bool held = sched_on_goroutine();
    for (unsigned i = held ? HELD_SPINS : 0; i && !atomic_load_acquire(&w->futex); i--)
        arch_relax();
    waiter_wait_foreign_until(w, OS_FOREVER);
    if (held)
        atomic_store_relaxed(&w->futex,
                             0); /* for its next wait; others' is reset by foreign_waiter() */
}

void foreign_wake(struct waiter *w)
{
    uint32_t was = atomic_swap_acq_rel(&w->futex, FUTEX_WOKEN);
    if (was == FUTEX_SLEEPS_FOR_EVER)
        atomic_sub_acq_rel(&sched.foreign_waits, 1); /* maybe before it is added */
    if (was != 0)
        os_futex_wake(&w->futex, 1);
}

/* Its waiter passes for a foreign thread's. */
void weft_priv_hold(bool on)
{
    struct m *m = m_self();
    if (m && m->g)
        m->g->waiter.g = on ? NULL : m->g;
}

struct sched_flow *foreign_flow(void)
{
    struct foreign *f = foreign_self();
    if (!f)
        sched_fatal("out of memory: no record for a foreign thread");
    return &f->flow;
}

SANITIZE_OWNER_DATA_END
