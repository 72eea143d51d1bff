/* SPDX-License-Identifier: Apache-2.0
 * meet.h - within runtime/chan/: the short way to a partner who waits in the word of a channel, unbuffered or of words,
 * with the waiter of his own goroutine, for a caller on a goroutine. Everybody else goes through chan_take(). */
#ifndef WEFT_CHAN_MEET_H
#define WEFT_CHAN_MEET_H

#include "runtime/chan/wait.h"

enum meeting {
    MEETING_DONE,
    MEETING_STALE, /* his wait is over, for ever: he counts as absent */
    MEETING_NOT    /* he can't be had as simply as that, or somebody else has been here */
};

/* The partner, in the state's word, is a select: read was the word of w, his waiter, then. */
enum meeting meet_select(struct weft_chan *ch, uint64_t state, struct waiter *w, uint64_t read,
                         void *elem, struct sched_m *m);

/* The partner is a sender, alone, in the word of a channel of words, whose buffer is full: have the oldest element and
 * put his into the buffer. m: from sched_m_unasked(). False: look again. (try.c) */
bool meet_sender(struct weft_chan *ch, uint64_t state, void *out, struct sched_m *m);

SANITIZE_OWNER_DATA_BEGIN

/* Whether one of that kind waits, in the word, and nobody else. */
static inline bool meeting_is_simple(uint64_t state, uint64_t kind)
{
    return (state & (CHAN_CLOSED | CHAN_EITHER | CHAN_LIST | CHAN_WORD)) == (kind | CHAN_WORD);
}

static inline __attribute__((always_inline)) void meeting_copy(void *to, const void *from,
                                                               size_t size)
{
    if (size != 8)
        chan_copy_any(to, from, size);
    else if (likely(to))
        chan_copy(to, from, 8);
}

/* The one who waits in the state's word, if he is to be had here; *read: his waiter's word, without flags unless he is
 * a select. */
static inline __attribute__((always_inline)) struct waiter *meeting_partner(uint64_t state,
                                                                            uint64_t *read)
{
    struct waiter *w = waiter_named(chan_aux(state));
    if (unlikely(!waiter_is_own(w) || !w->g))
        return NULL;
    *read = atomic_load_acquire(&w->word);
    return w;
}

/* Meet him, who is no select; met: the state then; size: of an element. m: from sched_m_unasked(). False: somebody else
 * has been here. */
static inline __attribute__((always_inline)) bool meeting_here(struct weft_chan *ch, uint64_t state,
                                                               uint64_t met, struct waiter *w,
                                                               uint64_t kind, void *elem,
                                                               size_t size, struct sched_m *m)
{
    if (unlikely(!atomic_cas_acq_rel(&ch->state, &state, met)))
        return false;
    meeting_copy(kind == CHAN_RECV ? w->elem : elem, kind == CHAN_RECV ? elem : w->elem, size);
    w->unlink = NULL;
    waiter_wake_here(w, m);
    return true;
}

SANITIZE_OWNER_DATA_END

#endif
