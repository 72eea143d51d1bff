/* SPDX-License-Identifier: Apache-2.0
 * queue.c - waiters of sync.h's objects; told in queue.h. */
#include "runtime/sync/queue.h"

#include <weft/sync.h>

#define LOOKS 16 /* at who is busy, before giving the CPU away */

/* Programs are compiled with these. */
_Static_assert(sizeof(weft_mutex) == 8 && sizeof(weft_once) == 8 && sizeof(weft_waitgroup) == 8,
               "one word each");
_Static_assert(sizeof(weft_cond) == 24 && sizeof(weft_sem) == 24 && sizeof(weft_rwmutex) == 32,
               "three words, or four");
_Static_assert(offsetof(weft_sem, state_) == 0 && offsetof(weft_sem, size_) == 8 &&
                   offsetof(weft_rwmutex, state_) == 0 && offsetof(weft_rwmutex, bias_) == 24,
               "what the inline functions look at");

SANITIZE_OWNER_DATA_BEGIN

void queue_give_way(unsigned *n)
{
    if ((*n)++ < LOOKS)
        arch_relax();
    else
        os_yield();
}

uint64_t queue_lock_slow(queue_word *q)
{
    unsigned looks = 0;
    uint64_t word = atomic_load_relaxed(q);
    for (;;) {
        if (unlikely(word & QUEUE_BUSY)) {
            queue_give_way(&looks);
            word = atomic_load_relaxed(q);
        } else if (atomic_cas_acq_rel(q, &word, word | QUEUE_BUSY)) {
            return word;
        }
    }
}

uint64_t queue_lock_waited(queue_word *q)
{
    unsigned looks = 0;
    uint64_t word = atomic_load_acquire(q);
    while (word) {
        if (unlikely(word & QUEUE_BUSY)) {
            queue_give_way(&looks);
            word = atomic_load_acquire(q);
        } else if (atomic_cas_acq_rel(q, &word, word | QUEUE_BUSY)) {
            break;
        }
    }
    return word;
}

uint64_t queue_remove_dead(uint64_t word)
{
    struct queue_node *first = queue_first(word);
    struct queue_node *node = first ? first->prev : NULL;
    while (node) {
        struct queue_node *before = node == queue_first(word) ? NULL : node->prev;
        if (waiter_is_dead(node->w))
            word = queue_remove(word, node);
        node = before;
    }
    return word;
}

void queue_wake_all(struct queue_node *first)
{
    if (first && !first->prev) {
        waiter_wake(first->w);
        return;
    }
    while (first) {
        struct queue_node *next = first->prev; /* its frame goes when it is woken */
        waiter_wake_in_order(first->w);
        first = next;
    }
}

SANITIZE_OWNER_DATA_END
