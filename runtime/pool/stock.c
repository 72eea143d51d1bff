/* SPDX-License-Identifier: Apache-2.0
 * stock.c - taking from another processor's stock. */
#include "runtime/pool/stock.h"

SANITIZE_OWNER_DATA_BEGIN

/* The thief. */
static uint32_t steal(struct stock *s, void **objects, uint32_t n)
{
    uint32_t head = atomic_load_relaxed(&s->head), count = stock_count(s);
    if (n > count)
        n = count;
    if (n == 0)
        return 0;
    atomic_store_relaxed(&s->head, head + n);
    os_fence_heavy(); /* [STOCK-2] */
    uint32_t tail = atomic_load_acquire(&s->tail);
    if ((int32_t)(tail - head - n) < 0) {
        atomic_store_relaxed(&s->head, head);
        return 0;
    }
    for (uint32_t i = 0; i < n; i++)
        objects[i] = atomic_load_relaxed(&s->slots[(head + i) % STOCK_SIZE]);
    atomic_store_release(&s->done, head + n);
    return n;
}

uint32_t stock_steal(struct stock *s, void **objects, uint32_t n)
{
    uint32_t nobody = 0;
    if (!stock_count(s) || !atomic_cas_acq_rel(&s->thief, &nobody, 1))
        return 0;
    n = steal(s, objects, n);
    atomic_store_release(&s->thief, 0);
    return n;
}

SANITIZE_OWNER_DATA_END
