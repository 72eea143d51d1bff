/* SPDX-License-Identifier: Apache-2.0
 * try.c - sending and receiving what can be sent or received without waiting: the protocol of the buffer.
 *
 * An element enters the cell behind the last one by a CAS there, and then counts by a CAS of the state word that
 * moves the tail over it. Whoever finds that cell filled while there is room moves the tail for it, so nobody
 * waits for a sender who was stopped between the two. A receiver reads the first cell and moves the head by a
 * CAS of the state word; only then what it has read is its own. So each send and receive takes effect at a CAS of
 * the state word, nothing is reserved, and no cell is ever poisoned.
 *
 * A sender who has filled a cell looks at the tail to know what became of it:
 *   it has passed        the element counts
 *   closed, not passed   it never will: nobody moves the tail of a closed channel
 *   receivers wait       they came between its two steps and found the buffer empty. It takes its element back: a
 *                        CAS that moves head and tail over that cell, and hands it to one of them. Nobody
 *                        else does that for it, so "passed" has one meaning.
 *
 * Senders that wait (the buffer is full) are served by receivers: one who finds them claims the oldest, puts
 * his element into the cell behind the last, which is spare, and then moves head and tail together: the buffer
 * stays full, and nobody overtakes. Moving both is open to any receiver who finds that cell filled;
 * he then has the oldest element, and whose element was moved in has his. When the sender who was
 * claimed can't be served, as the room has gone to another in that moment, it is told to try again.
 *
 * Cost: 3 RMWs a pair, 2 more with nodes. An unbuffered hand-over: 1 to register, 1 to take.
 * Rejected: reserving by the state word and publishing in the cell, with poisoning (the value's own word is then
 * written by a sender that was stopped, when the cell already is another's: it must be one CAS with its
 * position); one word of 16 bytes for state or cells (9 ns a CAS against 4; used for what doesn't fit 32 bits). */
#include <weft/defer.h>

#include "runtime/chan/meet.h"
#include "runtime/chan/ring.h"
#include "runtime/chan/timed.h"
#include "runtime/chan/wait.h"

SANITIZE_OWNER_DATA_BEGIN

void chan_copy_any(void *to, const void *from, size_t size)
{
    if (to && size)
        memcpy(to, from, size);
}

/* ---- a sender meets a receiver who waits ---- */

/* False: look again. */
static bool hand_over(struct weft_chan *ch, uint64_t state, const void *elem, struct selecting *me)
{
    struct taken t;
    if (!chan_take(ch, state, me, &t))
        return false;
    chan_copy(taken_elem(&t, CHAN_RECV), elem, ch->elem_size);
    chan_finish(&t, OUTCOME_DONE, CHAN_RECV);
    return true;
}

/* ---- a sender puts into the buffer ---- */

/* An element on its way into the buffer. */
struct entry {
    const void *elem;
    uint64_t value; /* itself, or its node's name */
    bool ready;     /* value is set */
};

static void entry_prepare(struct weft_chan *ch, struct entry *e)
{
    if (e->ready)
        return;
    e->ready = true;
    if (ch->form == FORM_WORD) {
        e->value = ring_load(e->elem, ch->elem_size);
    } else {
        e->value = nodes_get(ch->nodes);
        memcpy(nodes_at(ch->nodes, (uint32_t)e->value), e->elem, ch->elem_size);
    }
}

/* It didn't enter after all. */
static void entry_discard(struct weft_chan *ch, struct entry *e)
{
    if (e->ready && ch->form == FORM_NODE)
        nodes_put(ch->nodes, (uint32_t)e->value);
    e->ready = false;
}

enum cell_state { CELL_STALE, CELL_FILLED, CELL_FREE };

/* The cell at the tail, according to a state read before. */
static enum cell_state look_at_tail(struct weft_chan *ch, uint32_t tail, uint64_t *lo)
{
    *lo = atomic_load_acquire(ring_cell(ch, tail, ch->form));
    if (cell_position(*lo) == tail)
        return CELL_FILLED;
    return cell_position(*lo) == ring_round_before(ch, tail) ? CELL_FREE : CELL_STALE;
}

static bool count_one_more(struct weft_chan *ch, uint64_t state)
{
    return atomic_cas_acq_rel(&ch->state, &state, state + AUX_ONE);
}

enum entered { ENTER_COUNTED, ENTER_CLOSED, ENTER_TAKEN_BACK, ENTER_FULL };

/* After filling the cell at `tail`: see that the element counts, or why it doesn't. FULL: not yet (only for one
 * that was put into the spare cell). */
