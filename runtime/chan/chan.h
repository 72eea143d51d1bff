/* SPDX-License-Identifier: Apache-2.0
 * chan.h - a channel's state. What happens on it is told in chan.c, its waiters in wait.h, its buffer in ring.h.
 *
 *   state = position : 31 | aux : 28 | WORD : 1 | LIST : 1 | kind : 2 | CLOSED : 1
 *
 * kind says who waits:
 *   nobody         aux is the number of elements
 *   CHAN_RECV      receivers do, so the buffer is empty
 *   CHAN_SEND      senders do, so the buffer is full
 *   both bits      selects that would do either do; only on an unbuffered channel
 * and where: WORD, the first of them is the one that aux names; LIST, others are in the list of their
 * kind; LIST without WORD, all are, and aux is a number that was never there before. Closed: nobody waits.
 *
 * position is where the oldest element is, or would be. An unbuffered channel has no use for it, and moves
 * it whenever waiters leave, so that a state never comes back. */
#ifndef WEFT_CHAN_CHAN_H
#define WEFT_CHAN_CHAN_H

#include <weft/chan.h>

#include "runtime/chan/waitlist.h"
#include "runtime/sched/sched.h"

#define CHAN_CLOSED UINT64_C(1)
#define CHAN_RECV UINT64_C(2)
#define CHAN_SEND UINT64_C(4)
#define CHAN_EITHER (CHAN_RECV | CHAN_SEND)
#define CHAN_LIST UINT64_C(8)
#define CHAN_WORD UINT64_C(16)
#define AUX_SHIFT 5
#define AUX_ONE (UINT64_C(1) << AUX_SHIFT)
#define AUX_MAX ((UINT64_C(1) << 28) - 1)
#define AUX_MASK (AUX_MAX << AUX_SHIFT)
#define POSITION_SHIFT 33
#define POSITION_ONE (UINT64_C(1) << POSITION_SHIFT)
#define POSITION_MASK (~(POSITION_ONE - 1))

/* How elements are kept. */
enum chan_form {
    FORM_SYNC,  /* not at all: no capacity */
    FORM_COUNT, /* they have no size: only their number */
    FORM_WORD,  /* in the cell, up to 8 bytes */
    FORM_NODE,  /* in a node, which the cell names */
    FORM_TIMER, /* not at all: what a timer gives when it is due (timed.c) */
};

struct weft_chan {
    _Alignas(CACHE_LINE) _Atomic(uint64_t) state;
    uint32_t form; /* enum chan_form */
    uint32_t capacity;
    uint32_t index_mask; /* position & index_mask: which cell */
    uint32_t cells;      /* capacity + 1 */
    uint32_t skip;       /* positions between the last cell's and the first's next */
    uint32_t turn;       /* 1: the position moves whenever waiters leave */
    size_t elem_size;
    void *ring; /* of cells */
    size_t capacity_asked;
    _Atomic(uint32_t) sent_to_watch; /* see watch.h */

    _Alignas(CACHE_LINE) struct waitlist receivers;
    struct waitlist senders;
    _Atomic(uint32_t) fresh; /* numbers for aux */
    _Atomic(uint32_t) refs;

    union {
        struct nodes *nodes;                 /* FORM_NODE */
        void (*unowned)(struct weft_chan *); /* FORM_SYNC: it lies in another object; else NULL */
    };
};

/* What an operation that doesn't wait comes to. */
enum chan_result {
    CHAN_DONE,
    CHAN_BLOCKED,  /* it would have to wait */
    CHAN_IS_CLOSED /* a send: closed; a receive: closed and drained */
};

/* What a wait comes to: waiter.result. */
enum chan_outcome {
    OUTCOME_DONE,
    OUTCOME_CLOSED, /* try again: the channel is closed */
    OUTCOME_RETRY,  /* try again: who had claimed it could not serve it */
    OUTCOME_TIMEOUT,
};

struct selecting;
struct weft_case;

SANITIZE_OWNER_DATA_BEGIN

static inline uint32_t chan_aux(uint64_t state)
{
    return (uint32_t)(state >> AUX_SHIFT) & (uint32_t)AUX_MAX;
}

