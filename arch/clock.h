/* SPDX-License-Identifier: Apache-2.0
 * clock.h - the time by the processor's counter: from a reading of counter and kernel's clock now and then, the
 * kernel's time at any count between.
 *
 * The time is a chain of straight pieces. Each says from which count on it holds, for how many, what the time is at its
 * beginning, and how it grows; once published it never changes. The next begins where it ends, at the time that it has
 * there. So the time is one function of the counter that never falls, whoever computes it, however late; between threads it
 * goes back no more than the counter does. Who finds the counter past the end adds a piece, aimed at the kernel's
 * time CLOCK_PIECE_NS from now: what the last was off by is gone by then.
 *
 * `current`: number of pieces << 8 | the slot that has the last one. A piece is written into a slot of the
 * writer's own and published by a CAS of current; of several writers one wins, the others take back theirs. Who read a slot
 * that was written anew meanwhile finds another current afterwards, as a slot is free only when current has left it
 * [CLOCK-1] [CLOCK-2]. So nobody waits for anybody, unless so many are stopped in the middle of this that they have all the slots.
 *
 * Before there is a rate, and after readings that can't be (a counter that jumps or stands still while a virtual machine
 * moves or sleeps), the last piece is of the other kind: it has no length, the time is the kernel's but never below a
 * floor, the end of the piece before. The first straight piece begins as far beyond the kernel's time as it may be off,
 * so that it is behind nobody who still read the kernel's.
 *
 * Cost: a read of the counter, a multiplication, 6 loads of one or two cache lines. Rejected: one piece behind a sequence lock (a
 * stopped writer stops every reader); pieces that begin when they are published (a reader that comes late with
 * an old one may be ahead of the new). */
#ifndef WEFT_ARCH_CLOCK_H
#define WEFT_ARCH_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/arch.h"
#include "arch/atomic.h"

#define CLOCK_SLOTS 16
#define CLOCK_SLOT_BITS 8
#define CLOCK_PIECE_NS INT64_C(100000000)
#define CLOCK_FIRST_NS INT64_C(20000000) /* so long there is no rate yet */
#define CLOCK_SHIFT 48
#define CLOCK_SHARP_NS 2000 /* readings that are off by more only bridge the time */
#define CLOCK_RESTARTS 8    /* so often a counter is tried again that was wrong */

/* The counter and the kernel's clock at one moment, known to half of `width` counts. */
struct clock_reading {
    uint64_t seen; /* clock.current, before it */
    uint64_t counter, width;
    int64_t ns;
};

struct clock_piece {
    uint64_t from, length; /* counts; length 0: the kernel's */
    uint64_t slope;        /* ns << CLOCK_SHIFT a count */
    int64_t ns;            /* at from; length 0: the floor */
    uint64_t rate;         /* the kernel's, as slope; length 0: the width of the reading */
    uint64_t read_at;      /* the reading that the next rate is computed from; 0: none yet */
    int64_t read_ns;
    uint64_t restarts;
};

enum { CLOCK_WORDS = sizeof(struct clock_piece) / sizeof(uint64_t) };

struct clock_slot {
    _Alignas(CACHE_LINE) _Atomic(uint64_t) words[CLOCK_WORDS]; /* a clock_piece */
};

struct clock {
    _Alignas(CACHE_LINE) _Atomic(uint64_t) current;
    _Alignas(CACHE_LINE) _Atomic(uint64_t) taken; /* bit i: slot i is somebody's */
    struct clock_slot slots[CLOCK_SLOTS];
};

/* clang-format off */
#define CLOCK_INIT {.current = 0, .taken = 1}
/* clang-format on */

static inline int64_t clock_line(uint64_t ns, uint64_t slope, uint64_t passed)
{
    return (int64_t)(ns + (uint64_t)((unsigned __int128)passed * slope >> CLOCK_SHIFT));
}

/* The time at a count, if the last piece has it. */
static inline bool clock_at(struct clock *clock, uint64_t counter, int64_t *out)
{
    uint64_t current = atomic_load_acquire(&clock->current);
    struct clock_slot *slot = &clock->slots[current % (1 << CLOCK_SLOT_BITS)];
    uint64_t passed = counter - atomic_load_acquire(&slot->words[0]);
    uint64_t length = atomic_load_acquire(&slot->words[1]);
    uint64_t slope = atomic_load_acquire(&slot->words[2]);
    uint64_t ns = atomic_load_acquire(&slot->words[3]);
    if (unlikely(passed >= length) || unlikely(atomic_load_relaxed(&clock->current) != current))
        return false; /* [CLOCK-1] */
    *out = clock_line(ns, slope, passed);
    return true;
}

/* The time at the moment of a reading; adds a piece where the last has it no more. False: others have added pieces since, and
 * the reading is older than the last; another is needed, to tell who comes late from a counter that goes back. */
bool clock_read(struct clock *clock, const struct clock_reading *now, int64_t *out);

/* The counter was wrong too often; the time is the kernel's from now on. */
bool clock_is_given_up(struct clock *clock);

#endif
