/* SPDX-License-Identifier: Apache-2.0
 * select_wait.c - a select that has to wait.
 *
 *   REGISTERING --all cases are registered, no mark--> WAITING --claimed--> over
 *     |     '--a partner, or the deadline, met it: a mark, RETRY--> REGISTERING, the cases looked at again
 *     '--a case went ahead meanwhile--> over
 *
 * Each case has a record in its channel; all have one primary, whose word decides. As long as it is REGISTERING
 * nobody can win it, so it may itself look for partners: two selects that find each other need not win two words at
 * once. Who meets it then marks it and goes on as if it were absent, having taken its record out of the
 * channel; it can become WAITING only by a CAS that fails if it has been marked, and then registers anew what
 * isn't registered any more. So when it is WAITING all its cases are registered, or taken by somebody who
 * will claim it. (After the select of Kotlin's coroutines.)
 *
 * Registering a case is: try it; if it can't go ahead, register in that very state of the channel. So nobody who
 * could go ahead with it is overlooked. A channel is not registered in by two kinds of waiters; a select that both
 * sends to and receives from an unbuffered channel therefore meets its own record when it registers the second of
 * the two cases, takes it out, and registers one record for both, as CHAN_EITHER.
 *
 * Records are let go of when the select is over. Cost: 1 CAS a case to register in a word, 1 to withdraw, 2 for the
 * primary. Rejected: two kinds registered side by side (each would have to look twice, with a fence between). */
#include <weft/time.h>

#include "arch/os.h"
#include "runtime/chan/select.h"
#include "runtime/chan/timed.h"
#include "runtime/time/time.h"

SANITIZE_OWNER_DATA_BEGIN

/* The select's own view of its wait. */
struct waiting {
    struct select *s;
    struct selecting me;
    uint64_t token;
    bool timed;
    struct timer_ticket timer;
};

static struct waiter *record_get(void)
{
    struct waiter *w = waiter_get();
    if (!w)
        sched_fatal("out of memory: a select can't wait");
    return w;
}

/* ---- the end ---- */

/* Withdraw all records, those that were replaced included; that which was won has been taken out already. */
static void let_go_of_records(struct waiter *primary)
{
    struct waiter_extra *extra = waiter_extra(primary);
    struct waiter *next, *w = waiter_by_name(extra->chain);
    for (; w; w = next) {
        next = waiter_by_name(waiter_extra(w)->chain);
        if (waiter_name(w) == extra->won)
            waiter_put(w);
        else
            chan_withdraw(w);
    }
}

/* For waiter.unlink: the run has ended. */
static void unlink_abandoned(void *primary)
{
    let_go_of_records(primary);
}

static void let_go(struct waiting *wait)
{
    let_go_of_records(wait->me.primary);
    if (wait->timed)
        timer_cancel(&wait->timer);
    waiter_put(wait->me.primary);
}

/* Nobody has won it: it is REGISTERING. */
static void end_registering(struct waiting *wait)
{
    atomic_store_release(&wait->me.primary->word, wait->token & ~CLAIM_OPEN);
    let_go(wait);
}

/* ---- registering ---- */

static struct waiter *record_for(struct waiting *wait, uint32_t index)
{
    weft_case *c = &wait->s->cases[index];
    struct waiter *w = record_get();
    struct waiter_extra *extra = waiter_extra(w), *primary = waiter_extra(wait->me.primary);
    w->elem = c->elem;
    w->object = c->chan;
    w->result = PLACE_NONE;
    extra->token = wait->token;
    extra->primary = waiter_name(wait->me.primary);
    extra->index = index;
    extra->other_index = 0;
    extra->chain = primary->chain;
    primary->chain = waiter_name(w);
    c->priv[PRIV_RECORD] = (uintptr_t)w;
    return w;
}

