/* SPDX-License-Identifier: Apache-2.0
 * bias.h - readers of a rwmutex who are counted where nobody else writes.
 *
 * A rwmutex whose readers are in each other's way gets a column of a table that has a row for each processor. Who holds
 * the processor counts readers there without an RMW, in and out: whoever a row's count was raised for, another may lower it,
 * but never below 0. The sum of a column is what counts. (After BRAVO: Dice and Kogan, USENIX ATC 2019; there a
 * reader has a slot of his own, which he must find again to leave. Here any goroutine may, anywhere.)
 *
 *   the holder of a row     busy = 1, light fence, is the column still the object's?, count, busy = 0     [BIAS-1]
 *   who takes the column    it isn't the object's any more, heavy fence, wait while a row is busy         [BIAS-2]
 *
 * So after that wait no count of the column changes: each holder came before, or finds that it isn't the object's. A row is busy for
 * some ten instructions, never over a switch or a system call.
 *
 *   ticket: FREE --bias_take--> USED --bias_give_back--> DRAINING --counts are 0--> FREE
 *                                '--all are used: bias_take--> SUSPENDED --sum is 0--> USED, by another
 *                                ^----------------sum isn't 0--------'
 * Each step is a CAS. A ticket is what its object keeps, and no two are equal; the table knows no objects. So an object
 * that is gone keeps its column only until another wants it, and one that lost it so has no readers there. Nothing waits for
 * one who is stopped in a step, other than in a busy row.
 *
 * Cost: to read 0 RMWs; to take or give back 2 RMWs, 1 heavy fence and a look at each row.
 * Rejected: columns by a hash of the address (two objects' readers in one count: a writer would wait for another's). */
#ifndef WEFT_SYNC_BIAS_H
#define WEFT_SYNC_BIAS_H

#include "arch/os.h"
#include "runtime/sched/sched.h"

#ifdef WEFT_TEST_BUILD
#define BIAS_COLUMNS 2u
#else
#define BIAS_COLUMNS 14u
#endif
#define BIAS_COLUMN UINT64_C(15) /* of a ticket: which column */

struct bias_row {
    _Alignas(CACHE_LINE) _Atomic(uint32_t) busy; /* the holder's */
    bool listed;                                 /* likewise: it is below bias_rows_listed */
    _Atomic(uint32_t)
        counts[BIAS_COLUMNS]; /* the holder's, while the column is used; then who takes it */
};

/* The last is nobody's, and never listed. */
extern struct bias_row bias_rows[SCHED_NUMBERS + 1] __attribute__((visibility("hidden")));
extern _Atomic(uint64_t) bias_tickets[BIAS_COLUMNS] __attribute__((visibility("hidden")));

/* A column for an object; 0: there is none. */
uint64_t bias_take(void);

/* Nobody finds the ticket in its object any more. How many are counted; they are the caller's to count from now on. */
uint64_t bias_give_back(uint64_t ticket);

/* The object has lost its column to another. */
bool bias_is_lost(uint64_t ticket);

/* From now on the caller's P has a row, if it can. */
void bias_list_here(void);

SANITIZE_OWNER_DATA_BEGIN

/* Begin to count: the row of the P that the caller holds; NULL: none, or not yet. */
static inline struct bias_row *bias_enter(void)
{
    struct bias_row *row = &bias_rows[sched_p_number()];
    if (unlikely(!row->listed))
        return NULL;
    atomic_store_relaxed(&row->busy, 1);
    atomic_fence_light(); /* [BIAS-1] */
    return row;
}

/* One more. False: it isn't the object's column any more. */
static inline bool bias_count_in(struct bias_row *row, uint64_t ticket)
{
    uint32_t column = ticket & BIAS_COLUMN;
    if (unlikely(atomic_load_acquire(&bias_tickets[column]) != ticket))
        return false;
    uint32_t n = atomic_load_acquire(&row->counts[column]); /* after all who left before */
    atomic_store_relaxed(&row->counts[column], n + 1);
    return true;
}

/* One less. False: likewise, or there is none in this row. */
static inline bool bias_count_out(struct bias_row *row, uint64_t ticket)
{
    uint32_t column = ticket & BIAS_COLUMN;
    uint32_t n = atomic_load_acquire(&row->counts[column]); /* likewise */
    if (unlikely(n == 0 || atomic_load_acquire(&bias_tickets[column]) != ticket))
        return false;
    atomic_store_release(&row->counts[column], n - 1); /* pairs with bias_give_back() */
    return true;
}

static inline void bias_leave(struct bias_row *row)
{
    atomic_store_release(&row->busy, 0); /* pairs with rows_settle() */
}

SANITIZE_OWNER_DATA_END

#endif
