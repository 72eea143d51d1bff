/* SPDX-License-Identifier: Apache-2.0
 * select.h - within runtime/chan/: a select that is under way. */
#ifndef WEFT_CHAN_SELECT_H
#define WEFT_CHAN_SELECT_H

#include <weft/select.h>

#include "runtime/chan/wait.h"

/* weft_case.priv, during the call. */
enum { PRIV_RECORD, PRIV_READY, PRIV_STATE, PRIV_WHEN };

#define NO_CASE (-1)

struct select {
    weft_case *cases;
    size_t n;
    int64_t deadline; /* WEFT_FOREVER: none */
    int default_case; /* NO_CASE: none */
    int after_case;   /* whose deadline that is */
    enum wait_reason reason;
    /* What the last look at the cases has found: */
    uint64_t waited;   /* kinds that wait, in some state */
    uint32_t channels; /* cases that have one */
    bool some_after;   /* cases, not due at once */
    bool some_timer;   /* channels */
    bool last_stops;   /* the last case's channel may be watched */
    bool not_own;      /* waiting with the goroutine's own waiter has failed */
    uint32_t watched;  /* of those that can wait so, which is watched; OWN_NONE: none */
};

/* How it ended. */
struct selected {
    int index; /* of the case; NO_CASE: the deadline has passed */
    enum chan_result result;
};

/* For waiter.unlink: the run has ended. (select_own.c) */
void own_unlink(void *waiter);

SANITIZE_OWNER_DATA_BEGIN

/* Whether the case sends or receives at all. */
static inline bool select_has_channel(const weft_case *c)
{
    return c->op <= WEFT_OP_SEND && c->chan;
}

/* Begin a wait with the goroutine's own waiter; the token. */
static inline uint64_t own_open(struct own_select *own, struct waiter *w)
{
    w->elem = own;
    w->object = w;
    w->unlink = own_unlink;
    w->result = OUTCOME_DONE;
    return chan_wait_begin(w, 0);
}

/* It is over, and no channel names the waiter any more. */
static inline void own_make_plain(struct waiter *w)
{
    atomic_store_release(&w->word, atomic_load_relaxed(&w->word) & ~CLAIM_FLAGS);
}

/* What the case does to its channel. */
static inline enum chan_result select_try(weft_case *c, struct selecting *me, uint64_t *state)
{
    if (c->op == WEFT_OP_SEND)
        return chan_put(c->chan, c->elem, me, state);
    return chan_get(c->chan, c->elem, me, state);
}

SANITIZE_OWNER_DATA_END

/* Register all cases and wait for one. False: try anew from the beginning. (select_wait.c) */
bool select_wait(struct select *s, struct selected *out);

/* The same on a goroutine, m from sched_m_unasked(), in unbuffered channels where nobody waits. (select_own.c) */
bool select_wait_own(struct select *s, struct selected *out, struct sched_m *m);

/* Both come to this when they have been woken. */
bool select_conclude(struct select *s, enum chan_outcome outcome, int index, struct selected *out);

#endif
