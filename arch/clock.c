/* SPDX-License-Identifier: Apache-2.0
 * clock.c - the pieces of clock.h: which comes after which, and how it is published. */
#include "arch/clock.h"

#include <stddef.h>

#include "arch/os.h"

_Static_assert(offsetof(struct clock_piece, from) == 0 &&
                   offsetof(struct clock_piece, length) == 8 &&
                   offsetof(struct clock_piece, slope) == 16 &&
                   offsetof(struct clock_piece, ns) == 24,
               "clock_at() takes them by number");

SANITIZE_OWNER_DATA_BEGIN

/* By hand, a bit at a time: the compiler's library would do it, but isn't marked for BTI everywhere. */
static uint64_t divide(unsigned __int128 a, uint64_t b)
{
    unsigned __int128 rest = 0;
    uint64_t quotient = 0;
    for (int bit = 8 * (int)sizeof(a) - 1; bit >= 0; bit--) {
        rest = rest << 1 | (a >> bit & 1);
        quotient = quotient << 1 | (rest >= b);
        rest -= rest >= b ? b : 0;
    }
    return quotient;
}

static uint64_t slope_of(uint64_t ns, uint64_t counts)
{
    return divide((unsigned __int128)ns << CLOCK_SHIFT, counts);
}

static uint64_t counts_of(int64_t ns, uint64_t rate)
{
    return divide((unsigned __int128)ns << CLOCK_SHIFT, rate);
}

/* ---- what comes after a piece ---- */

/* Whether readings that are so wide, and so many counts apart, give a rate and an offset, where ns pass in `per` counts. Without
 * a division: while there is no rate this is asked at every question. */
static bool is_sharp(uint64_t width, uint64_t counts, uint64_t ns, uint64_t per)
{
    unsigned __int128 blur = width, limit = per;
    blur *= ns;
    limit *= CLOCK_SHARP_NS;
    return width <= counts >> 16 && blur <= limit;
}

/* Clocks are steered by less than that, even twice as fast for a while to make up for a beginning within a piece. */
static bool is_far_from(uint64_t slope, uint64_t rate)
{
    return (slope > rate ? slope - rate : rate - slope) > rate / 4;
}

/* Of the kernel's kind. */
static void begin_anew(struct clock_piece *next, int64_t floor, uint64_t restarts)
{
    next->from = next->length = next->slope = next->rate = next->read_at = 0;
    next->read_ns = 0;
    next->ns = floor;
    next->restarts = restarts;
}

static void note_reading(struct clock_piece *next, const struct clock_reading *now, uint64_t rate)
{
    next->rate = rate;
    next->read_at = now->counter;
    next->read_ns = now->ns;
}

/* By the kernel's clock: a first reading, then a rate when the second is far enough from it. False: not yet. */
static bool after_kernels(const struct clock_piece *p, const struct clock_reading *now,
                          struct clock_piece *next)
{
    begin_anew(next, p->ns, p->restarts);
    if (p->restarts >= CLOCK_RESTARTS)
        return false;
    if (!p->read_at ||
        now->width < p->rate / 2) { /* the first of all is slow, or it was interrupted */
        note_reading(next, now, now->width);
        return true;
    }
    int64_t passed = now->ns - p->read_ns;
    uint64_t counts = now->counter - p->read_at, width = p->rate + now->width;
    if (passed < CLOCK_FIRST_NS)
        return false;
    if ((int64_t)counts <= passed >> 14) { /* it jumped, or as good as stands still */
        next->restarts++;
        return true;
    }
    if (!is_sharp(width, counts, (uint64_t)passed, counts))
        return false;
    note_reading(next, now, slope_of((uint64_t)passed, counts));
    next->from = now->counter;
    next->length = counts_of(CLOCK_FIRST_NS, next->rate);
    next->slope = next->rate;
    next->ns = clock_line((uint64_t)now->ns + 1, next->rate, width);
    return next->ns >= p->ns;
}

/* The time shall be the kernel's again when this piece ends. False: one of the two clocks jumped. */
static bool aim(const struct clock_piece *p, const struct clock_reading *now, uint64_t beyond,
                struct clock_piece *next)
{
    int64_t passed = now->ns - p->read_ns;
    int64_t ahead = passed < CLOCK_PIECE_NS / 2 ? 2 * passed : CLOCK_PIECE_NS;
    note_reading(next, now, slope_of((uint64_t)passed, now->counter - p->read_at));
    if (now->ns + ahead <= next->ns)
        return false;
    next->length = beyond + counts_of(ahead, next->rate);
    next->slope = slope_of((uint64_t)(now->ns + ahead - next->ns), next->length);
    return !is_far_from(next->slope, p->rate);
}

