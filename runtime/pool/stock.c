/* SPDX-License-Identifier: Apache-2.0
 * stock.c - taking from another processor's stock. */
#include "runtime/pool/stock.h"

SANITIZE_OWNER_DATA_BEGIN

/* ---- the gate ---- */

bool stock_keeps(struct stock *s)
{
    uintptr_t gate = atomic_load_relaxed(stock_gate(s)), fences = gate & GATE_FENCES;
    if (fences)
        atomic_fence_full(); /* [GATE-1] */
    gate = atomic_load_acquire(stock_gate(s));
    while (gate == (fences | GATE_CLOSED))
        if (atomic_cas_acq_rel(stock_gate(s), &gate, fences | GATE_KEPT))
            return true;
    if (gate != (fences | GATE_TAKEN))
        return true;
    atomic_store_release(stock_gate(s), fences | GATE_OPEN); /* pairs with steal_hot() */
    return false;
}

/* The thief. */
static void *steal_hot(struct stock *s)
{
    uintptr_t gate = atomic_load_acquire(stock_gate(s)); /* pairs with stock_keeps() */
    uintptr_t open = gate & ~GATE_STATE, closed = open | GATE_CLOSED;
    if (gate != open)
        return NULL;
    atomic_store_relaxed(stock_gate(s), closed);
    bool fenced = os_fence_heavy(); /* [GATE-2] */
    void *object =
        fenced ? atomic_load_acquire(stock_hot(s)) : NULL; /* pairs with weft_pool_put() */
    if (atomic_cas_acq_rel(stock_gate(s), &closed, open | (object ? GATE_TAKEN : GATE_OPEN)))
        return object;
    atomic_store_relaxed(stock_gate(s), open); /* it was KEPT */
    return NULL;
}

/* ---- the ring ---- */

/* The thief. */
static uint32_t steal(struct stock *s, void **objects, uint32_t n)
{
    uint32_t head = atomic_load_relaxed(&s->head), count = stock_ring_count(s);
    if (n > count)
        n = count;
    if (n == 0)
        return 0;
    atomic_store_relaxed(&s->head, head + n);
    bool fenced = os_fence_heavy(); /* [STOCK-2] */
    uint32_t tail = atomic_load_acquire(&s->tail);
    if (!fenced || (int32_t)(tail - head - n) < 0) {
        atomic_store_relaxed(&s->head, head);
        return 0;
    }
    for (uint32_t i = 0; i < n; i++)
        objects[i] = atomic_load_relaxed(&s->slots[(head + i) % STOCK_SIZE]);
    atomic_store_release(&s->done, head + n);
    return n;
}

/* ---- for anybody ---- */

static bool become_thief(struct stock *s)
{
    uint32_t nobody = 0;
    return atomic_cas_acq_rel(&s->thief, &nobody, 1);
}

uint32_t stock_steal(struct stock *s, void **objects, uint32_t n)
{
    if (!stock_ring_count(s) || !become_thief(s))
        return 0;
    n = steal(s, objects, n);
    atomic_store_release(&s->thief, 0);
    return n;
}

void *stock_steal_hot(struct stock *s)
{
    if (!stock_has_hot(s) || !become_thief(s))
        return NULL;
    void *object = steal_hot(s);
    atomic_store_release(&s->thief, 0);
    return object;
}

SANITIZE_OWNER_DATA_END
