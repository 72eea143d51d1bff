/* SPDX-License-Identifier: Apache-2.0
 * op.c - sending to and receiving from one channel. */
#include <errno.h>
#include <weft/defer.h>
#include <weft/go.h>
#include <weft/time.h>

#include "arch/os.h"
#include "runtime/chan/meet.h"
#include "runtime/chan/ring.h"
#include "runtime/chan/timed.h"
#include "runtime/chan/wait.h"
#include "runtime/chan/word.h"

SANITIZE_OWNER_DATA_BEGIN

/* ---- waiting ---- */

static inline void stand_for(struct waiter *w, struct weft_chan *ch, void *elem)
{
    WEFT_DEBUG_ASSERT(!waiter_is_own(w) || !(atomic_load_relaxed(&w->word) & CLAIM_FLAGS));
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

static bool send_slow(struct weft_chan *ch, void *elem);
static bool recv_slow(struct weft_chan *ch, void *out);

/* ---- the short ways where somebody waits, on a goroutine of which nothing is asked ---- */

/* These ways end in a call, or call nothing but waiter_wait_here(), so they save no registers: what is rare is out of line,
 * and who was woken otherwise than served finds in his waiter what he wanted. */

static __attribute__((noinline)) bool sync_slowly(struct weft_chan *ch, uint64_t kind, void *elem)
{
    return kind == CHAN_SEND ? send_slow(ch, elem) : recv_slow(ch, elem);
}

static __attribute__((noinline)) bool sync_again(uint64_t kind)
{
    struct waiter *w = waiter_self();
    return sync_slowly(w->object, kind, w->elem);
}

/* To wait, from a state that says so; unwaited: the state without one who is stale. */
static inline __attribute__((always_inline)) bool sync_waits(struct weft_chan *ch, uint64_t state,
                                                             uint64_t unwaited, uint64_t kind,
                                                             void *elem, struct sched_m *m)
{
    struct waiter *w = &m->g->waiter;
    stand_for(w, ch, elem);
    uint64_t waited = chan_word_state(unwaited, w, kind);
    if (unlikely(!atomic_cas_acq_rel(&ch->state, &state, waited)))
        return sync_slowly(ch, kind, elem);
    return likely(waiter_wait_here(m, kind == CHAN_SEND ? WAIT_CHAN_SEND : WAIT_CHAN_RECV) ==
                  OUTCOME_DONE) ||
           sync_again(kind);
}

/* A select waits, or is stale. */
static inline __attribute__((always_inline)) bool sync_with_select(struct weft_chan *ch,
                                                                   uint64_t state, struct waiter *w,
                                                                   uint64_t read, uint64_t kind,
                                                                   void *elem, struct sched_m *m)
{
    enum meeting met = meet_select(ch, state, w, read, elem, m);
    if (likely(met == MEETING_DONE))
        return true;
    if (met == MEETING_STALE)
        return sync_waits(ch, state, chan_met(state), kind, elem, m);
    return sync_slowly(ch, kind, elem);
}

static __attribute__((noinline)) bool send_to_select(struct weft_chan *ch, uint64_t state,
                                                     struct waiter *w, uint64_t read, void *elem,
                                                     struct sched_m *m)
{
    return sync_with_select(ch, state, w, read, CHAN_SEND, elem, m);
}

static __attribute__((noinline)) bool recv_from_select(struct weft_chan *ch, uint64_t state,
                                                       struct waiter *w, uint64_t read, void *elem,
                                                       struct sched_m *m)
{
    return sync_with_select(ch, state, w, read, CHAN_RECV, elem, m);
}

/* Closed, or others wait: behind them, if they are of the same kind. */
static __attribute__((noinline)) bool sync_in_line(struct weft_chan *ch, uint64_t state,
                                                   uint64_t kind, void *elem)
{
    if ((state & (CHAN_CLOSED | CHAN_EITHER)) == kind &&
        wait_in_line(ch, state, kind, elem) == OUTCOME_DONE)
        return true;
    return sync_slowly(ch, kind, elem);
}

/* The whole of it in an unbuffered channel; kind: what this call does. */
static inline __attribute__((always_inline)) bool sync_op(struct weft_chan *ch, void *elem,
                                                          uint64_t kind, size_t size)
{
    uint64_t read, state = atomic_load_acquire(&ch->state);
    struct sched_m *m = sched_m_unasked();
    if (unlikely(!m))
        return sync_slowly(ch, kind, elem);
    if (meeting_is_simple(state, kind ^ CHAN_EITHER)) {
        struct waiter *w = meeting_partner(state, &read);
        if (unlikely(!w))
            return sync_slowly(ch, kind, elem);
        if (unlikely(read & CLAIM_FLAGS))
            return kind == CHAN_SEND ? send_to_select(ch, state, w, read, elem, m)
                                     : recv_from_select(ch, state, w, read, elem, m);
        return likely(meeting_here(ch, state, chan_met(state), w, kind ^ CHAN_EITHER, elem, size,
                                   m)) ||
               sync_slowly(ch, kind, elem);
    }
    if (unlikely(state & (CHAN_CLOSED | CHAN_EITHER)))
        return sync_in_line(ch, state, kind, elem);
    return sync_waits(ch, state, state, kind, elem, m);
}

/* In a channel of words: the buffer may be full, or a receiver wait. */
static __attribute__((noinline)) bool send_or_wait(struct weft_chan *ch, void *elem)
{
    uint64_t read, state = atomic_load_acquire(&ch->state);
    struct sched_m *m = sched_m_unasked();
    if (unlikely(!m))
        return sync_slowly(ch, CHAN_SEND, elem);
    if (meeting_is_simple(state, CHAN_RECV)) {
        struct waiter *w = meeting_partner(state, &read);
        if (likely(w) && likely(meeting_here(ch, state, state & POSITION_MASK, w, CHAN_RECV, elem,
                                             ch->elem_size, m)))
            return true;
    } else if (!(state & (CHAN_CLOSED | CHAN_EITHER)) && chan_aux(state) == ch->capacity) {
        return sync_waits(ch, state, state, CHAN_SEND, elem, m);
    }
    return sync_slowly(ch, CHAN_SEND, elem);
}

/* In a channel of words: the buffer may be empty, or a sender wait. */
static __attribute__((noinline)) bool recv_or_wait(struct weft_chan *ch, void *out)
{
    uint64_t state = atomic_load_acquire(&ch->state);
    struct sched_m *m = sched_m_unasked();
    if (unlikely(!m))
        return sync_slowly(ch, CHAN_RECV, out);
    if (!(state & ~POSITION_MASK))
        return sync_waits(ch, state, state, CHAN_RECV, out, m);
    return (meeting_is_simple(state, CHAN_SEND) && likely(meet_sender(ch, state, out, m))) ||
           sync_slowly(ch, CHAN_RECV, out);
}

/* ---- send ---- */

static _Noreturn __attribute__((noinline, cold)) void panic_closed(void)
{
    weft_panic("send on closed channel");
}

/* True, if it returns. */
static __attribute__((noinline)) bool send_slow(struct weft_chan *ch, void *elem)
{
    uint64_t state;
    sched_checkpoint();
    if (!ch)
        chan_block_for_ever(WAIT_CHAN_SEND_NIL);
    for (;;) {
        enum chan_result r = chan_put(ch, elem, NULL, &state);
        if (r == CHAN_IS_CLOSED)
            panic_closed();
        if (r == CHAN_DONE || wait_for_partner(ch, state, CHAN_SEND, elem) == OUTCOME_DONE)
            return true;
    }
}

/* How a send goes on that send_word has not done. */
static __attribute__((noinline)) void send_on(struct weft_chan *ch, const void *elem, int word)
{
    if (word < 0 || !chan_enter(ch, (uint32_t)word))
        send_or_wait(ch, (void *)(uintptr_t)elem);
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
    sync_op(ch, (void *)(uintptr_t)elem, CHAN_SEND, 8);
}

static __attribute__((noinline)) void send_sync_sized(struct weft_chan *ch, const void *elem)
{
    sync_op(ch, (void *)(uintptr_t)elem, CHAN_SEND, ch->elem_size);
}

/* Of a channel of another form than that of words, and not of 8 bytes. */
static __attribute__((noinline)) void send_other(struct weft_chan *ch, const void *elem)
{
    if (ch && ch->form == FORM_SYNC)
        send_sync_sized(ch, elem);
    else if (ch && ch->form == FORM_WORD)
        send_short(ch, elem);
    else
        send_slow(ch, (void *)(uintptr_t)elem);
}

void weft_chan_send(weft_chan *ch, const void *elem)
{
    if (unlikely(!ch || ch->elem_size != 8))
        send_other(ch, elem);
    else if (ch->form == FORM_SYNC)
        send_sync(ch, elem);
    else if (likely(ch->form == FORM_WORD))
        send_sized(ch, elem, 8);
    else
        send_slow(ch, (void *)(uintptr_t)elem); /* a timer's: it panics */
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

static __attribute__((noinline)) bool recv_sync(struct weft_chan *ch, void *out)
{
    return sync_op(ch, out, CHAN_RECV, 8);
}

static __attribute__((noinline)) bool recv_sync_sized(struct weft_chan *ch, void *out)
{
    return sync_op(ch, out, CHAN_RECV, ch->elem_size);
}

bool weft_chan_recv(weft_chan *ch, void *out)
{
    if (likely(ch)) {
        if (ch->form == FORM_SYNC)
            return likely(ch->elem_size == 8) ? recv_sync(ch, out) : recv_sync_sized(ch, out);
        if (ch->form == FORM_WORD)
            return likely(recv_word(ch, out)) || recv_or_wait(ch, out);
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
