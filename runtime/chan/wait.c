/* SPDX-License-Identifier: Apache-2.0
 * wait.c - registering waiters on a channel, taking and claiming them. The protocol is in wait.h. */
#include "runtime/chan/wait.h"

#include "runtime/chan/meet.h"
#include "runtime/chan/timed.h"
#include "runtime/chan/watch.h"

#define HOLDERS_ABANDONED (UINT32_C(1) << 30) /* and more */

SANITIZE_OWNER_DATA_BEGIN

/* It is the own waiter of a goroutine that is gone: see waiter_kill(). */
static inline bool is_abandoned(struct waiter *w)
{
    return atomic_load_relaxed(&w->holders) >= HOLDERS_ABANDONED;
}

/* ---- claiming ---- */

static inline struct waiter *primary_of(struct waiter *record)
{
    return waiter_by_name(waiter_extra(record)->primary);
}

bool chan_wait_is_over(struct waiter *w)
{
    struct waiter *primary = primary_of(w);
    uint64_t token = waiter_extra(w)->token;
    return !primary ||
           (atomic_load_acquire(&primary->word) & ~(CLAIM_REGISTERING | CLAIM_RETRY)) != token;
}

bool chan_wait_end(struct waiter *primary, uint64_t token)
{
    uint64_t word = atomic_load_acquire(&primary->word);
    for (;;) {
        if (word == token) {
            if (atomic_cas_acq_rel(&primary->word, &word, chan_ended(token)))
                return true;
        } else if (word == (token | CLAIM_REGISTERING)) {
            if (atomic_cas_acq_rel(&primary->word, &word, word | CLAIM_RETRY))
                return false;
        } else {
            return false;
        }
    }
}

static bool claim_record(struct waiter *w, struct selecting *me, enum run_hold hold)
{
    if (likely(!w->g || hold != RUN_GONE)) {
        struct waiter *primary = primary_of(w);
        if (me && primary == me->primary) {
            w->result = PLACE_NONE; /* both holds are its select's now */
            if (!me->found)
                me->found = w;
            return false;
        }
        if (chan_wait_end(primary, waiter_extra(w)->token))
            return true;
    }
    waiter_drop(w);
    return false;
}

bool chan_claim(struct waiter *w, struct selecting *me, struct taken *t)
{
    t->w = claim_record(w, me, t->hold) ? w : NULL;
    if (t->w && chan_is_watch(w))
        return watch_claim(t);
    return t->w;
}

/* It has been claimed: note which of its cases it is, the one with that channel. */
weft_case *chan_own_case(struct waiter *w, struct weft_chan *ch, uint64_t kind)
{
    struct own_select *own = w->elem;
    weft_op op = kind == CHAN_SEND ? WEFT_OP_SEND : WEFT_OP_RECV;
    weft_case *c = own->cases;
    while (c->chan != ch || c->op != op)
        c++;
    own->won = (uint32_t)(c - own->cases);
    return c;
}

bool chan_own_claim(struct waiter *w, uint64_t read)
{
    return (read & CLAIM_OPEN) && atomic_cas_acq_rel(&w->word, &read, chan_ended(read));
}

bool chan_claim_in_word(struct weft_chan *ch, struct waiter *w, uint64_t read, uint64_t kind,
                        struct selecting *me, struct taken *t)
{
    t->w = NULL;
    if (!waiter_is_own(w))
        return !is_abandoned(w) && chan_claim(w, me, t);
    if (unlikely(w->g && t->hold == RUN_GONE))
        return false;
    if (!(read & CLAIM_FLAGS) || ch->form != FORM_SYNC) {
        t->w = w;
        t->own_elem = w->elem;
    } else if (chan_own_claim(w, read)) {
        t->w = w;
        t->own_elem = chan_own_case(w, ch, kind)->elem;
    }
    return t->w;
}

/* ---- meeting ---- */

enum meeting meet_select(struct weft_chan *ch, uint64_t state, struct waiter *w, uint64_t read,
                         void *elem, struct sched_m *m)
{
    uint64_t kind = state & CHAN_EITHER;
    if (!(read & CLAIM_OPEN))
        return MEETING_STALE;
    if (!atomic_cas_acq_rel(&ch->state, &state, chan_met(state)) || !chan_own_claim(w, read))
        return MEETING_NOT;
    weft_case *c = chan_own_case(w, ch, kind);
    chan_copy(kind == CHAN_RECV ? c->elem : elem, kind == CHAN_RECV ? elem : c->elem,
              ch->elem_size);
    waiter_wake_here(w, m);
    return MEETING_DONE;
}

/* ---- taking ---- */

static uint64_t fresh_aux(struct weft_chan *ch)
{
    return (uint64_t)(atomic_add_relaxed(&ch->fresh, 1) & AUX_MAX) << AUX_SHIFT;
}

/* The state without the waiter in the word. */
static uint64_t without_word(struct weft_chan *ch, uint64_t state)
{
    if (!(state & CHAN_LIST))
        return chan_unwaited(ch, state);
    return ((state & ~(CHAN_WORD | AUX_MASK)) | fresh_aux(ch)) +
           ((uint64_t)ch->turn << POSITION_SHIFT);
}

