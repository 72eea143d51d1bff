/* SPDX-License-Identifier: Apache-2.0
 * waits_for.c - by which channels the wait of a parked goroutine may end, for those who look for deadlocks. */
#include "runtime/chan/select.h"

SANITIZE_OWNER_DATA_BEGIN

struct adding {
    void (*add)(const void *chan, size_t bytes, void *arg);
    void *arg;
};

/* False: a timer may serve it; or it lies in another object, such as a context, by which it is closed. */
static bool add_chan(const struct adding *to, const struct weft_chan *ch)
{
    if (ch->form == FORM_TIMER || (ch->form == FORM_SYNC && ch->unowned))
        return false;
    to->add(ch, chan_bytes(ch), to->arg);
    return true;
}

/* With the goroutine's own waiter (select_own.c). */
static bool add_own(const struct adding *to, const struct own_select *own)
{
    bool all = true;
    for (const weft_case *c = own->cases, *end = c + own->n; c < end; c++)
        if (select_has_channel(c))
            all &= add_chan(to, c->chan);
    return all;
}

/* With records (select_wait.c). */
static bool add_records(const struct adding *to, struct waiter *primary)
{
    bool all = true;
    struct waiter *w = waiter_by_name(waiter_extra(primary)->chain);
    for (; w; w = waiter_by_name(waiter_extra(w)->chain))
        all &= add_chan(to, w->object);
    return all;
}

bool chan_waits_for(struct waiter *w, enum wait_reason reason,
                    void (*add)(const void *chan, size_t bytes, void *arg), void *arg)
{
    struct adding to = {add, arg};
    switch (reason) {
    case WAIT_CHAN_RECV_NIL:
    case WAIT_CHAN_SEND_NIL:
    case WAIT_SELECT_NONE:
        return true;
    case WAIT_CHAN_RECV:
    case WAIT_CHAN_SEND:
        return w->object != w && add_chan(&to, w->object); /* else a select, for the deadline */
    case WAIT_SELECT:
        if (!w->unlink)
            return true; /* no case has a channel */
        return waiter_is_own(w) ? add_own(&to, w->elem) : add_records(&to, w);
    default:
        return false;
    }
}

SANITIZE_OWNER_DATA_END
