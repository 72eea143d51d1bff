/* SPDX-License-Identifier: Apache-2.0
 * wait.h - waiting on a channel, and being found there.
 *
 * Who waits alone and can't be cancelled waits with his own waiter, in the state word: registering is one
 * CAS, and so is taking him. His waiter's word has no flags. A select of a few cases waits with its goroutine's own
 * waiter, too, in the words of all its channels at once (select_own.c). All others have a record from
 * waiter_get, which may also be in the word, if nobody waits there, or else in the list of its kind.
 *
 * A record stands for a wait, that of its `primary`: itself, or the one record of a select that is not in
 * any channel. The wait is claimed in the primary's word:
 *
 *   token                 may be claimed: WAITING
 *   token | REGISTERING   a select that is still looking and registering
 *   token | both          the same, and somebody who came by went on as if it were absent (RETRY)
 *   token's number, ENDED over: claimed, or ended by its owner or a deadline
 *   anything else         likewise, in the past, or by the end of its run
 *
 * So every win is one CAS on one word, and tokens are never used twice.
 *
 * Taking: take a waiter out of the word or the list, whichever wait it then stands for is yours to claim. If
 * the claim fails it is dropped, and the next one is taken. A waiter that has been taken and not yet claimed
 * is registered nowhere, but its taker is bound to it: he claims it, or its wait is over, or it is REGISTERING:
 * then he marks it, and its owner finds out that it isn't registered when he is through and wants to
 * be WAITING. A taker who is stopped delays that one waiter and nobody else.
 *
 * No wake-up is lost: a wait begins by linking the waiter and then a CAS of the state, from one that said
 * that it must wait, to one that says that its kind does wait. Whoever finds neither a word nor a list to take
 * from clears the kind by a CAS from the state that he read before he looked, and each registration makes a state that
 * never was there before (a fresh number in aux, or a waiter in the word that is taken first). So the
 * clearing fails if anybody registered meanwhile. And as long as a kind is set, nobody of the other
 * kind registers: both kinds WAITING on one channel can't be, as each registration has cleared the other.
 *
 * A waiter in the list can be claimed before its owner has changed the state. That is in order, too: both
 * have seen, while their calls were on, a buffer that was empty (or full, for a sender who is claimed), so at the
 * later of the two looks the pair could meet, and that instant is when it did. */
#ifndef WEFT_CHAN_WAIT_H
#define WEFT_CHAN_WAIT_H

#include <weft/select.h>

#include "runtime/chan/chan.h"

#define CLAIM_OPEN UINT64_C(1)
#define CLAIM_REGISTERING UINT64_C(2)
#define CLAIM_RETRY UINT64_C(4)
#define CLAIM_FLAGS UINT64_C(7)
#define CLAIM_ENDED CLAIM_RETRY /* alone */

/* Of a select, for those who look for partners on its behalf. */
struct selecting {
    struct waiter *primary;
    struct waiter *found; /* its own record, met in a channel and taken out */
};

/* Where a select's record is: waiter.result, which the outcome of the primary's wait has no use for. */
enum chan_place { PLACE_NONE, PLACE_WORD, PLACE_RECEIVERS, PLACE_SENDERS };

/* A select that waits with its goroutine's own waiter, whose elem this is, in its frame: its claimer's from the
 * claim to the wake-up. */
struct own_select {
    weft_case *cases;
    uint32_t n;
    uint32_t won;     /* index of the case */
    uint32_t watched; /* of the one that is registered by a watch (watch.h); OWN_NONE: no such */
};
#define OWN_NONE UINT32_MAX

/* waiter_extra.other_index of a watch. */
#define INDEX_WATCH UINT32_MAX

/* A waiter that is the taker's. */
struct taken {
    struct waiter *w;
    void *own_elem; /* of an own waiter */
    enum run_hold hold;
};

/* Take one who waits, according to `state`, and claim it. False: the state has changed, look again. */
bool chan_take(struct weft_chan *ch, uint64_t state, struct selecting *me, struct taken *t);

/* The same for one popped off a list; t->hold is set. */
bool chan_claim(struct waiter *w, struct selecting *me, struct taken *t);

/* The same for one taken out of the word of ch, where it was of that kind; read: its word, read between the
 * state and the CAS of it. */
