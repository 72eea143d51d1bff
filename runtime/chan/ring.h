/* SPDX-License-Identifier: Apache-2.0
 * ring.h - the cells of a buffered channel.
 *
 * A position is 31 bits: the low ones, by index_mask, say which cell, the others which time round. There is one
 * cell more than the capacity, so the cell behind the last element is never that of the first.
 *
 *   cell.lo = position : 31 | WIDE : 1 | content : 32
 *
 * The content is the name of a node; or the element, up to 8 bytes of it as a number: when that fits 32 bits with
 * its sign, here; else (WIDE) in cell.hi. A cell whose position is one round before the tail's is free for it.
 *
 * Putting is one CAS of the cell behind the last element; it doesn't count until the tail in the state word
 * passes it (try.c). What a cell of a node channel has in place of hi is the next cell's lo. */
#ifndef WEFT_CHAN_RING_H
#define WEFT_CHAN_RING_H

#include <string.h>

#include "arch/sanitize.h"
#include "runtime/chan/chan.h"
#include "runtime/chan/nodes.h"

#define CELL_WIDE (UINT64_C(1) << 32)

SANITIZE_OWNER_DATA_BEGIN

static inline uint32_t ring_masked(uint32_t position)
{
    return position & (UINT32_MAX >> 1);
}

/* The position that comes `count` after that of the state; count <= capacity + 1. */
static inline uint32_t ring_after(const struct weft_chan *ch, uint32_t position, uint32_t count)
{
    uint32_t index = (position & ch->index_mask) + count;
    return ring_masked(position + count + (index >= ch->cells ? ch->skip : 0));
}

static inline uint32_t ring_round_before(const struct weft_chan *ch, uint32_t position)
{
    return ring_masked(position - ch->index_mask - 1);
}

static inline uint32_t ring_tail(const struct weft_chan *ch, uint64_t state)
{
    return ring_after(ch, chan_position(state), chan_count(ch, state));
}

static inline uint32_t cell_position(uint64_t lo)
{
    return (uint32_t)(lo >> POSITION_SHIFT);
}

static inline struct atomic_pair *ring_pair(const struct weft_chan *ch, uint32_t position)
{
    return (struct atomic_pair *)ch->ring + (position & ch->index_mask);
}

/* The lo of the cell at a position. */
static inline __attribute__((always_inline)) _Atomic(uint64_t) *
ring_cell(const struct weft_chan *ch, uint32_t position, enum chan_form form)
{
    if (form == FORM_WORD)
        return &ring_pair(ch, position)->lo;
    return (_Atomic(uint64_t) *)ch->ring + (position & ch->index_mask);
}

/* What is to be put: the element as a number, or its node's name. */
static inline uint64_t ring_load(const void *elem, size_t size)
{
    uint64_t value = 0;
    if (likely(size == 8))
        memcpy(&value, elem, 8);
    else
        memcpy(&value, elem, size);
    return value;
}

/* Put value into the cell, from what it was. False: it has changed. */
static inline __attribute__((always_inline)) bool ring_put(const struct weft_chan *ch,
                                                           uint32_t position, uint64_t was,
                                                           uint64_t value, enum chan_form form)
{
    uint64_t lo = (uint64_t)position << POSITION_SHIFT | (uint32_t)value;
    _Atomic(uint64_t) *cell = ring_cell(ch, position, form);
    if (form != FORM_WORD || likely((uint64_t)(int64_t)(int32_t)value == value))
        return atomic_cas_acq_rel(cell, &was, lo);
    struct atomic_pair *pair = ring_pair(ch, position);
    sanitize_release(pair);
    return atomic_cas_pair(pair, was, atomic_load_relaxed(&pair->hi), lo | CELL_WIDE, value);
}

/* What is in the cell at position; good if the state then still says that it is the oldest. */
static inline __attribute__((always_inline)) uint64_t ring_peek(const struct weft_chan *ch,
                                                                uint32_t position,
                                                                enum chan_form form)
{
    uint64_t lo = atomic_load_acquire(ring_cell(ch, position, form));
    if (form != FORM_WORD)
        return (uint32_t)lo;
    if (likely(!(lo & CELL_WIDE)))
        return (uint64_t)(int64_t)(int32_t)lo;
    return atomic_load_acquire(&ring_pair(ch, position)->hi);
}

/* Give the element that was peeked at and is now the caller's. */
static inline __attribute__((always_inline)) void ring_deliver(struct weft_chan *ch,
                                                               uint32_t position, uint64_t value,
                                                               void *out, enum chan_form form)
{
    if (form == FORM_NODE) {
        chan_copy(out, nodes_at(ch->nodes, (uint32_t)value), ch->elem_size);
        nodes_put(ch->nodes, (uint32_t)value);
        return;
    }
    sanitize_acquire(ring_pair(ch, position));
    if (likely(ch->elem_size == 8 && out))
        memcpy(out, &value, 8);
    else
        chan_copy_any(out, &value, ch->elem_size);
}

SANITIZE_OWNER_DATA_END

#endif
