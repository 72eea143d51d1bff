/* SPDX-License-Identifier: Apache-2.0
 * deque.c - growing and stealing. See deque.h for the protocol. */
#include "runtime/sched/deque.h"

#include <errno.h>

#include "alloc/alloc.h"

SANITIZE_OWNER_DATA_BEGIN

static struct deque_array *array_new(uint64_t capacity)
{
    if (capacity > (SIZE_MAX - sizeof(struct deque_array)) / sizeof(void *))
        return NULL;
    struct deque_array *a =
        alloc_aligned(CACHE_LINE, sizeof *a + (size_t)capacity * sizeof a->slots[0]);
    if (a)
        a->mask = capacity - 1;
    return a;
}

int deque_init(struct deque *d, void (*retire)(struct deque_array *))
{
    struct deque_array *a = array_new(DEQUE_CAPACITY_MIN);
    if (!a)
        return -ENOMEM;
    atomic_store_relaxed(&d->head, 0);
    atomic_store_relaxed(&d->tail, 0);
    atomic_store_relaxed(&d->array, a);
    d->retire = retire;
    return 0;
}

void deque_destroy(struct deque *d)
{
    alloc_free(atomic_load_relaxed(&d->array));
    atomic_store_relaxed(&d->array, NULL);
}

int deque_reserve(struct deque *d, uint64_t n)
{
    struct deque_array *old = atomic_load_relaxed(&d->array);
    uint64_t tail = atomic_load_relaxed(&d->tail);
    uint64_t head = atomic_load_acquire(&d->head);
    uint64_t need = tail - head + n, capacity = old->mask + 1;
    if (need <= capacity)
        return 0;
    while (capacity < need)
        capacity *= 2;
    struct deque_array *new = array_new(capacity);
    if (!new)
        return -ENOMEM;
    for (uint64_t i = head; i != tail; i++)
        atomic_store_relaxed(&new->slots[i & new->mask],
                             atomic_load_relaxed(&old->slots[i & old->mask]));
    /* Before the tail that makes new elements visible: a thief who sees those sees this array. */
    atomic_store_release(&d->array, new);
    d->retire(old);
    return 0;
}

void *deque_steal_half(struct deque *from, struct deque *into, unsigned *stolen)
{
    *stolen = 0;
    uint64_t head = atomic_load_acquire(&from->head);
    uint64_t size = atomic_load_acquire(&from->tail) - head; /* pairs with deque_push's release */
    if (size == 0)
        return NULL;
    uint64_t n = (size + 1) / 2;
    if (n > DEQUE_STEAL_MAX)
        n = DEQUE_STEAL_MAX;
    if (n > 1 && deque_reserve(into, n - 1))
        n = 1;
    /* Read after the tail, so at least as new as every element below it. */
    struct deque_array *a = atomic_load_acquire(&from->array);
    struct deque_array *b = atomic_load_relaxed(&into->array);
    uint64_t tail = atomic_load_relaxed(&into->tail);
    void *first = atomic_load_relaxed(&a->slots[head & a->mask]);
    for (uint64_t i = 1; i < n; i++)
        atomic_store_relaxed(&b->slots[(tail + i - 1) & b->mask],
                             atomic_load_relaxed(&a->slots[(head + i) & a->mask]));
    if (!atomic_cas_acq_rel(&from->head, &head, head + n))
        return NULL; /* what was copied lies beyond our tail: nobody has seen it */
    if (n > 1)
        atomic_store_release(&into->tail, tail + n - 1);
    *stolen = (unsigned)n;
    return first;
}

SANITIZE_OWNER_DATA_END
