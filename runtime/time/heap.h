/* SPDX-License-Identifier: Apache-2.0
 * heap.h - a 4-ary min-heap of timers by deadline, ties in the order of arming. Not thread-safe. */
#ifndef WEFT_TIME_HEAP_H
#define WEFT_TIME_HEAP_H

#include <stddef.h>
#include <stdint.h>

struct timer;

struct heap_entry {
    int64_t when;
    uint64_t order;
    struct timer *timer;
};

struct heap {
    struct heap_entry *entries;
    size_t size, capacity;
    uint64_t order; /* of the next push */
};

int heap_push(struct heap *h, int64_t when, struct timer *t); /* 0 or -ENOMEM */
struct timer *heap_pop(struct heap *h);                       /* the earliest; not when empty */
/* Keep only what keep() says. */
void heap_filter(struct heap *h, int (*keep)(struct timer *t, void *arg), void *arg);
void heap_free(struct heap *h);

static inline int64_t heap_earliest(const struct heap *h)
{
    return h->size ? h->entries[0].when : INT64_MAX;
}

#endif
