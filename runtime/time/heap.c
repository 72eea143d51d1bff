/* SPDX-License-Identifier: Apache-2.0
 * heap.c - the timer heap. Four children a node: half the levels of a binary heap, and the children's
 * deadlines lie side by side (LaMarca and Ladner, 1996). */
#include "runtime/time/heap.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "alloc/alloc.h"
#include "arch/arch.h"

#define HEAP_ARITY 4
#define HEAP_CAPACITY_MIN 16

SANITIZE_OWNER_DATA_BEGIN

static bool before(const struct heap_entry *a, const struct heap_entry *b)
{
    return a->when != b->when ? a->when < b->when : a->order < b->order;
}

static int grow(struct heap *h)
{
    size_t capacity = h->capacity ? 2 * h->capacity : HEAP_CAPACITY_MIN;
    struct heap_entry *entries =
        alloc_aligned(_Alignof(struct heap_entry), capacity * sizeof *entries);
    if (!entries)
        return -ENOMEM;
    if (h->size)
        memcpy(entries, h->entries, h->size * sizeof *entries);
    alloc_free(h->entries);
    h->entries = entries;
    h->capacity = capacity;
    return 0;
}

static void sift_up(struct heap *h, size_t i)
{
    struct heap_entry e = h->entries[i];
    while (i > 0 && before(&e, &h->entries[(i - 1) / HEAP_ARITY])) {
        h->entries[i] = h->entries[(i - 1) / HEAP_ARITY];
        i = (i - 1) / HEAP_ARITY;
    }
    h->entries[i] = e;
}

static void sift_down(struct heap *h, size_t i)
{
    struct heap_entry e = h->entries[i];
    for (;;) {
        size_t first = i * HEAP_ARITY + 1, least = first;
        if (first >= h->size)
            break;
        for (size_t c = first + 1; c < first + HEAP_ARITY && c < h->size; c++)
            if (before(&h->entries[c], &h->entries[least]))
                least = c;
        if (!before(&h->entries[least], &e))
            break;
        h->entries[i] = h->entries[least];
        i = least;
    }
    h->entries[i] = e;
}

int heap_push(struct heap *h, int64_t when, struct timer *t)
{
    if (h->size == h->capacity) {
        int rc = grow(h);
        if (rc)
            return rc;
    }
    h->entries[h->size] = (struct heap_entry){.when = when, .order = h->order++, .timer = t};
    sift_up(h, h->size++);
    return 0;
}

struct timer *heap_pop(struct heap *h)
{
    struct timer *t = h->entries[0].timer;
    h->entries[0] = h->entries[--h->size];
    if (h->size)
        sift_down(h, 0);
    return t;
}

void heap_filter(struct heap *h, int (*keep)(struct timer *t, void *arg), void *arg)
{
    size_t kept = 0;
    for (size_t i = 0; i < h->size; i++)
        if (keep(h->entries[i].timer, arg))
            h->entries[kept++] = h->entries[i];
    h->size = kept;
    for (size_t i = kept / HEAP_ARITY + 1; i-- > 0;)
        if (i < kept)
            sift_down(h, i);
}

void heap_free(struct heap *h)
{
    alloc_free(h->entries);
    *h = (struct heap){0};
}

SANITIZE_OWNER_DATA_END