static enum entered enter(struct weft_chan *ch, uint32_t tail)
{
    for (;;) {
        uint64_t state = atomic_load_acquire(&ch->state);
        if (ring_tail(ch, state) != tail)
            return ENTER_COUNTED;
        if (state & CHAN_CLOSED)
            return ENTER_CLOSED;
        if (state & CHAN_RECV) {
            uint64_t moved = (state & ~POSITION_MASK) | (uint64_t)ring_after(ch, tail, 1)
                                                            << POSITION_SHIFT;
            if (atomic_cas_acq_rel(&ch->state, &state, moved))
                return ENTER_TAKEN_BACK;
        } else if (chan_count(ch, state) == ch->capacity) {
            return ENTER_FULL;
        } else if (count_one_more(ch, state)) {
            return ENTER_COUNTED;
        }
    }
}

__attribute__((noinline)) bool chan_enter(struct weft_chan *ch, uint32_t tail)
{
    return enter(ch, tail) == ENTER_COUNTED;
}

/* There is room. False: look again. */
static bool put_in_buffer(struct weft_chan *ch, uint64_t state, struct entry *e)
{
    if (ch->form == FORM_COUNT)
        return count_one_more(ch, state);
    uint32_t tail = ring_tail(ch, state);
    uint64_t lo;
    enum cell_state cell = look_at_tail(ch, tail, &lo);
    if (cell == CELL_FILLED)
        count_one_more(ch, state);
    if (cell != CELL_FREE)
        return false;
    entry_prepare(ch, e);
    return ring_put(ch, tail, lo, e->value, ch->form) && enter(ch, tail) == ENTER_COUNTED;
}

enum chan_result chan_put(struct weft_chan *ch, const void *elem, struct selecting *me,
                          uint64_t *state)
{
    struct entry e = {.elem = elem};
    if (unlikely(ch->form == FORM_TIMER))
        weft_panic("send on timer channel");
    for (;;) {
        uint64_t s = atomic_load_acquire(&ch->state);
        if (s & CHAN_CLOSED) {
            entry_discard(ch, &e);
            return CHAN_IS_CLOSED;
        }
        if (s & CHAN_RECV) {
            if (hand_over(ch, s, elem, me)) {
                entry_discard(ch, &e);
                return CHAN_DONE;
            }
        } else if (chan_count(ch, s) == ch->capacity) {
            entry_discard(ch, &e);
            *state = s;
            return CHAN_BLOCKED;
        } else if (put_in_buffer(ch, s, &e)) {
            return CHAN_DONE;
        }
    }
}

/* ---- a receiver takes from the buffer ---- */

/* Take the oldest element, and move the tail by one as well if `refill`: the cell behind it is filled, and the
 * buffer full. False: look again. */
static bool get_from_buffer(struct weft_chan *ch, uint64_t state, void *out, bool refill)
{
    uint32_t head = chan_position(state);
    uint64_t value = ch->form == FORM_COUNT ? 0 : ring_peek(ch, head, ch->form);
    uint64_t moved = (state & ~POSITION_MASK) | (uint64_t)ring_after(ch, head, 1) << POSITION_SHIFT;
    if (!atomic_cas_acq_rel(&ch->state, &state, refill ? moved : moved - AUX_ONE))
        return false;
    if (ch->form != FORM_COUNT)
        ring_deliver(ch, head, value, out, ch->form);
    return true;
}

/* A sender who waited, claimed by a receiver, who has to see to it that it is served. */
struct guest {
    struct taken t;
    struct entry e;
    bool filled; /* its element is in the cell at `tail`, but may not count yet */
    uint32_t tail;
};

static bool guest_leaves(struct weft_chan *ch, struct guest *g, enum chan_outcome outcome)
{
    if (outcome != OUTCOME_DONE)
        entry_discard(ch, &g->e);
    chan_finish(&g->t, outcome, CHAN_SEND);
    return true;
}

/* It is in the buffer or on its way: what has become of it? True: it has left. */
static bool guest_has_entered(struct weft_chan *ch, struct guest *g)
{
    enum entered entered = enter(ch, g->tail);
    if (entered == ENTER_TAKEN_BACK)
        g->filled = false;
    if (entered == ENTER_COUNTED)
        return guest_leaves(ch, g, OUTCOME_DONE);
    return entered == ENTER_CLOSED && guest_leaves(ch, g, OUTCOME_CLOSED);
}

/* The receiver has got its element, and the guest's is in no cell. */
static void guest_enters_or_retries(struct weft_chan *ch, struct guest *g)
{
    for (;;) {
        uint64_t s = atomic_load_acquire(&ch->state);
        bool room = !(s & (CHAN_CLOSED | CHAN_EITHER)) && chan_count(ch, s) < ch->capacity;
        if (!room)
            break;
        if (put_in_buffer(ch, s, &g->e)) {
            guest_leaves(ch, g, OUTCOME_DONE);
            return;
        }
    }
    guest_leaves(ch, g, OUTCOME_RETRY);
}