static inline uint32_t chan_position(uint64_t state)
{
    return (uint32_t)(state >> POSITION_SHIFT);
}

/* How many elements there are. */
static inline uint32_t chan_count(const struct weft_chan *ch, uint64_t state)
{
    uint64_t kind = state & CHAN_EITHER;
    return kind == 0 ? chan_aux(state) : kind == CHAN_SEND ? ch->capacity : 0;
}

/* The state when nobody waits any more. */
static inline uint64_t chan_unwaited(const struct weft_chan *ch, uint64_t state)
{
    uint64_t count = chan_count(ch, state);
    return (state & (POSITION_MASK | CHAN_CLOSED)) + ((uint64_t)ch->turn << POSITION_SHIFT) +
           (count << AUX_SHIFT);
}

/* The same on an unbuffered channel, when the one who waited in the word has been taken. */
static inline uint64_t chan_met(uint64_t state)
{
    return ((state >> POSITION_SHIFT) + 1) << POSITION_SHIFT;
}

/* False: a receive would have to wait. True: it may not. */
static inline bool chan_may_recv(struct weft_chan *ch)
{
    uint64_t state = atomic_load_acquire(&ch->state);
    return (state & (CHAN_CLOSED | CHAN_SEND)) || (!(state & CHAN_RECV) && chan_aux(state)) ||
           ch->form == FORM_TIMER;
}

static inline struct waitlist *chan_list(struct weft_chan *ch, uint64_t kind)
{
    return kind == CHAN_SEND ? &ch->senders : &ch->receivers;
}

/* Send or receive if that can be done without waiting. On CHAN_BLOCKED *state is a state of the channel, with no
 * partner in it, that says so. me: the select that this is for, or NULL. (try.c) */
enum chan_result chan_put(struct weft_chan *ch, const void *elem, struct selecting *me,
                          uint64_t *state);
enum chan_result chan_get(struct weft_chan *ch, void *out, struct selecting *me, uint64_t *state);

/* With a deadline; what weft_chan_send_until and weft_chan_recv_until return. (select.c) */
int chan_until(struct weft_chan *ch, bool sends, void *elem, int64_t deadline);

/* Send to or receive from ch, unless done is closed or gives something first, which is looked at before anything else. To
 * be called again and again with the same done, by who holds a reference to it. (stop.c) */
enum chan_stop {
    STOP_DONE,
    STOP_ENDED, /* a receive: ch is closed and drained */
    STOP_STOPPED
};
enum chan_stop chan_send_or_stop(struct weft_chan *done, struct weft_chan *ch, const void *elem);
enum chan_stop chan_recv_or_stop(struct weft_chan *done, struct weft_chan *ch, void *out);

/* weft_select, of which the last case receives from such a done. (select.c) */
int chan_select_or_stop(struct weft_case *cases, size_t n);

/* The caller has filled the cell at `tail` for an element that no node holds: whether it has come to count. If
 * not it is in no buffer. (try.c) */
bool chan_enter(struct weft_chan *ch, uint32_t tail);

/* How much memory it takes, from where it begins. (chan.c) */
size_t chan_bytes(const struct weft_chan *ch);

/* Drop a reference. (chan.c) */
void chan_drop(struct weft_chan *ch);

/* For a channel without elements that lies in an object of a room above, and only tells by closing. With one reference;
 * when the last is gone, however it was dropped, unowned(ch) is called, and the memory stays that room's. (chan.c) */
void chan_init_inside(struct weft_chan *ch, void (*unowned)(struct weft_chan *ch));
void chan_close_inside(struct weft_chan *ch); /* several may: then it is closed when each returns */
void chan_fini_inside(struct weft_chan *ch);  /* fatal if somebody waits */

_Noreturn void chan_block_for_ever(enum wait_reason reason);

/* For elements: from and to may be NULL when there is nothing to copy. */
void chan_copy_any(void *to, const void *from, size_t size);

static inline void chan_copy(void *to, const void *from, size_t size)
{
    if (size == 8 && to)
        __builtin_memcpy(to, from, 8);
    else
        chan_copy_any(to, from, size);
}

SANITIZE_OWNER_DATA_END

#endif
