/* SPDX-License-Identifier: Apache-2.0
 * select_own.c - a select of a few unbuffered channels that waits with its goroutine's own waiter: no records.
 *
 *   plain --its word opened--> OPEN --claimed by a partner, a close, the deadline, itself--> ENDED --withdrawn--> plain
 *
 * It registers the one waiter in the words of all its channels, each by a CAS from the state in which the case
 * couldn't go ahead; so nobody who could go ahead with it is overlooked. It may be won from the first of them on. If
 * one of the CASes fails, somebody has come there: then it claims itself, which fails if it has been won, withdraws,
 * and all begins anew, with records (select_wait.c). So it never looks for partners while it can be won, and no two
 * words need be won at once.
 *
 * A state names the waiter and not the wait. Who takes it reads the waiter's word between his reading of the state
 * and his CAS of it: the state of an unbuffered channel never comes back, so if the CAS succeeds the registration was
 * there all the time, and what he has read is the word of that very wait. It is plain when the goroutine waits for
 * this channel alone, and has been taken by that CAS; OPEN, and is to be claimed from just this value; or ENDED. It
 * stays ENDED as long as a channel may still name the waiter: the owner withdraws, and only then makes it plain. Who
 * has taken it out by then, and hasn't claimed it, will fail, as the value never comes back.
 *
 * The state of a buffered channel does come back: its position stays when nothing but waiters come and go. So there
 * an own waiter always waits for that channel alone, and nobody looks at its word.
 *
 * Who has claimed it finds the case by its channel, among the cases in the owner's frame, which stays as it is until he
 * wakes him. A channel that is in several cases can't be registered in twice: the second CAS fails.
 *
 * Cost: 1 CAS a case to register, none to withdraw what was taken, no record. Rejected: to go from one to the
 * other kind of waiting while registered (two ways to be found at once). */
#include <weft/time.h>

#include "runtime/chan/select.h"
#include "runtime/chan/watch.h"
#include "runtime/time/time.h"

SANITIZE_OWNER_DATA_BEGIN

/* Out of the words of the first n cases' channels, but for the watched one's, where it never is. */
static void own_withdraw(const struct own_select *own, uint32_t n, struct waiter *w)
{
    const weft_case *c = own->cases;
    for (uint32_t i = 0; i < n; i++, c++)
        if (select_has_channel(c) && i != own->won && i != own->watched)
            chan_withdraw_from_word(c->chan, w);
}

void own_unlink(void *waiter)
{
    struct waiter *w = waiter;
    const struct own_select *own = w->elem;
    own_withdraw(own, own->n, w);
    own_make_plain(w);
}

/* False: not in all of them; *n: in how many of the cases' channels. */
static bool own_register(const struct own_select *own, struct waiter *w, uint32_t *n)
{
    const weft_case *c = own->cases;
    for (*n = 0; *n < own->n; ++*n, c++) {
        uint64_t kind = c->op == WEFT_OP_SEND ? CHAN_SEND : CHAN_RECV;
        if (select_has_channel(c) && *n != own->watched &&
            !chan_publish_in_word(c->chan, c->priv[PRIV_STATE], w, kind))
            return false;
    }
    return true;
}

static void own_timed_out(void *waiter, uint64_t token)
{
    struct waiter *w = waiter;
    if (!chan_wait_end(w, token))
        return;
    w->result = OUTCOME_TIMEOUT;
    waiter_wake_in_order(w);
}

static bool own_arm(int64_t deadline, struct waiter *w, uint64_t token, struct timer_ticket *timer)
{
    if (likely(deadline == WEFT_FOREVER))
        return false;
    if (timer_arm(timer, deadline, own_timed_out, w, token))
        sched_fatal("out of memory: a select can't wait until a deadline");
    return true;
}

bool select_wait_own(struct select *s, struct selected *out, struct sched_m *m)
{
    struct timer_ticket timer;
    struct own_select own = {
        .cases = s->cases, .n = (uint32_t)s->n, .won = OWN_NONE, .watched = s->watched};
    struct waiter *w = &m->g->waiter;
    uint32_t registered;
    bool watches = own.watched != OWN_NONE;
    uint64_t token = own_open(&own, w);
    if (watches)
        watch_joins(m->g, token);
    bool all = own_register(&own, w, &registered) && (!watches || watch_holds(m->g));
    if (unlikely(!all) && chan_wait_end(w, token)) {
        s->not_own = true;
        own_withdraw(&own, registered, w);
        own_make_plain(w);
        return false;
    }
    bool timed = all && own_arm(s->deadline, w, token, &timer);
    enum chan_outcome outcome = waiter_wait_here(m, s->reason);
    own_withdraw(&own, registered, w);
    own_make_plain(w);
    if (unlikely(timed))
        timer_cancel(&timer);
    out->index = (int)own.won;
    out->result = CHAN_DONE;
    return likely(outcome == OUTCOME_DONE) || select_conclude(s, outcome, (int)own.won, out);
}

SANITIZE_OWNER_DATA_END