static bool take_from_list(struct weft_chan *ch, uint64_t state, struct selecting *me,
                           struct taken *t)
{
    struct waitlist *list = chan_list(ch, state & CHAN_EITHER);
    struct waiter *w;
    while ((w = waitlist_pop(list)))
        if (chan_claim(w, me, t))
            return true;
    atomic_cas_acq_rel(&ch->state, &state, chan_unwaited(ch, state));
    return false;
}

static bool take_from_word(struct weft_chan *ch, uint64_t state, struct selecting *me,
                           struct taken *t)
{
    struct waiter *w = waiter_named(chan_aux(state));
    uint64_t kind = state & CHAN_EITHER, read = atomic_load_acquire(&w->word);
    return atomic_cas_acq_rel(&ch->state, &state, without_word(ch, state)) &&
           chan_claim_in_word(ch, w, read, kind, me, t);
}

bool chan_take(struct weft_chan *ch, uint64_t state, struct selecting *me, struct taken *t)
{
    t->hold = sched_hold_run();
    if ((state & CHAN_WORD) ? take_from_word(ch, state, me, t) : take_from_list(ch, state, me, t))
        return true;
    sched_release_run(t->hold);
    return false;
}

/* Write the outcome where the one who waits looks for it; give whom to wake. */
static inline struct waiter *tell(struct taken *t, enum chan_outcome outcome, uint64_t as)
{
    struct waiter *w = t->w;
    bool own = waiter_is_own(w);
    if (likely(own) || primary_of(w) == w) {
        if (!own || !(atomic_load_relaxed(&w->word) & CLAIM_FLAGS))
            w->unlink = NULL; /* it is in no channel any more */
        w->result = outcome;
        return w;
    }
    struct waiter_extra *extra = waiter_extra(w);
    struct waiter *primary = primary_of(w);
    bool other = as == CHAN_RECV && extra->other_index;
    primary->result = outcome;
    waiter_extra(primary)->won = w->name;
    waiter_extra(primary)->index = other ? extra->other_index - 1 : extra->index;
    return primary;
}

void chan_finish(struct taken *t, enum chan_outcome outcome, uint64_t as)
{
    waiter_wake(tell(t, outcome, as));
    sched_release_run(t->hold);
}

void chan_finish_in_order(struct taken *t, enum chan_outcome outcome, uint64_t as)
{
    waiter_wake_in_order(tell(t, outcome, as));
    sched_release_run(t->hold);
}

/* ---- registering ---- */

bool chan_publish_in_list(struct weft_chan *ch, uint64_t state, struct waiter *w, uint64_t kind,
                          bool linked)
{
    if (!linked)
        waitlist_push(chan_list(ch, kind), w);
    for (;;) {
        uint64_t waited = state | CHAN_LIST; /* one in the word: he is taken first, which shows */
        if (!(state & CHAN_WORD))
            waited = (state & POSITION_MASK) | kind | CHAN_LIST | fresh_aux(ch);
        if (atomic_cas_acq_rel(&ch->state, &state, waited))
            return true;
        if ((state & CHAN_EITHER) != kind)
            return false;
    }
}

bool chan_is_registered(struct waiter *w)
{
    struct weft_chan *ch = w->object;
    uint64_t state = atomic_load_acquire(&ch->state);
    if (w->result == PLACE_WORD)
        return chan_word_names(state, w);
    return w->result != PLACE_NONE && waitlist_has(w);
}

bool chan_withdraw_from_word_slow(struct weft_chan *ch, struct waiter *w)
{
    uint64_t state = atomic_load_acquire(&ch->state);
    do {
        if (!chan_word_names(state, w))
            return false;
    } while (!atomic_cas_acq_rel(&ch->state, &state, without_word(ch, state)));
    return true;
}

void chan_withdraw(struct waiter *w)
{
    struct weft_chan *ch = w->object;
    bool alone = true;
    if (w->result == PLACE_WORD)
        alone = chan_withdraw_from_word(ch, w);
    else if (w->result != PLACE_NONE)
        alone = waitlist_leave(w->result == PLACE_SENDERS ? &ch->senders : &ch->receivers, w,
                               chan_wait_is_over);
    if (alone)
        waiter_put(w);
    else
        waiter_drop(w);
    timed_left(ch);
}

void chan_unlink_abandoned(void *object)
{
    struct weft_chan *ch = object;
    uint64_t state = atomic_load_acquire(&ch->state);
    while (state & CHAN_WORD) {
        struct waiter *w = waiter_by_name(chan_aux(state));
        bool own = waiter_is_own(w) || is_abandoned(w);
        if (own ? waiter_is_own(w) : !chan_wait_is_over(w))
            break;
        if (!atomic_cas_acq_rel(&ch->state, &state, without_word(ch, state)))
            continue;
        if (!own)
            waiter_drop(w);
        break;
    }
    waitlist_sweep(&ch->receivers, chan_wait_is_over);
    waitlist_sweep(&ch->senders, chan_wait_is_over);
}

SANITIZE_OWNER_DATA_END