/* One step of a receiver who has a guest. *got: it has an element. True: the guest has left. */
static bool serve_guest(struct weft_chan *ch, struct guest *g, void *out, bool *got)
{
    uint64_t lo, s = atomic_load_acquire(&ch->state);
    if (g->filled && ring_tail(ch, s) != g->tail)
        return guest_leaves(ch, g, OUTCOME_DONE);
    if (s & CHAN_CLOSED)
        return guest_leaves(ch, g, OUTCOME_CLOSED);
    if (chan_count(ch, s) < ch->capacity) {
        if (g->filled)
            return guest_has_entered(ch, g);
        if (chan_count(ch, s) > 0)
            return put_in_buffer(ch, s, &g->e) && guest_leaves(ch, g, OUTCOME_DONE);
        *got = true; /* empty: the guest's is the oldest element there is */
        chan_copy(out, g->e.elem, ch->elem_size);
        guest_leaves(ch, g, OUTCOME_DONE);
        return true;
    }
    if (!g->filled) {
        uint32_t tail = ring_tail(ch, s);
        enum cell_state cell = look_at_tail(ch, tail, &lo);
        if (cell == CELL_STALE)
            return false;
        if (cell == CELL_FREE) {
            entry_prepare(ch, &g->e);
            g->tail = tail;
            g->filled = ring_put(ch, tail, lo, g->e.value, ch->form);
            if (!g->filled)
                return false;
        }
    }
    *got = get_from_buffer(ch, s, out, true);
    if (!*got)
        return false;
    if (g->filled)
        return guest_leaves(ch, g, OUTCOME_DONE);
    guest_enters_or_retries(ch, g);
    return true;
}

/* The sender, whose waiter this is, has been taken out of the word, and something has come between. */
static __attribute__((noinline)) bool serve_met_sender(struct weft_chan *ch, struct waiter *w,
                                                       uint64_t value, bool filled, uint32_t tail,
                                                       void *out)
{
    bool got = false;
    struct guest g = {.t = {.w = w, .own_elem = w->elem, .hold = RUN_OURS},
                      .e = {.elem = w->elem, .value = value, .ready = true},
                      .filled = filled,
                      .tail = tail};
    while (!serve_guest(ch, &g, out, &got))
        ;
    return got;
}

bool meet_sender(struct weft_chan *ch, uint64_t state, void *out, struct sched_m *m)
{
    uint64_t lo, read, full = chan_unwaited(ch, state);
    uint32_t head = chan_position(state), tail = ring_after(ch, head, ch->capacity);
    struct waiter *w = meeting_partner(state, &read);
    if (unlikely(!w) || look_at_tail(ch, tail, &lo) != CELL_FREE ||
        !atomic_cas_acq_rel(&ch->state, &state, full))
        return false;
    uint64_t value = ring_load(w->elem, ch->elem_size);
    bool filled = ring_put(ch, tail, lo, value, FORM_WORD);
    uint64_t oldest = ring_peek(ch, head, FORM_WORD);
    uint64_t moved = (full & ~POSITION_MASK) | (uint64_t)ring_after(ch, head, 1) << POSITION_SHIFT;
    if (unlikely(!filled || !atomic_cas_acq_rel(&ch->state, &full, moved)))
        return serve_met_sender(ch, w, value, filled, tail, out);
    ring_deliver(ch, head, oldest, out, FORM_WORD);
    w->unlink = NULL;
    waiter_wake_here(w, m);
    return true;
}

/* Senders wait. True: out is set. */
static __attribute__((noinline)) bool get_and_refill(struct weft_chan *ch, uint64_t state,
                                                     void *out, struct selecting *me)
{
    uint64_t lo;
    bool got = false;
    if (ch->form <= FORM_COUNT) {
        struct taken t;
        if (!chan_take(ch, state, me, &t))
            return false;
        chan_copy(out, taken_elem(&t, CHAN_SEND), ch->elem_size);
        chan_finish(&t, OUTCOME_DONE, CHAN_SEND);
        return true;
    }
    if (look_at_tail(ch, ring_tail(ch, state), &lo) == CELL_FILLED)
        return get_from_buffer(ch, state, out, true);
    struct guest g = {.filled = false};
    if (!chan_take(ch, state, me, &g.t))
        return false;
    g.e.elem = taken_elem(&g.t, CHAN_SEND);
    while (!serve_guest(ch, &g, out, &got))
        ;
    return got;
}

enum chan_result chan_get(struct weft_chan *ch, void *out, struct selecting *me, uint64_t *state)
{
    for (;;) {
        uint64_t s = atomic_load_acquire(&ch->state);
        if (s & CHAN_SEND) {
            if (get_and_refill(ch, s, out, me))
                return CHAN_DONE;
        } else if (chan_count(ch, s) > 0) {
            if (get_from_buffer(ch, s, out, false))
                return CHAN_DONE;
        } else if (s & CHAN_CLOSED) {
            if (out && ch->elem_size)
                memset(out, 0, ch->elem_size);
            return CHAN_IS_CLOSED;
        } else {
            *state = s;
            return unlikely(ch->form == FORM_TIMER) ? timed_get(ch, out) : CHAN_BLOCKED;
        }
    }
}

SANITIZE_OWNER_DATA_END
