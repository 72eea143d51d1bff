/* SPDX-License-Identifier: Apache-2.0
 * timed.h - within runtime/chan/: the channels of timers and tickers, as the other files see them. */
#ifndef WEFT_CHAN_TIMED_H
#define WEFT_CHAN_TIMED_H

#include "runtime/chan/chan.h"

#define TIMED_STOPPED INT64_C(0) /* in place of a time */

/* What chan_get() comes to, where nothing else can have been sent. */
enum chan_result timed_get(struct weft_chan *ch, void *out);

/* When it is due next; TIMED_STOPPED: never, unless it is set again. */
int64_t timed_when(struct weft_chan *ch);
bool timed_is_due(int64_t when);

/* The last reference is gone, and nobody waits. */
void timed_free(struct weft_chan *ch);

void timed_settle(struct weft_chan *ch);
void timed_left_slow(struct weft_chan *ch);

SANITIZE_OWNER_DATA_BEGIN

/* The caller has registered a waiter in ch. */
static inline void timed_waits(struct weft_chan *ch)
{
    if (unlikely(ch->form == FORM_TIMER))
        timed_settle(ch);
}

/* The caller has withdrawn one. */
static inline void timed_left(struct weft_chan *ch)
{
    if (unlikely(ch->form == FORM_TIMER))
        timed_left_slow(ch);
}

SANITIZE_OWNER_DATA_END

#endif
