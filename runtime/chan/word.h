/* SPDX-License-Identifier: Apache-2.0
 * word.h - within runtime/chan/: the short ways through the buffer of a channel of words where nobody waits, as long as
 * nothing is asked of this thread. They call nothing. */
#ifndef WEFT_CHAN_WORD_H
#define WEFT_CHAN_WORD_H

#include "runtime/chan/ring.h"

SANITIZE_OWNER_DATA_BEGIN

/* What send_word comes to, if not to a position: that whose cell it has filled, and which may not count. */
enum { WORD_SENT = -1, WORD_NOT_SENT = -2 };

/* A word into a buffer that has room, where nobody waits, as long as nothing is asked of this thread. */
static inline __attribute__((always_inline)) int send_word(struct weft_chan *ch, const void *elem,
                                                           size_t size)
{
    uint64_t state = atomic_load_acquire(&ch->state);
    if ((state & (CHAN_CLOSED | CHAN_EITHER)) || chan_aux(state) == ch->capacity ||
        sched_is_asked())
        return WORD_NOT_SENT;
    uint32_t tail = ring_after(ch, chan_position(state), chan_aux(state));
    uint64_t lo = atomic_load_acquire(ring_cell(ch, tail, FORM_WORD));
    if (cell_position(lo) != ring_round_before(ch, tail) ||
        !ring_put(ch, tail, lo, ring_load(elem, size), FORM_WORD))
        return WORD_NOT_SENT;
    return likely(atomic_cas_acq_rel(&ch->state, &state, state + AUX_ONE)) ? WORD_SENT : (int)tail;
}

/* A word from a buffer that isn't empty, where nobody waits. False: not done. */
static inline __attribute__((always_inline)) bool recv_word(struct weft_chan *ch, void *out)
{
    uint64_t state = atomic_load_acquire(&ch->state);
    if ((state & CHAN_EITHER) || chan_aux(state) == 0 || sched_is_asked())
        return false;
    uint32_t head = chan_position(state);
    uint64_t value = ring_peek(ch, head, FORM_WORD);
    uint64_t moved = (state & ~POSITION_MASK) | (uint64_t)ring_after(ch, head, 1) << POSITION_SHIFT;
    if (!atomic_cas_acq_rel(&ch->state, &state, moved - AUX_ONE))
        return false;
    ring_deliver(ch, head, value, out, FORM_WORD);
    return true;
}

SANITIZE_OWNER_DATA_END

#endif
