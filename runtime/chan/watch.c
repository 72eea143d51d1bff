/* SPDX-License-Identifier: Apache-2.0
 * watch.c - staying registered in a channel between selects. The protocol is in watch.h. */
#include "runtime/chan/watch.h"

SANITIZE_OWNER_DATA_BEGIN

/* For waiter.unlink: its owner, or his run, has no use for it any more. The channel may be gone. */
static void watch_end(void *watch)
{
    struct waiter *r = watch;
    chan_wait_end(r, waiter_extra(r)->token);
    waiter_drop(r);
}

static struct waiter *watch_new(struct weft_chan *ch)
{
    struct waiter *r = waiter_get();
    if (!r)
        return NULL;
    struct waiter_extra *extra = waiter_extra(r);
    r->object = ch;
    r->unlink = watch_end;
    extra->primary = waiter_name(r);
    extra->other_index = INDEX_WATCH;
    atomic_store_relaxed(&extra->watching, 0); /* no token */
    extra->token = chan_wait_begin(r, 0);
    return r;
}

bool watch_make(struct weft_chan *ch, uint64_t state, struct sched_g *g)
{
    struct waiter *old = g->watch.record, *r = watch_new(ch);
    sched_set_watch(g, r); /* first, as the end of a run ends what it finds here */
    if (old)
        watch_end(old);
    if (!r)
        return false;
    if (chan_publish_in_list(ch, state, r, CHAN_RECV, false)) {
        waitlist_will_leave(&ch->receivers, chan_wait_is_over);
        return true;
    }
    sched_set_watch(g, NULL); /* it is in the list, but the state doesn't tell */
    chan_wait_end(r, waiter_extra(r)->token);
    r->result = PLACE_RECEIVERS;
    chan_withdraw(r);
    return false;
}

bool watch_claim(struct taken *t)
{
    struct waiter *r = t->w, *w = &((struct sched_g *)r->g)->waiter;
    struct weft_chan *ch = r->object;
    atomic_fence_after_rmw(); /* [CHAN-WATCH-2] */
    uint64_t token = atomic_load_acquire(&waiter_extra(r)->watching);
    waiter_drop(r);
    if (!(atomic_load_acquire(&ch->state) & CHAN_CLOSED))
        atomic_store_relaxed(&ch->sent_to_watch, true);
    t->w = NULL;
    if (chan_own_claim(w, token)) {
        t->w = w;
        t->own_elem = chan_own_case(w, ch, CHAN_RECV)->elem;
    }
    return t->w;
}

SANITIZE_OWNER_DATA_END
