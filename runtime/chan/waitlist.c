/* SPDX-License-Identifier: Apache-2.0
 * waitlist.c - the waiters of a channel beyond the first.
 *
 * A singly linked list after Harris (DISC 2001) and Michael (PODC 2002), appended to by way of a hint at its
 * end, as the tail of Michael and Scott's queue (PODC 1996) is.
 *
 *   a link (the head, or a waiter's) = name of the next waiter : 32 | count : 30 | mark : 2
 *
 * The waiter's own link carries its mark: LIVE, TAKEN (popped) or DEAD (found to be over by a sweep). A
 * marked link never changes again until its waiter is pushed anew, so nothing can be linked in behind a
 * waiter that is on its way out. Every change of a link moves its count, which goes on where it stopped when the
 * waiter is used again: waiters are type-stable, so who comes late fails in his CAS.
 *
 * A step from link p with value `cur` to the waiter that cur names is sound when p still is `cur` after the
 * waiter's link was read: then the waiter was linked there at that moment, and its link is of that life.
 * Who meets a marked waiter unlinks it.
 *
 * Holds: a waiter has two, its owner's and the list's. The list's goes to who pops it (always the first one,
 * so a single CAS of the head, his or a helper's, has unlinked it) or, when it is DEAD, is dropped by who
 * unlinks it.
 *
 * The hint names the last waiter and its life, a number of pushes. It is sound if the link was LIVE when
 * read and the life still is the same after that: the link is made ready only after the life has moved.
 * A hint that lags or is void costs a walk, never correctness.
 *
 * A waiter whose wait is over stays where it is, unless it is the first: who pops it will find out. When more have
 * been left behind than lived at the last sweep, the list is swept: O(1) each, and no more of the dead than of
 * the living, give or take LEFT_MIN. (Taking the last one out at once would void the hint each time.)
 *
 * Cost: push 1 CAS and 1 for the hint; pop 2; leave 1, or 2 if it is the first.
 * Rejected: segments of cells as CQS has (Koval et al., PLDI 2023): they are allocated while waiting. */
#include "runtime/chan/waitlist.h"

#ifdef WEFT_TEST_BUILD
#define LEFT_MIN 2
#else
#define LEFT_MIN 32
#endif

#define MARKS UINT64_C(3)
#define MARK_TAKEN UINT64_C(1)
#define MARK_DEAD UINT64_C(2)
#define COUNT_ONE UINT64_C(4)
#define COUNT_MASK UINT64_C(0xfffffffc)

SANITIZE_OWNER_DATA_BEGIN

static inline uint32_t next_name(uint64_t link)
{
    return (uint32_t)(link >> 32);
}

/* What a link becomes: other contents, and the next count. */
static inline uint64_t relink(uint64_t link, uint32_t next, uint64_t mark)
{
    return (uint64_t)next << 32 | ((link + COUNT_ONE) & COUNT_MASK) | mark;
}

static inline _Atomic(uint64_t) *link_of(struct waiter *w)
{
    return &waiter_extra(w)->link;
}

/* Unlink w, marked, whose link is `link`, from p, which named it in `cur`. False: p has moved. */
static bool unlink_marked(_Atomic(uint64_t) *p, uint64_t cur, struct waiter *w, uint64_t link)
{
    if (!atomic_cas_acq_rel(p, &cur, relink(cur, next_name(link), 0)))
        return false;
    if (link & MARK_DEAD)
        waiter_drop(w);
    return true;
}

/* Where a walk stands. */
struct walk {
    _Atomic(uint64_t) *p;
    uint64_t cur;     /* what p was */
    struct waiter *w; /* whom it names, LIVE; NULL: the end */
    uint64_t link;    /* w's */
};

/* See to it that what p names is LIVE. False: p is not to be trusted any more. */
static bool settle(struct walk *at)
{
    for (;;) {
        at->w = waiter_by_name(next_name(at->cur));
        if (!at->w)
            return true;
        at->link = atomic_load_acquire(link_of(at->w));
        if (atomic_load_acquire(at->p) != at->cur)
            return false;
        if (!(at->link & MARKS))
            return true;
        if (!unlink_marked(at->p, at->cur, at->w, at->link))
            return false;
        at->cur = relink(at->cur, next_name(at->link), 0);
    }
}

static bool walk_begin(struct waitlist *l, struct walk *at)
{
    at->p = &l->head;
    at->cur = atomic_load_acquire(at->p);
    return settle(at);
}

static bool walk_on(struct walk *at)
{
    at->p = link_of(at->w);
    at->cur = at->link;
    return settle(at);
}

