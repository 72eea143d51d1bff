/* SPDX-License-Identifier: Apache-2.0
 * stop.c - a send or a receive that a close of another channel stops, as a pipeline's stages do it for each element: a
 * select of those two cases, in which that channel is watched (watch.h). Where this isn't simple it is a select. */
#include <errno.h>

#include "runtime/chan/meet.h"
#include "runtime/chan/select.h"
#include "runtime/chan/watch.h"

SANITIZE_OWNER_DATA_BEGIN

/* The cases. */
enum { OF_OP, OF_DONE };

static inline weft_op op_of(uint64_t kind)
{
    return kind == CHAN_SEND ? WEFT_OP_SEND : WEFT_OP_RECV;
}

static __attribute__((noinline)) enum chan_stop
stop_slowly(struct weft_chan *done, struct weft_chan *ch, void *elem, uint64_t kind)
{
    bool ok = true;
    if (chan_may_recv(done) && weft_chan_try_recv(done, NULL) != -EAGAIN)
        return STOP_STOPPED;
    int rc = kind == CHAN_SEND ? weft_chan_try_send(ch, elem) : weft_chan_try_recv(ch, elem);
    if (rc == 0)
        return STOP_DONE;
    weft_case cases[] = {
        [OF_OP] = {.op = op_of(kind), .chan = ch, .elem = elem, .ok = &ok},
        [OF_DONE] = {.op = WEFT_OP_RECV, .chan = done},
    };
    if (chan_select_or_stop(cases, 2) == OF_DONE)
        return STOP_STOPPED;
    return ok ? STOP_DONE : STOP_ENDED;
}

/* Woken otherwise than served. */
static __attribute__((noinline)) enum chan_stop stop_woken(const struct own_select *own,
                                                           enum chan_outcome outcome, uint64_t kind)
{
    const weft_case *c = own->cases;
    if (own->won == OF_DONE)
        return STOP_STOPPED;
    if (own->won == OF_OP && outcome == OUTCOME_CLOSED && kind == CHAN_RECV)
        return STOP_ENDED;
    return stop_slowly(c[OF_DONE].chan, c[OF_OP].chan, c[OF_OP].elem, kind);
}

/* From states in which neither can go ahead. */
static inline __attribute__((always_inline)) enum chan_stop
stop_waits(struct weft_chan *done, struct weft_chan *ch, uint64_t state, void *elem, uint64_t kind,
           struct sched_m *m)
{
    struct waiter *w = &m->g->waiter;
    weft_case cases[2];
    struct own_select own = {.cases = cases, .n = 2, .won = OWN_NONE, .watched = OF_DONE};
    cases[OF_OP].op = op_of(kind);
    cases[OF_OP].chan = ch;
    cases[OF_OP].elem = elem;
    cases[OF_DONE].op = WEFT_OP_RECV;
    cases[OF_DONE].chan = done;
    cases[OF_DONE].elem = NULL;
    uint64_t token = own_open(&own, w);
    watch_joins(m->g, token);
    bool registered = chan_publish_in_word(ch, state, w, kind);
    if (unlikely(!registered || !watch_holds(m->g)) && chan_wait_end(w, token)) {
        if (registered)
            chan_withdraw_from_word(ch, w);
        own_make_plain(w);
        return stop_slowly(done, ch, elem, kind);
    }
    enum chan_outcome outcome = waiter_wait(w, WAIT_SELECT);
    if (unlikely(own.won != OF_OP) && registered)
        chan_withdraw_from_word(ch, w);
    own_make_plain(w);
    if (likely(outcome == OUTCOME_DONE && own.won == OF_OP))
        return STOP_DONE;
    return stop_woken(&own, outcome, kind);
}

/* One waits, alone. False: somebody else has been here. */
static inline bool stop_meets(struct weft_chan *ch, uint64_t state, struct waiter *w, uint64_t read,
                              void *elem, uint64_t kind, struct sched_m *m)
{
    if (read & CLAIM_FLAGS)
        return meet_select(ch, state, w, read, elem, m) == MEETING_DONE;
    return meeting_here(ch, state, chan_met(state), w, kind ^ CHAN_EITHER, elem, ch->elem_size, m);
}

static inline __attribute__((always_inline)) enum chan_stop
stop_op(struct weft_chan *done, struct weft_chan *ch, void *elem, uint64_t kind)
{
    struct sched_m *m = sched_m_unasked();
    if (unlikely(!m || !ch || ch->form != FORM_SYNC || done->form != FORM_SYNC))
        return stop_slowly(done, ch, elem, kind);
    uint64_t read, state = atomic_load_acquire(&ch->state);
    uint64_t done_state = atomic_load_acquire(&done->state);
    if (unlikely(done_state & (CHAN_CLOSED | CHAN_SEND)))
        return stop_slowly(done, ch, elem, kind);
    if (meeting_is_simple(state, kind ^ CHAN_EITHER)) {
        struct waiter *w = meeting_partner(state, &read);
        if (likely(w) && stop_meets(ch, state, w, read, elem, kind, m))
            return STOP_DONE;
    } else if (!(state & (CHAN_CLOSED | CHAN_EITHER)) && watch_pays(done, done_state, m->g) &&
               watch_begin(done, done_state, m->g)) {
        return stop_waits(done, ch, state, elem, kind, m);
    }
    return stop_slowly(done, ch, elem, kind);
}

enum chan_stop chan_recv_or_stop(struct weft_chan *done, struct weft_chan *ch, void *out)
{
    return stop_op(done, ch, out, CHAN_RECV);
}

enum chan_stop chan_send_or_stop(struct weft_chan *done, struct weft_chan *ch, const void *elem)
{
    return stop_op(done, ch, (void *)(uintptr_t)elem, CHAN_SEND);
}

SANITIZE_OWNER_DATA_END
