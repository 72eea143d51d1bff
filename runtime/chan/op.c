/* SPDX-License-Identifier: Apache-2.0
 * op.c - sending to and receiving from one channel. */
#include <errno.h>
#include <weft/defer.h>
#include <weft/go.h>
#include <weft/time.h>

#include "arch/os.h"
#include "runtime/chan/ring.h"
#include "runtime/chan/timed.h"
#include "runtime/chan/wait.h"

SANITIZE_OWNER_DATA_BEGIN

/* ---- waiting ---- */

static inline void stand_for(struct waiter *w, struct weft_chan *ch, void *elem)
{
    w->elem = elem;
    w->object = ch;
    w->unlink = chan_unlink_abandoned;
    w->result = OUTCOME_DONE;
}

/* Others wait already: line up behind them. */
static __attribute__((noinline)) enum chan_outcome
wait_in_line(struct weft_chan *ch, uint64_t state, uint64_t kind, void *elem)
{
    struct waiter *w = waiter_get();
    if (!w) {
        weft_yield(); /* no memory: late and costly is better than never */
        return OUTCOME_RETRY;
    }
    stand_for(w, ch, elem);
    waiter_extra(w)->primary = waiter_name(w);
    waiter_extra(w)->other_index = 0;
    waiter_extra(w)->token = chan_wait_begin(w, 0);
    if (chan_publish_in_list(ch, state, w, kind, false) ||
        !chan_wait_end(w, waiter_extra(w)->token)) {
        timed_waits(ch);
        waiter_wait(w, kind == CHAN_SEND ? WAIT_CHAN_SEND : WAIT_CHAN_RECV);
        enum chan_outcome outcome = w->result;
        waiter_put(w);
        return outcome;
    }
    w->result = kind == CHAN_SEND ? PLACE_SENDERS : PLACE_RECEIVERS;
    chan_withdraw(w);
    return OUTCOME_RETRY;
}

/* `state` said that it must wait. */
static inline enum chan_outcome wait_for_partner(struct weft_chan *ch, uint64_t state,
                                                 uint64_t kind, void *elem)
{
    if (state & CHAN_EITHER)
        return wait_in_line(ch, state, kind, elem);
    struct waiter *w = waiter_self();
    stand_for(w, ch, elem);
    uint64_t waited = chan_word_state(state, w, kind);
    if (!atomic_cas_acq_rel(&ch->state, &state, waited))
        return OUTCOME_RETRY;
    timed_waits(ch);
    waiter_wait(w, kind == CHAN_SEND ? WAIT_CHAN_SEND : WAIT_CHAN_RECV);
    return w->result;
}

_Noreturn void chan_block_for_ever(enum wait_reason reason)
{
    struct waiter *w = waiter_self();
    w->unlink = NULL;
    for (;;)
        waiter_wait(w, reason);
}

/* ---- the short way of an unbuffered channel: one who waits alone, with his own waiter, in the word ---- */

/* The state when he, of that kind, waits. */
static inline bool one_waits(uint64_t state, uint64_t kind)
{
    return (state & (CHAN_CLOSED | CHAN_EITHER | CHAN_LIST | CHAN_WORD)) == (kind | CHAN_WORD);
}

/* Take him; NULL: somebody else has been here, or he can't be had as simply as that. */
static inline __attribute__((always_inline)) struct waiter *
take_own(struct weft_chan *ch, uint64_t state, enum run_hold *hold)
{
    struct waiter *w = waiter_by_name(chan_aux(state));
    if (unlikely(!waiter_is_own(w)))
        return NULL;
    *hold = sched_hold_run();
    if (likely((!w->g || *hold != RUN_GONE) &&
               atomic_cas_acq_rel(&ch->state, &state, (state & POSITION_MASK) + POSITION_ONE)))
        return w;
    sched_release_run(*hold);
    return NULL;
}

static inline __attribute__((always_inline)) void let_own_go(struct waiter *w, enum run_hold hold)
{
    w->unlink = NULL;
    waiter_wake(w);
    if (unlikely(hold == RUN_HELD))
        sched_release_run(hold);
}

/* Nobody is here: wait. What came of it, or OUTCOME_RETRY. */
static inline __attribute__((always_inline)) enum chan_outcome
wait_alone(struct weft_chan *ch, uint64_t state, uint64_t kind, void *elem)
{
    if (state & (CHAN_CLOSED | CHAN_EITHER))
        return OUTCOME_RETRY;
    return wait_for_partner(ch, state, kind, elem);
}

/* ---- send ---- */

static _Noreturn __attribute__((noinline, cold)) void panic_closed(void)
{
    weft_panic("send on closed channel");
}

static __attribute__((noinline)) void send_slow(struct weft_chan *ch, const void *elem)
{
    uint64_t state;
    sched_checkpoint();
    if (!ch)
        chan_block_for_ever(WAIT_CHAN_SEND_NIL);
    for (;;) {
        enum chan_result r = chan_put(ch, elem, NULL, &state);
        if (r == CHAN_IS_CLOSED)
            panic_closed();
        if (r == CHAN_DONE ||
            wait_for_partner(ch, state, CHAN_SEND, (void *)(uintptr_t)elem) == OUTCOME_DONE)
            return;
    }
}

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