/* A straight one, from where the last ends. After a reading that isn't sharp: straight on. */
static void after_straight(const struct clock_piece *p, const struct clock_reading *now,
                           struct clock_piece *next)
{
    int64_t end = clock_line((uint64_t)p->ns, p->slope, p->length);
    uint64_t counts = now->counter - p->read_at, beyond = now->counter - (p->from + p->length);
    next->from = p->from + p->length;
    next->length = beyond + counts_of(CLOCK_FIRST_NS, p->rate);
    next->slope = next->rate = p->rate;
    next->ns = end;
    next->read_at = p->read_at;
    next->read_ns = p->read_ns;
    next->restarts = p->restarts;
    bool can_be = now->ns > p->read_ns && (int64_t)counts > 0 && (int64_t)beyond >= 0;
    bool sharp = is_sharp(now->width, counts, p->rate, UINT64_C(1) << CLOCK_SHIFT);
    if (!can_be || (sharp && !aim(p, now, beyond, next)))
        begin_anew(next, end, p->restarts + 1);
}

/* ---- reading and publishing ---- */

static bool piece_read(struct clock *clock, uint64_t current, struct clock_piece *out)
{
    struct clock_slot *slot = &clock->slots[current % (1 << CLOCK_SLOT_BITS)];
    for (int i = 0; i < CLOCK_WORDS; i++)
        ((uint64_t *)out)[i] = atomic_load_acquire(&slot->words[i]);
    return atomic_load_relaxed(&clock->current) == current; /* [CLOCK-1] */
}

static unsigned slot_take(struct clock *clock)
{
    uint64_t taken = atomic_load_relaxed(&clock->taken);
    for (;;) {
        unsigned free = (unsigned)__builtin_ctzll(~taken);
        if (free >= CLOCK_SLOTS) { /* as many threads are stopped in the middle of this */
            os_yield();
            taken = atomic_load_relaxed(&clock->taken);
        } else if (atomic_cas_acq_rel(&clock->taken, &taken, taken | UINT64_C(1) << free)) {
            return free;
        }
    }
}

static void slot_give(struct clock *clock, uint64_t slot)
{
    atomic_and_acq_rel(&clock->taken, ~(UINT64_C(1) << slot));
}

static void publish(struct clock *clock, uint64_t current, const struct clock_piece *next)
{
    const uint64_t *words = (const uint64_t *)next;
    uint64_t slot = slot_take(clock);
    for (int i = 0; i < CLOCK_WORDS; i++)
        atomic_store_release(&clock->slots[slot].words[i], words[i]); /* [CLOCK-2] */
    uint64_t old = current % (1 << CLOCK_SLOT_BITS);
    uint64_t after = (current >> CLOCK_SLOT_BITS) + 1;
    bool published = atomic_cas_acq_rel(&clock->current, &current, after << CLOCK_SLOT_BITS | slot);
    slot_give(clock, published ? old : slot);
}

bool clock_read(struct clock *clock, const struct clock_reading *now, int64_t *out)
{
    struct clock_piece piece, next;
    for (;;) {
        uint64_t current = atomic_load_acquire(&clock->current);
        if (!piece_read(clock, current, &piece))
            continue;
        bool straight = piece.length != 0;
        uint64_t passed = now->counter - (straight ? piece.from : piece.read_at);
        if ((int64_t)passed < 0 && now->seen != current)
            return false;
        if (straight && passed < piece.length) {
            *out = clock_line((uint64_t)piece.ns, piece.slope, passed);
            return true;
        }
        if (straight && 0 - passed <= piece.length) { /* cores that aren't quite in step */
            *out = piece.ns;
            return true;
        }
        if (straight) {
            after_straight(&piece, now, &next);
        } else if (!after_kernels(&piece, now, &next)) {
            *out = now->ns > piece.ns ? now->ns : piece.ns;
            return true;
        }
        publish(clock, current, &next);
    }
}

bool clock_is_given_up(struct clock *clock)
{
    struct clock_piece piece;
    uint64_t current = atomic_load_acquire(&clock->current);
    return piece_read(clock, current, &piece) && piece.restarts >= CLOCK_RESTARTS;
}

SANITIZE_OWNER_DATA_END
