/* SPDX-License-Identifier: Apache-2.0
 * wheel.h - a hierarchical timing wheel: entries by deadline. Adding and removing take constant time and no memory;
 * they come out in the exact order of their deadlines, ties in the order in which they were added. Not
 * thread-safe. */
#ifndef WEFT_TIME_WHEEL_H
#define WEFT_TIME_WHEEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/assert.h"
#include "arch/atomic.h"

#define WHEEL_SLOT_BITS 6
#define WHEEL_SLOTS (1 << WHEEL_SLOT_BITS)
#define WHEEL_UNIT_BITS 10 /* a slot of the lowest level is 1.024 us */
#define WHEEL_LEVELS 9     /* 10 + 9 * 6 bits: every int64_t */

struct wheel_entry {
    struct wheel_entry *next, *prev; /* next is the user's while it is in no wheel */
    _Atomic(int64_t) when;           /* the user's; doesn't change while it is in a wheel */
    uint32_t place;                  /* 1 + level and slot; 0: in no wheel. Zeroed is ready */
};

struct wheel_slot {
    struct wheel_entry *first, *last;
    int64_t soonest; /* if it is occupied: none is before that */
};

/* Zeroed is empty. */
struct wheel {
    int64_t cursor; /* all before it has come out */
    bool sorted;    /* the cursor's slot of the lowest level is, and its soonest is exact */
    uint64_t occupied[WHEEL_LEVELS]; /* a bit a slot */
    struct wheel_slot slots[WHEEL_LEVELS][WHEEL_SLOTS];
};

/* Take out the next of those whose deadline is now or before; NULL: there are none. now doesn't go back. */
struct wheel_entry *wheel_expire(struct wheel *w, int64_t now);

/* Take out any; NULL: it is empty. */
struct wheel_entry *wheel_take_any(struct wheel *w);

/* When to look for the next: never after the first deadline. After wheel_expire() has given NULL for `now` it is later
 * than now. INT64_MAX: empty, or it never comes. */
int64_t wheel_soonest(const struct wheel *w);

SANITIZE_OWNER_DATA_BEGIN

static inline void wheel_add(struct wheel *w, struct wheel_entry *e)
{
    int64_t when = atomic_load_relaxed(&e->when), at = when > w->cursor ? when : w->cursor;
    uint64_t differs = (uint64_t)(at ^ w->cursor) >> WHEEL_UNIT_BITS;
    unsigned level = (63 - (unsigned)__builtin_clzll(differs | 1)) / WHEEL_SLOT_BITS;
    unsigned slot =
        (unsigned)((uint64_t)at >> (WHEEL_UNIT_BITS + level * WHEEL_SLOT_BITS)) % WHEEL_SLOTS;
    struct wheel_slot *s = &w->slots[level][slot];
    struct wheel_entry *last = s->last;
    e->place = 1 + level * WHEEL_SLOTS + slot;
    e->next = NULL;
    e->prev = last;
    s->last = e;
    if (last) {
        last->next = e;
        if (when < s->soonest)
            s->soonest = when;
    } else {
        s->first = e;
        s->soonest = when;
        w->occupied[level] |= UINT64_C(1) << slot;
    }
    if (differs == 0)
        w->sorted = false;
}

static inline void wheel_remove(struct wheel *w, struct wheel_entry *e)
{
    WEFT_DEBUG_ASSERT(e->place);
    unsigned level = (e->place - 1) / WHEEL_SLOTS, slot = (e->place - 1) % WHEEL_SLOTS;
    struct wheel_slot *s = &w->slots[level][slot];
    struct wheel_entry *next = e->next, *prev = e->prev;
    if (prev)
        prev->next = next;
    else
        s->first = next;
    if (next)
        next->prev = prev;
    else
        s->last = prev;
    if (!next && !prev)
        w->occupied[level] &= ~(UINT64_C(1) << slot);
    e->place = 0;
}

SANITIZE_OWNER_DATA_END

#endif