/* Make the record of a send stand for a receive as well, or the other way round. */
static void stand_for_both(struct waiting *wait, struct waiter *w, uint32_t index)
{
    struct waiter_extra *extra = waiter_extra(w);
    weft_case *cases = wait->s->cases, *c = &cases[index];
    if (extra->other_index || cases[extra->index].op == c->op)
        return;
    if (c->op == WEFT_OP_RECV) {
        extra->other_elem = c->elem;
        extra->other_index = index + 1;
    } else {
        extra->other_elem = w->elem;
        extra->other_index = extra->index + 1;
        w->elem = c->elem;
        extra->index = index;
    }
}

/* True: one of the two cases that the record stands for has gone ahead. */
static bool try_either(struct waiting *wait, struct waiter *w, uint64_t *state,
                       struct selected *out)
{
    struct waiter_extra *extra = waiter_extra(w);
    uint32_t both[2] = {extra->index, extra->other_index - 1};
    for (int i = 0; i < 2; i++) {
        out->index = (int)both[i];
        out->result = select_try(&wait->s->cases[both[i]], &wait->me, state);
        if (out->result != CHAN_BLOCKED)
            return true;
    }
    return false;
}

/* The case at index met w, of its own select. */
static bool register_either(struct waiting *wait, struct waiter *w, uint32_t index,
                            struct selected *out)
{
    uint64_t state;
    stand_for_both(wait, w, index);
    wait->s->cases[index].priv[PRIV_RECORD] = (uintptr_t)w;
    do {
        if (try_either(wait, w, &state, out))
            return true;
    } while ((state & CHAN_EITHER) || !chan_publish_in_word(w->object, state, w, CHAN_EITHER));
    w->result = PLACE_WORD;
    return false;
}

static bool register_in_word(weft_case *c, uint64_t state, struct waiter *w, uint64_t kind)
{
    if (!chan_publish_in_word(c->chan, state, w, kind))
        return false;
    w->result = PLACE_WORD;
    timed_waits(c->chan);
    return true;
}

/* True: it has gone ahead, and out says how. */
static __attribute__((noinline)) bool register_slow(struct waiting *wait, uint32_t index,
                                                    struct waiter *w, struct selected *out)
{
    weft_case *c = &wait->s->cases[index];
    uint64_t state, kind = c->op == WEFT_OP_SEND ? CHAN_SEND : CHAN_RECV;
    bool linked = false;
    for (;;) {
        wait->me.found = NULL;
        out->index = (int)index;
        out->result = select_try(c, &wait->me, &state);
        if (out->result != CHAN_BLOCKED)
            return true;
        if (wait->me.found)
            return register_either(wait, wait->me.found, index, out);
        if (!linked && !(state & CHAN_EITHER)) {
            if (register_in_word(c, state, w, kind))
                return false;
            continue;
        }
        w->result = kind == CHAN_SEND ? PLACE_SENDERS : PLACE_RECEIVERS;
        if (chan_publish_in_list(c->chan, state, w, kind, linked)) {
            timed_waits(c->chan);
            return false;
        }
        linked = true;
    }
}

/* At first in the state in which it couldn't go ahead. */
static bool register_all(struct waiting *wait, struct selected *out)
{
    for (uint32_t i = 0; i < wait->s->n; i++) {
        weft_case *c = &wait->s->cases[i];
        if (!select_has_channel(c))
            continue;
        struct waiter *w = record_for(wait, i);
        uint64_t state = c->priv[PRIV_STATE], kind = c->op == WEFT_OP_SEND ? CHAN_SEND : CHAN_RECV;
        if (likely(!(state & CHAN_EITHER)) && register_in_word(c, state, w, kind))
            continue;
        if (register_slow(wait, i, w, out))
            return true;
    }
    return false;
}

/* Those that somebody has taken out. One that was taken by another case of this select is in good hands. */
static bool register_anew(struct waiting *wait, struct selected *out)
{
    for (uint32_t i = 0; i < wait->s->n; i++) {
        const weft_case *c = &wait->s->cases[i];
        if (!select_has_channel(c))
            continue;
        struct waiter *w = (struct waiter *)(uintptr_t)c->priv[PRIV_RECORD];
        if (w->result == PLACE_NONE || chan_is_registered(w))
            continue;
        if (register_slow(wait, i, record_for(wait, i), out))
            return true;
    }
    return false;
}

