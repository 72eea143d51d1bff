/* SPDX-License-Identifier: Apache-2.0
 * wait.c - registering waiters on a channel, taking and claiming them. The protocol is in wait.h. */
#include "runtime/chan/wait.h"

#include "runtime/chan/timed.h"

#define HOLDERS_ABANDONED                                                                          \
    (UINT32_C(1) << 30) /* and more: the own waiter of a goroutine that is gone */

SANITIZE_OWNER_DATA_BEGIN

/* ---- claiming ---- */

uint64_t chan_wait_begin(struct waiter *primary, uint64_t flags)
{
    uint64_t token = (atomic_load_relaxed(&primary->word) | CLAIM_FLAGS) + 1 + CLAIM_OPEN;
    atomic_store_release(&primary->word, token | flags);
    return token;
}

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
            if (atomic_cas_acq_rel(&primary->word, &word, token & ~CLAIM_OPEN))
                return true;
        } else if (word == (token | CLAIM_REGISTERING)) {
            if (atomic_cas_acq_rel(&primary->word, &word, word | CLAIM_RETRY))
                return false;
        } else {
            return false;
        }
    }
}

bool chan_claim(struct waiter *w, struct selecting *me, enum run_hold hold)
{
    bool wakeable = !w->g || hold != RUN_GONE;
    if (waiter_is_own(w))
        return wakeable;
    if (likely(wakeable)) {
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

static struct waiter *take_from_list(struct weft_chan *ch, uint64_t state, struct selecting *me,
                                     enum run_hold hold)
{
    struct waitlist *list = chan_list(ch, state & CHAN_EITHER);
    struct waiter *w;
    while ((w = waitlist_pop(list)))
        if (chan_claim(w, me, hold))
            return w;
    atomic_cas_acq_rel(&ch->state, &state, chan_unwaited(ch, state));
    return NULL;
}

bool chan_take(struct weft_chan *ch, uint64_t state, struct selecting *me, struct taken *t)
{
    t->w = NULL;
    t->hold = sched_hold_run();
    if (state & CHAN_WORD) {
        struct waiter *w = waiter_by_name(chan_aux(state));
        if (atomic_cas_acq_rel(&ch->state, &state, without_word(ch, state)) &&
            chan_claim(w, me, t->hold))
            t->w = w;
    } else {
        t->w = take_from_list(ch, state, me, t->hold);
    }
    if (!t->w)
        sched_release_run(t->hold);
    return t->w;
}

/* Write the outcome where the one who waits looks for it; give whom to wake. */
static inline struct waiter *tell(struct taken *t, enum chan_outcome outcome, uint64_t as)
{
    struct waiter *w = t->w;
    if (likely(waiter_is_own(w)) || primary_of(w) == w) {
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

bool chan_publish_in_word(struct weft_chan *ch, uint64_t state, struct waiter *w, uint64_t kind)
{
    WEFT_DEBUG_ASSERT(!(state & (CHAN_EITHER | CHAN_CLOSED)));
    return atomic_cas_acq_rel(&ch->state, &state, chan_word_state(state, w, kind));
}

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
        return (state & CHAN_WORD) && chan_aux(state) == waiter_name(w);
    return w->result != PLACE_NONE && waitlist_has(w);
}

/* True: w is out and its select's alone. */
static bool withdraw_from_word(struct weft_chan *ch, struct waiter *w)
{
    uint64_t state = atomic_load_acquire(&ch->state);
    do {
        if (!(state & CHAN_WORD) || chan_aux(state) != waiter_name(w))
            return false;
    } while (!atomic_cas_acq_rel(&ch->state, &state, without_word(ch, state)));
    return true;
}

void chan_withdraw(struct waiter *w)
{
    struct weft_chan *ch = w->object;
    bool alone = true;
    if (w->result == PLACE_WORD)
        alone = withdraw_from_word(ch, w);
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
        bool own = waiter_is_own(w) || atomic_load_relaxed(&w->holders) >= HOLDERS_ABANDONED;
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