/* Begin at the hint, if it is sound. */
static bool walk_begin_at_hint(struct waitlist *l, uint64_t hint, struct walk *at)
{
    struct waiter *w = waiter_by_name(next_name(hint));
    if (!w)
        return walk_begin(l, at);
    at->p = link_of(w);
    at->cur = atomic_load_acquire(at->p);
    if ((at->cur & MARKS) || atomic_load_acquire(&waiter_extra(w)->life) != (uint32_t)hint)
        return walk_begin(l, at);
    return settle(at);
}

void waitlist_push(struct waitlist *l, struct waiter *w)
{
    struct waiter_extra *extra = waiter_extra(w);
    uint32_t life = atomic_load_relaxed(&extra->life) + 1;
    uint64_t hint;
    struct walk at;
    atomic_store_release(&extra->life, life);
    atomic_store_release(&extra->link, relink(atomic_load_relaxed(&extra->link), 0, 0));
    for (;;) {
        hint = atomic_load_acquire(&l->tail);
        bool sound = walk_begin_at_hint(l, hint, &at);
        while (sound && at.w)
            sound = walk_on(&at);
        if (sound && atomic_cas_acq_rel(at.p, &at.cur, relink(at.cur, w->name, 0)))
            break;
    }
    atomic_cas_acq_rel(&l->tail, &hint, (uint64_t)w->name << 32 | life);
}

struct waiter *waitlist_pop(struct waitlist *l)
{
    for (;;) {
        uint64_t head = atomic_load_acquire(&l->head);
        struct waiter *w = waiter_by_name(next_name(head));
        if (!w)
            return NULL;
        uint64_t link = atomic_load_acquire(link_of(w));
        if (atomic_load_acquire(&l->head) != head)
            continue;
        if (link & MARKS) {
            unlink_marked(&l->head, head, w, link);
            continue;
        }
        if (!atomic_cas_acq_rel(link_of(w), &link, relink(link, next_name(link), MARK_TAKEN)))
            continue;
        /* It stays the first until unlinked: if this fails, another has done it. */
        unlink_marked(&l->head, head, w, link | MARK_TAKEN);
        return w;
    }
}

bool waitlist_has(struct waiter *w)
{
    return !(atomic_load_acquire(link_of(w)) & MARKS);
}

/* Take the first out, if it is w. */
static bool take_first(struct waitlist *l, struct waiter *w)
{
    uint64_t head = atomic_load_acquire(&l->head);
    uint64_t link = atomic_load_acquire(link_of(w));
    if (next_name(head) != w->name || (link & MARKS))
        return false;
    if (!atomic_cas_acq_rel(link_of(w), &link, relink(link, next_name(link), MARK_TAKEN)))
        return false;
    unlink_marked(&l->head, head, w, link | MARK_TAKEN); /* or somebody else has */
    return true;
}

bool waitlist_leave(struct waitlist *l, struct waiter *w, waitlist_over over)
{
    if (take_first(l, w))
        return true;
    waitlist_will_leave(l, over);
    return false;
}

void waitlist_will_leave(struct waitlist *l, waitlist_over over)
{
    uint32_t left = atomic_add_acq_rel(&l->left, 1) + 1;
    if (left >= LEFT_MIN + atomic_load_relaxed(&l->seen))
        waitlist_sweep(l, over);
}

/* The walk's waiter is over: let go of it. Whether the walk is still sound. */
static bool bury_over(struct walk *at)
{
    uint64_t dead = relink(at->link, next_name(at->link), MARK_DEAD);
    return atomic_cas_acq_rel(link_of(at->w), &at->link, dead) && settle(at);
}

void waitlist_sweep(struct waitlist *l, waitlist_over over)
{
    struct walk at;
    uint32_t seen = 0;
    atomic_store_relaxed(&l->left, 0);
    bool sound = walk_begin(l, &at);
    while (!sound || at.w) {
        if (!sound) {
            seen = 0;
            sound = walk_begin(l, &at);
        } else if (over(at.w)) {
            sound = bury_over(&at);
        } else {
            seen++;
            sound = walk_on(&at);
        }
    }
    atomic_store_relaxed(&l->seen, seen);
}

void waitlist_trim(struct waitlist *l, waitlist_over over)
{
    struct walk at;
    bool sound = walk_begin(l, &at);
    while (!sound || (at.w && over(at.w)))
        sound = sound ? bury_over(&at) : walk_begin(l, &at);
}

SANITIZE_OWNER_DATA_END
