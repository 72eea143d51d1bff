/* SPDX-License-Identifier: Apache-2.0
 * wheel.c - the timing wheel of wheel.h, after Varghese and Lauck (SOSP 1987, scheme 7).
 *
 * A time is a number in base 64 with the unit below it. An entry lies in the level of the highest digit in which its
 * deadline differs from the cursor, in the slot of that digit; one that differs only below the unit, or is past, in the
 * cursor's own slot of the lowest level. So with d(l) the cursor's digit:
 *   - in level l > 0 only slots above d(l) are occupied, in level 0 none below d(0);
 *   - all entries of a level come before those of the levels above it.
 * The first is therefore in the lowest level that has any, in its first slot: two bit scans. The cursor goes from
 * slot to slot that way; an occupied slot that it comes to is spread over the lower levels, or, in the
 * lowest, sorted and taken from. It jumps to `now` once no occupied slot begins before that: digits above
 * stay what they were, so the invariants hold.
 *
 * Entries with one deadline are always in one slot, in the order in which they were added: one that was added later lies
 * in a lower level only if the cursor has come to the earlier one's slot and spread it. So a stable sort keeps ties.
 *
 * Sorting is what makes the order exact; a slot of 1 us mostly holds few, and those that share a deadline were mostly
 * added in order, which a first pass finds; many are sorted by digits, in two more passes. Each entry is spread 8 times at
 * most, on average much less: most timers are removed before, or are near.
 *
 * `soonest` is lowered by adding, and by nothing raised but leaving the slot empty or sorting it: so it may be too early
 * when the first was removed. A look at that time finds nothing due, and puts it right, since it spreads or sorts the
 * slot. Rejected: a heap (3 to 4 cache misses for each step of a million; removal in place needs an index kept in
 * each entry); firing by slot without an order, as most wheels do (sleepers would wake in disorder). */
#include "runtime/time/wheel.h"

#define RUNS_MAX 64  /* of 2^i entries */
#define DIGIT_BITS 5 /* half a unit's */
#define DIGITS (1 << DIGIT_BITS)
#define DIGITS_PAY 32 /* so many entries make up for the empty lists */

SANITIZE_OWNER_DATA_BEGIN

static inline int64_t when_of(const struct wheel_entry *e)
{
    return atomic_load_relaxed((_Atomic(int64_t) *)&e->when);
}

/* When a slot begins. */
static inline int64_t slot_begin(const struct wheel *w, unsigned level, unsigned slot)
{
    unsigned below = WHEEL_UNIT_BITS + level * WHEEL_SLOT_BITS;
    uint64_t above = ~(uint64_t)0 << below;
    above = below + WHEEL_SLOT_BITS < 64 ? above << WHEEL_SLOT_BITS : 0;
    return (int64_t)(((uint64_t)w->cursor & above) | (uint64_t)slot << below);
}

/* ---- sorting a slot ---- */

static void slot_append(struct wheel_slot *s, struct wheel_entry *e)
{
    e->next = NULL;
    e->prev = s->last;
    *(s->last ? &s->last->next : &s->first) = e;
    s->last = e;
}

static void slot_join(struct wheel_slot *s, struct wheel_slot *more)
{
    if (!more->first)
        return;
    more->first->prev = s->last;
    *(s->last ? &s->last->next : &s->first) = more->first;
    s->last = more->last;
}

/* Of ties a's come first. */
static struct wheel_entry *merge(struct wheel_entry *a, struct wheel_entry *b)
{
    struct wheel_entry *first = NULL, **end = &first;
    while (a && b) {
        struct wheel_entry **least = when_of(a) > when_of(b) ? &b : &a;
        *end = *least;
        end = &(*least)->next;
        *least = (*least)->next;
    }
    *end = a ? a : b;
    return first;
}

/* By merging runs that double; the older run comes first, as merge() keeps the order of ties. */
static struct wheel_entry *sort_by_merging(struct wheel_entry *list)
{
    struct wheel_entry *runs[RUNS_MAX] = {NULL};
    unsigned used = 0;
    while (list) {
        struct wheel_entry *run = list;
        list = list->next;
        run->next = NULL;
        unsigned i = 0;
        for (; runs[i]; i++) {
            run = merge(runs[i], run);
            runs[i] = NULL;
        }
        runs[i] = run;
        used = i >= used ? i + 1 : used;
    }
    struct wheel_entry *sorted = NULL;
    for (unsigned i = 0; i < used; i++)
        sorted = runs[i] ? merge(runs[i], sorted) : sorted;
    return sorted;
}

static void link_back(struct wheel_slot *s)
{
    struct wheel_entry *last = NULL;
    for (struct wheel_entry *e = s->first; e; last = e, e = e->next)
        e->prev = last;
    s->last = last;
}

