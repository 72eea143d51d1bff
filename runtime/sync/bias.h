/* SPDX-License-Identifier: Apache-2.0
 * bias.h - readers of a rwmutex who are counted where nobody else writes.
 *
 * A rwmutex whose readers are in each other's way gets a column of a table that has a row for each processor. Who holds
 * the processor counts readers there without an RMW, in and out: whoever a row's count was raised for, another may lower it,
 * but never below none. The sum of a column is what counts. (After BRAVO: Dice and Kogan, USENIX ATC 2019; there a
 * reader has a slot of his own, which he must find again to leave. Here any goroutine may, anywhere.)
 *
 *   the holder of a row     his count in that column is odd, fence, is the column still the object's?, count, even   [BIAS-1]
 *   who takes the column    it isn't the object's any more, heavy fence, wait while a count in it is odd             [BIAS-2]
 *
 * So after that wait no count of the column changes: each holder came before, or finds that it isn't the object's. A count is odd for
 * some ten instructions, never over a switch or a system call. Those are inline in the caller (weft/sync.h), where the
 * compiler's fence is all: the real one is the heavy one's, and where the kernel has none (membarrier(2)) there are no rows. Where it
 * refuses that later (a seccomp filter) the next who takes a column ends the process.
 *
 * Only its holder ever writes a count. Who takes a column notes what the counts are, as what none is from now on: bases.
 *
 *   ticket: FREE --bias_take--> USED --bias_give_back--> DRAINING --counts are noted--> FREE
 *                                '--all are used: bias_take--> SUSPENDED --sum is 0--> USED, by another
 *                                ^----------------sum isn't 0--------'
 * Each step is a CAS. A ticket is what its object keeps, and no two are equal; the table knows no objects. So an object
 * that is gone keeps its column only until another wants it, and one that lost it so has no readers there. A column whose readers never leave (the
 * run's end has abandoned them) stays taken for ever unless a writer comes to its object, also when that is gone; where all are, no other object gets
 * one. Nothing waits for one who is stopped in a step, other than at an odd count.
 *
 * Cost: to read 0 RMWs; to take or give back 2 RMWs, 1 heavy fence and a look at each row.
 * Rejected: columns by a hash of the address (two objects' readers in one count: a writer would wait for another's); one word
 * a row that says that its holder is counting (a store more, each time). */
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
#define BIAS_NO_TICKET UINT64_C(0x40)

/* A column for an object; 0: there is none. */
uint64_t bias_take(void);

/* Nobody finds the ticket in its object any more. How many are counted; they are the caller's to count from now on. */
uint64_t bias_give_back(uint64_t ticket);

/* The object has lost its column to another. */
bool bias_is_lost(uint64_t ticket);

/* A time, within some 100 ns, as what an object keeps in a ticket's place: not 0, never equal to one, and its column is one
 * that there is. */
static inline uint64_t bias_time(int64_t time)
{
    return ((uint64_t)time & ~(2 * BIAS_NO_TICKET - 1)) | BIAS_NO_TICKET;
}

#endif
