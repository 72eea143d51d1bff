/* SPDX-License-Identifier: Apache-2.0
 * queue.h - the queue of waiters that all of sync.h's objects but the WaitGroup have.
 *
 *   word = address of the first node | flags of the object : 4 | QUEUE_BUSY
 *
 * Nodes lie in the frames of those who wait, in a ring: the first one's prev is the last. So nothing is allocated,
 * and anybody can be taken out in a few steps, wherever he stands: no dead are left behind.
 *
 * Who sets QUEUE_BUSY owns the links and the word until he stores the word without it; all others change the word
 * only by a CAS from a value without it. (But for 0: where a lock lets only one at a time line up, and only those who
 * line up change 0, a store does: cond.c.) It is held for some ten instructions, never over a switch, a wake-up or a
 * system call. Who finds it set gives way to the kernel after a few looks, for its holder may have lost the CPU. That
 * store is the holder's last touch of the object: those he has taken out he wakes after it.
 *
 * A node is its owner's again when he is woken, or when he takes it out himself, busy. next tells whether it is
 * in a queue.
 *
 * Who takes others out holds the run (sched_hold_run) from then, while busy, until he has woken them. If it is gone, the
 * goroutines in the queue never run again: they are passed over, and go when the run's end unlinks them, which is
 * busy, too, and before their frames go. (Asked before it is busy, a run may be gone that isn't theirs.)
 *
 * Cost: 1 RMW to line up, 1 to take somebody out. Rejected: segments of cells as CQS has (Koval, Khalanskiy and
 * Alistarh, PLDI 2023): they are allocated while waiting, which a lock must not; the channels' lock-free list
 * (chan/waitlist.h): its waiters need records of their own, and 4 RMWs in and out. */
#ifndef WEFT_SYNC_QUEUE_H
#define WEFT_SYNC_QUEUE_H

#include "arch/os.h"
#include "runtime/sched/sched.h"

#define QUEUE_BUSY UINT64_C(2)
#define QUEUE_FLAGS UINT64_C(31) /* the others are the object's */

typedef _Atomic(uint64_t) queue_word;

struct queue_node {
    _Alignas(32) struct queue_node *next; /* NULL: in no queue */
    struct queue_node *prev;
    struct waiter *w;
    int64_t what; /* for the object */
};

/* Let whoever is busy go on. Counts in *n how often the caller has been here. */
void queue_give_way(unsigned *n);

uint64_t queue_lock_slow(queue_word *q);

/* Become busy unless the word is 0, as its queue is empty: what it was. Then who emptied it is done with its nodes. */
uint64_t queue_lock_waited(queue_word *q);

/* Take those out whom a run that ended has left behind. While busy; the new word. */
uint64_t queue_remove_dead(uint64_t word);

/* Wake those who were taken out and strung together by queue_string(), first come first. */
void queue_wake_all(struct queue_node *first);

SANITIZE_OWNER_DATA_BEGIN

/* Become busy. What the word was; the caller's until queue_unlock(). */
static inline uint64_t queue_lock(queue_word *q)
{
    uint64_t word = atomic_load_relaxed(q);
    bool busy = !(word & QUEUE_BUSY) && atomic_cas_acq_rel(q, &word, word | QUEUE_BUSY);
    return likely(busy) ? word : queue_lock_slow(q);
}

static inline struct queue_node *queue_first(uint64_t word)
{
    return (struct queue_node *)(uintptr_t)(word & ~QUEUE_FLAGS);
}

static inline uint64_t queue_set_first(uint64_t word, struct queue_node *first)
{
    return (uint64_t)(uintptr_t)first | (word & QUEUE_FLAGS);
}

static inline void queue_unlock(queue_word *q, uint64_t word)
{
    WEFT_DEBUG_ASSERT(!(word & QUEUE_BUSY) && (atomic_load_relaxed(q) & QUEUE_BUSY));
    atomic_store_release(q, word);
}

/* While busy; the new word. */
static inline uint64_t queue_append(uint64_t word, struct queue_node *node)
{
    struct queue_node *first = queue_first(word);
    if (!first) {
        node->next = node->prev = node;
        return queue_set_first(word, node);
    }
    node->next = first;
    node->prev = first->prev;
    first->prev = first->prev->next = node;
    return word;
}

/* While busy; the new word. */
static inline uint64_t queue_remove(uint64_t word, struct queue_node *node)
{
    struct queue_node *next = node->next;
    node->next = NULL;
    if (next == node)
        return queue_set_first(word, NULL);
    next->prev = node->prev;
    node->prev->next = next;
    return queue_first(word) == node ? queue_set_first(word, next) : word;
}

/* w, the caller's waiter, is about to wait for object. */
static inline void queue_stand_with(struct queue_node *node, struct waiter *w, void *object,
                                    void (*unlink)(void *object))
{
    node->w = w;
    node->next = NULL;
    w->object = object;
    w->unlink = unlink;
    w->result = 0;
}

static inline struct waiter *queue_stand(struct queue_node *node, void *object,
                                         void (*unlink)(void *object))
{
    struct waiter *w = waiter_self();
    queue_stand_with(node, w, object, unlink);
    return w;
}

/* Whether it can still be woken. */
static inline bool queue_can_wake(const struct queue_node *node, enum run_hold hold)
{
    return !node->w->g || hold != RUN_GONE;
}

/* Those who are to be woken when the word has been given back. */
struct queue_string {
    struct queue_node *first, **end;
};

static inline void queue_string(struct queue_string *s, struct queue_node *node)
{
    WEFT_DEBUG_ASSERT(!node->next);
    node->w->unlink = NULL; /* it is in no queue any more */
    if (!s->first)
        s->first = node;
    else
        *s->end = node;
    s->end = &node->prev; /* next stays NULL, for its owner to see */
    node->prev = NULL;
}

SANITIZE_OWNER_DATA_END

#endif