/* By the lower half of their times within the unit, and then, which keeps that order, by the upper: two passes, however
 * many they are. All are in one unit. */
static void sort_by_digits(struct wheel_slot *s)
{
    for (int shift = 0; shift < WHEEL_UNIT_BITS; shift += DIGIT_BITS) {
        struct wheel_slot digits[DIGITS] = {0};
        for (struct wheel_entry *next, *e = s->first; e; e = next) {
            next = e->next;
            slot_append(&digits[(uint64_t)when_of(e) >> shift & (DIGITS - 1)], e);
        }
        *s = (struct wheel_slot){0};
        for (unsigned d = 0; d < DIGITS; d++)
            slot_join(s, &digits[d]);
    }
}

enum order { SORTED, DISORDERED, MANY_IN_DISORDER };

static enum order order_of(const struct wheel_entry *e)
{
    int n = 1;
    for (; e->next && when_of(e) <= when_of(e->next); e = e->next)
        n++;
    if (!e->next)
        return SORTED;
    for (; e->next && n < DIGITS_PAY; e = e->next)
        n++;
    return n < DIGITS_PAY ? DISORDERED : MANY_IN_DISORDER;
}

/* The slot that the cursor is in. */
static void sort_slot(struct wheel *w, unsigned slot)
{
    struct wheel_slot *s = &w->slots[0][slot];
    enum order order = order_of(s->first);
    bool past = s->soonest < slot_begin(w, 0, slot); /* when it was added */
    if (order == MANY_IN_DISORDER && !past) {
        sort_by_digits(s);
    } else if (order != SORTED) {
        s->first = sort_by_merging(s->first);
        link_back(s);
    }
    s->soonest = when_of(s->first);
    w->sorted = true;
}

/* ---- the cursor ---- */

/* The first slot. False: the wheel is empty. */
static inline bool find_first(const struct wheel *w, unsigned *level, unsigned *slot)
{
    for (unsigned l = 0; l < WHEEL_LEVELS; l++) {
        if (!w->occupied[l])
            continue;
        *level = l;
        *slot = (unsigned)__builtin_ctzll(w->occupied[l]);
        return true;
    }
    return false;
}

/* The cursor has come to the slot: its entries go to lower levels. */
static void spread(struct wheel *w, unsigned level, unsigned slot)
{
    struct wheel_entry *next, *e = w->slots[level][slot].first;
    w->slots[level][slot] = (struct wheel_slot){NULL, NULL, 0};
    w->occupied[level] &= ~(UINT64_C(1) << slot);
    for (; e; e = next) {
        next = e->next;
        wheel_add(w, e);
    }
}

static void move_cursor(struct wheel *w, int64_t to)
{
    if (to <= w->cursor)
        return;
    if ((uint64_t)(to ^ w->cursor) >> WHEEL_UNIT_BITS)
        w->sorted = false;
    w->cursor = to;
}

/* None is before: of a slot whose entries are all alike that spares the levels between. */
static int64_t cursor_for(const struct wheel *w, unsigned level, unsigned slot, int64_t now)
{
    int64_t begin = slot_begin(w, level, slot), soonest = w->slots[level][slot].soonest;
    soonest = soonest < now ? soonest : now;
    return soonest > begin ? soonest : begin;
}

/* The first of the slot that the cursor is in, if it is due. */
static struct wheel_entry *take_due(struct wheel *w, unsigned slot, int64_t now)
{
    if (!w->sorted)
        sort_slot(w, slot);
    struct wheel_entry *e = w->slots[0][slot].first;
    w->slots[0][slot].soonest = when_of(e);
    if (when_of(e) > now)
        return NULL;
    wheel_remove(w, e);
    return e;
}

struct wheel_entry *wheel_expire(struct wheel *w, int64_t now)
{
    unsigned level, slot;
    while (find_first(w, &level, &slot) && slot_begin(w, level, slot) <= now) {
        move_cursor(w, cursor_for(w, level, slot, now));
        if (level == 0) {
            struct wheel_entry *e = take_due(w, slot, now);
            if (e)
                return e;
            break;
        }
        spread(w, level, slot);
    }
    move_cursor(w, now);
    return NULL;
}

struct wheel_entry *wheel_take_any(struct wheel *w)
{
    unsigned level, slot;
    if (!find_first(w, &level, &slot))
        return NULL;
    struct wheel_entry *e = w->slots[level][slot].first;
    wheel_remove(w, e);
    return e;
}

int64_t wheel_soonest(const struct wheel *w)
{
    unsigned level, slot;
    return find_first(w, &level, &slot) ? w->slots[level][slot].soonest : INT64_MAX;
}

SANITIZE_OWNER_DATA_END