bool chan_claim_in_word(struct weft_chan *ch, struct waiter *w, uint64_t read, uint64_t kind,
                        struct selecting *me, struct taken *t);

/* Claim an own waiter whose word was `read`, of a select that waits: whether it is the caller's. Then its case is to be
 * noted, which is the one that is registered in ch as that. */
bool chan_own_claim(struct waiter *w, uint64_t read);
weft_case *chan_own_case(struct waiter *w, struct weft_chan *ch, uint64_t kind);

/* Tell it the outcome and wake it. `as`: in which role it was taken, CHAN_RECV or CHAN_SEND. The last touch. */
void chan_finish(struct taken *t, enum chan_outcome outcome, uint64_t as);
void chan_finish_in_order(struct taken *t, enum chan_outcome outcome, uint64_t as);

/* Whether the wait that a record stands for is over. */
bool chan_wait_is_over(struct waiter *w);

/* End it, for its owner or a deadline. False: it has been won by somebody else, or (marked now) is REGISTERING. */
bool chan_wait_end(struct waiter *primary, uint64_t token);

/* Register a record in the list. False: look again; it is linked there, may be taken, and stays for another
 * try (linked: this is one). */
bool chan_publish_in_list(struct weft_chan *ch, uint64_t state, struct waiter *w, uint64_t kind,
                          bool linked);

/* A select is over: take this record out of its channel and let go of it. */
void chan_withdraw(struct waiter *w);

bool chan_withdraw_from_word_slow(struct weft_chan *ch, struct waiter *w);

/* Whether it still is where it was published. */
bool chan_is_registered(struct waiter *w);

/* Take those whose owners a run that ended has left behind out of ch. For waiter.unlink. */
void chan_unlink_abandoned(void *object);

SANITIZE_OWNER_DATA_BEGIN

_Static_assert(WAITER_NAMES_MAX <= AUX_MAX, "a name fits in aux");

/* The state when w has registered in the word. */
static inline uint64_t chan_word_state(uint64_t state, struct waiter *w, uint64_t kind)
{
    return (state & POSITION_MASK) | kind | CHAN_WORD | (uint64_t)waiter_name(w) << AUX_SHIFT;
}

/* Register w, own waiter or record, in the word, from a state in which nobody waits. False: look again. */
static inline bool chan_publish_in_word(struct weft_chan *ch, uint64_t state, struct waiter *w,
                                        uint64_t kind)
{
    WEFT_DEBUG_ASSERT(!(state & (CHAN_EITHER | CHAN_CLOSED)));
    return atomic_cas_acq_rel(&ch->state, &state, chan_word_state(state, w, kind));
}

/* Whether w is in the state's word. */
static inline bool chan_word_names(uint64_t state, struct waiter *w)
{
    return (state & CHAN_WORD) && chan_aux(state) == waiter_name(w);
}

/* Take w out of the word of ch. True: it was there, so it is its owner's alone. */
static inline bool chan_withdraw_from_word(struct weft_chan *ch, struct waiter *w)
{
    return chan_word_names(atomic_load_acquire(&ch->state), w) &&
           chan_withdraw_from_word_slow(ch, w);
}

/* Begin a wait in the primary's word, with CLAIM_REGISTERING or 0; the token. */
static inline uint64_t chan_wait_begin(struct waiter *primary, uint64_t flags)
{
    uint64_t token = (atomic_load_relaxed(&primary->word) | CLAIM_FLAGS) + 1 + CLAIM_OPEN;
    atomic_store_release(&primary->word, token | flags);
    return token;
}

/* The primary's word when the wait of that token is over. */
static inline uint64_t chan_ended(uint64_t token)
{
    return (token & ~CLAIM_FLAGS) | CLAIM_ENDED;
}

/* Whether a record is a watch. */
static inline bool chan_is_watch(struct waiter *record)
{
    return unlikely(waiter_extra(record)->other_index == INDEX_WATCH);
}

/* Where the element comes from or goes to. */
static inline void *taken_elem(const struct taken *t, uint64_t as)
{
    if (likely(waiter_is_own(t->w)))
        return t->own_elem;
    bool other = as == CHAN_RECV && waiter_extra(t->w)->other_index;
    return unlikely(other) ? waiter_extra(t->w)->other_elem : t->w->elem;
}

SANITIZE_OWNER_DATA_END

#endif
