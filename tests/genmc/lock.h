/* SPDX-License-Identifier: Apache-2.0
 * lock.h - a goroutine that is locked to the first of two Ms, and what lock.c needs of its neighbours. */
#ifndef WEFT_TESTS_GENMC_LOCK_H
#define WEFT_TESTS_GENMC_LOCK_H

struct sched sched;
_Thread_local struct m *tls_m; /* model_m stands for it */

static struct g g;
static struct p p[2];
static struct m ms[2];
static int on_stack; /* plain: what the goroutine left on its stack */

int os_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t deadline)
{
    REQUIRE(deadline == OS_FOREVER);
    AWAIT(atomic_load_acquire(word) != expected);
    return 0;
}

void os_futex_wake(_Atomic(uint32_t) *word, int n)
{
    (void)word, (void)n;
}

void alloc_bind(struct alloc_arena *arena)
{
    (void)arena;
}

void qsbr_offline(void) {}
void qsbr_online(void) {}

bool m_give_p_away(struct m *m)
{
    m->p = NULL;
    return false;
}

void m_hold(struct m *m, struct p *handed)
{
    m->p = handed;
}

static void lock_init(void)
{
    for (int i = 0; i < 2; i++) {
        ms[i].p = &p[i];
        atomic_store_relaxed(&ms[i].state, M_RUNNING);
    }
    ms[0].locked_g = &g;
    g.flags = G_LOCKED;
    g.locked_to = &ms[0];
    atomic_store_relaxed(&g.on_cpu, ON_CPU);
    atomic_store_relaxed(&ms[0].park, M_HANDED); /* of an earlier wait */
}

/* The goroutine stops, and its M arrives on the scheduler's stack. */
static void leaves(struct m *m)
{
    on_stack = 1;
    g_left_locked(m, &g);
}

#endif