/* How a send goes on that send_word has not done. */
static __attribute__((noinline)) void send_on(struct weft_chan *ch, const void *elem, int word)
{
    if (word < 0 || !chan_enter(ch, (uint32_t)word))
        send_slow(ch, elem);
}

/* What calls nothing saves no registers: elements of 8 bytes, in the usual case. */
static inline __attribute__((always_inline)) void send_sized(struct weft_chan *ch, const void *elem,
                                                             size_t size)
{
    int word = send_word(ch, elem, size);
    if (unlikely(word != WORD_SENT))
        send_on(ch, elem, word);
}

static __attribute__((noinline)) void send_short(struct weft_chan *ch, const void *elem)
{
    send_sized(ch, elem, ch->elem_size);
}

static __attribute__((noinline)) void send_sync(struct weft_chan *ch, const void *elem)
{
    enum run_hold hold;
    uint64_t state = atomic_load_acquire(&ch->state);
    if (one_waits(state, CHAN_RECV)) {
        struct waiter *w = take_own(ch, state, &hold);
        if (likely(w)) {
            chan_copy(w->elem, elem, ch->elem_size);
            let_own_go(w, hold);
            sched_checkpoint();
            return;
        }
    } else if (wait_alone(ch, state, CHAN_SEND, (void *)(uintptr_t)elem) == OUTCOME_DONE) {
        return;
    }
    send_slow(ch, elem);
}

void weft_chan_send(weft_chan *ch, const void *elem)
{
    if (unlikely(!ch || (ch->form != FORM_SYNC && ch->form != FORM_WORD)))
        send_slow(ch, elem);
    else if (ch->form == FORM_SYNC)
        send_sync(ch, elem);
    else if (likely(ch->elem_size == 8))
        send_sized(ch, elem, 8);
    else
        send_short(ch, elem);
}

static __attribute__((noinline)) int try_send_slow(struct weft_chan *ch, const void *elem)
{
    uint64_t state;
    sched_checkpoint();
    if (!ch)
        return -EAGAIN;
    enum chan_result r = chan_put(ch, elem, NULL, &state);
    return r == CHAN_DONE ? 0 : r == CHAN_BLOCKED ? -EAGAIN : -EPIPE;
}

int weft_chan_try_send(weft_chan *ch, const void *elem)
{
    if (likely(ch) && ch->form == FORM_WORD) {
        int word = send_word(ch, elem, ch->elem_size);
        if (likely(word == WORD_SENT) || (word >= 0 && chan_enter(ch, (uint32_t)word)))
            return 0;
    }
    return try_send_slow(ch, elem);
}

int weft_chan_send_until(weft_chan *ch, const void *elem, int64_t deadline)
{
    int rc = weft_chan_try_send(ch, elem);
    return rc == -EAGAIN ? chan_until(ch, true, (void *)(uintptr_t)elem, deadline) : rc;
}

/* ---- receive ---- */

static __attribute__((noinline)) bool recv_slow(struct weft_chan *ch, void *out)
{
    uint64_t state;
    sched_checkpoint();
    if (!ch)
        chan_block_for_ever(WAIT_CHAN_RECV_NIL);
    for (;;) {
        enum chan_result r = chan_get(ch, out, NULL, &state);
        if (r != CHAN_BLOCKED)
            return r == CHAN_DONE;
        if (wait_for_partner(ch, state, CHAN_RECV, out) == OUTCOME_DONE)
            return true;
    }
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

static __attribute__((noinline)) bool recv_sync(struct weft_chan *ch, void *out)
{
    enum run_hold hold;
    uint64_t state = atomic_load_acquire(&ch->state);
    if (one_waits(state, CHAN_SEND)) {
        struct waiter *w = take_own(ch, state, &hold);
        if (likely(w)) {
            chan_copy(out, w->elem, ch->elem_size);
            let_own_go(w, hold);
            sched_checkpoint();
            return true;
        }
    } else if (wait_alone(ch, state, CHAN_RECV, out) == OUTCOME_DONE) {
        return true;
    }
    return recv_slow(ch, out);
}

bool weft_chan_recv(weft_chan *ch, void *out)
{
    if (likely(ch)) {
        if (ch->form == FORM_SYNC)
            return recv_sync(ch, out);
        if (ch->form == FORM_WORD && likely(recv_word(ch, out)))
            return true;
    }
    return recv_slow(ch, out);
}

static __attribute__((noinline)) int try_recv_slow(struct weft_chan *ch, void *out)
{
    uint64_t state;
    sched_checkpoint();
    if (!ch)
        return -EAGAIN;
    enum chan_result r = chan_get(ch, out, NULL, &state);
    return r == CHAN_DONE ? 0 : r == CHAN_BLOCKED ? -EAGAIN : -EPIPE;
}

int weft_chan_try_recv(weft_chan *ch, void *out)
{
    if (likely(ch) && ch->form == FORM_WORD && likely(recv_word(ch, out)))
        return 0;
    return try_recv_slow(ch, out);
}

int weft_chan_recv_until(weft_chan *ch, void *out, int64_t deadline)
{
    int rc = weft_chan_try_recv(ch, out);
    return rc == -EAGAIN ? chan_until(ch, false, out, deadline) : rc;
}

SANITIZE_OWNER_DATA_END
