/* SPDX-License-Identifier: Apache-2.0
 * watch.h - within runtime/chan/: a goroutine that selects again and again with the same channel to be stopped by stays
 * registered there from one select to the next.
 *
 * A loop that receives or sends, or is stopped by a close, would register in both channels each time and withdraw from the
 * one that never tells. A watch is a record (wait.h) in the list of the receivers of that channel, the watched one, which stays
 * when the select is over. A goroutine has one at most.
 *
 *   OPEN --taken by a sender or a close, who claims it--> over: its owner makes a new one when it next waits
 *     '---ended by its owner (another channel, its exit), by the end of its run, by the end of the channel--> over
 *
 * A select that waits with the watch opens its goroutine's own waiter (select_own.c), tells the watch the token of that
 * wait, registers in its other channels and looks whether the watch still is OPEN. Who has taken the watch and ended it claims the own
 * waiter, from just that token; if that fails its owner isn't waiting here, and counts as absent.
 *   [CHAN-WATCH-1] the owner looks at the watch after he has told the token,
 *   [CHAN-WATCH-2] the taker looks at the token after he has ended the watch,
 * with a fence between: so the taker claims the wait, or its owner sees that he isn't registered any more.
 *
 * The watched channel may be gone, or be another at the same address, when the owner comes by again, so he touches it only as part of
 * a select with it: ending a watch leaves the record in the list, to be dropped by who comes across it. Each is counted
 * as left behind when it is pushed, so the list is swept often enough. A channel that ends claims those in its list, so a watch that
 * is OPEN is of a channel that lives.
 *
 * A watch stands in the list since it was made, not since the wait began, so who waits longest need not be first to
 * get an element. So weft_select watches nothing but the channels of contexts, which are closed and never sent to; what is
 * said to be there for stopping may be watched too (stop.c, chan_select_or_stop), as the `done` of flow.h, which says so. Where
 * elements are sent all the same a channel is not watched any more (`sent_to_watch`); they are without a size, so nobody
 * misses theirs. A close wakes all.
 *
 * Cost: nothing for the watched channel but two loads and a store, with a fence where an RMW is none. */
#ifndef WEFT_CHAN_WATCH_H
#define WEFT_CHAN_WATCH_H

#include "runtime/chan/wait.h"

SANITIZE_OWNER_DATA_BEGIN

static inline bool watch_is_open(struct waiter *watch)
{
    return atomic_load_acquire(&watch->word) == waiter_extra(watch)->token;
}

/* Whether a receive from ch, in that state, had better be watched: it only tells by closing, as far as one can see, and others
 * wait for it, or this goroutine has before. */
static inline bool watch_pays(struct weft_chan *ch, uint64_t state, struct sched_g *g)
{
    if (ch->elem_size != 0 || atomic_load_relaxed(&ch->sent_to_watch))
        return false;
    bool again = g->watch.seen == ch;
    if (!again) {
        g->watch.seen = ch;
        sched_set_watch(g, g->watch.record); /* what is noted here goes when the goroutine ends */
    }
    return again || (state & CHAN_RECV);
}

/* The wait of that token, which is about to register elsewhere, is for what the goroutine watches, too. */
static inline void watch_joins(struct sched_g *g, uint64_t token)
{
    atomic_store_release(&waiter_extra(g->watch.record)->watching, token);
}

/* It has registered, by an RMW. False: not in what it watches. */
static inline bool watch_holds(struct sched_g *g)
{
    atomic_fence_after_rmw(); /* [CHAN-WATCH-1] */
    return watch_is_open(g->watch.record);
}

/* Begin one, instead of what the goroutine has watched until now. */
bool watch_make(struct weft_chan *ch, uint64_t state, struct sched_g *g);

/* See to it that ch, where nobody but receivers waited in that state, is watched. False: it has moved on, or there is no memory. */
static inline bool watch_begin(struct weft_chan *ch, uint64_t state, struct sched_g *g)
{
    struct waiter *r = g->watch.record;
    return (likely(r) && r->object == ch && watch_is_open(r)) || watch_make(ch, state, g);
}

/* t->w is a watch that the caller has taken and claimed: have him claim the goroutine's wait instead. */
bool watch_claim(struct taken *t);

SANITIZE_OWNER_DATA_END

#endif