/* ---- waiting ---- */

static void timed_out(void *waiter, uint64_t token)
{
    struct waiter *primary = waiter;
    if (!chan_wait_end(primary, token))
        return;
    primary->result = OUTCOME_TIMEOUT;
    waiter_wake_in_order(primary);
}

static void arm(struct waiting *wait)
{
    struct waiter *primary = wait->me.primary;
    int64_t deadline = wait->s->deadline;
    if (deadline == WEFT_FOREVER || !primary->g)
        return;
    if (timer_arm(&wait->timer, deadline, timed_out, primary, wait->token))
        sched_fatal("out of memory: a select can't wait until a deadline");
    wait->timed = true;
}

/* Marked: two selects that mark each other in step shall fall out of it. */
static void back_off(unsigned attempts)
{
    for (uint64_t i = attempts > 1 ? os_random() % (UINT64_C(16) << (attempts & 7)) : 0; i; i--)
        arch_relax();
}

/* From REGISTERING to WAITING. True: over instead, and out says how. */
static bool over_before_waiting(struct waiting *wait, struct selected *out)
{
    struct waiter *primary = wait->me.primary;
    uint64_t registering = wait->token | CLAIM_REGISTERING, word = registering;
    for (unsigned attempts = 0; !atomic_cas_acq_rel(&primary->word, &word, wait->token);
         attempts++) {
        back_off(attempts);
        /* Who marks it after this has taken out a record after this, or it is looked at below. */
        word = registering;
        atomic_swap_acq_rel(&primary->word, registering);
        if (register_anew(wait, out))
            return true;
        if (wait->s->deadline != WEFT_FOREVER && wait->s->deadline <= os_now()) {
            out->index = NO_CASE;
            return true;
        }
    }
    return false;
}

static void park(struct waiting *wait)
{
    struct waiter *primary = wait->me.primary;
    if (primary->g || wait->s->deadline == WEFT_FOREVER) {
        waiter_wait(primary, wait->s->reason);
    } else if (!waiter_wait_foreign_until(primary, wait->s->deadline)) {
        if (chan_wait_end(primary, wait->token))
            primary->result = OUTCOME_TIMEOUT;
        else
            waiter_wait(primary, wait->s->reason); /* claimed: the wake-up is on its way */
    }
}

bool select_conclude(struct select *s, enum chan_outcome outcome, int index, struct selected *out)
{
    uint64_t state;
    out->index = outcome == OUTCOME_TIMEOUT ? NO_CASE : index;
    out->result = CHAN_DONE;
    if (outcome == OUTCOME_CLOSED)
        out->result = select_try(&s->cases[index], NULL, &state);
    return outcome != OUTCOME_RETRY;
}

bool select_wait(struct select *s, struct selected *out)
{
    struct waiter *primary = record_get();
    struct waiter_extra *extra = waiter_extra(primary);
    struct waiting wait = {.s = s, .me.primary = primary};
    atomic_store_relaxed(&primary->holders, 1);
    extra->primary = waiter_name(primary);
    extra->chain = extra->won = 0;
    primary->object = primary;
    primary->unlink = unlink_abandoned;
    wait.token = chan_wait_begin(primary, CLAIM_REGISTERING);
    bool over = register_all(&wait, out);
    if (!over) {
        arm(&wait);
        over = over_before_waiting(&wait, out);
    }
    if (over) {
        end_registering(&wait);
        return true;
    }
    park(&wait);
    enum chan_outcome outcome = primary->result;
    int index = (int)extra->index;
    let_go(&wait);
    return select_conclude(s, outcome, index, out);
}

SANITIZE_OWNER_DATA_END
