/* SPDX-License-Identifier: Apache-2.0
 * clock_pieces.c - two threads add a piece at a time: the same, or one after the other.
 *
 * bug: a piece begins before the time where the last ends | arch/clock.c | s/next->ns = end;/next->ns = end - 16;/
 * bug: the slot that is in use is given back | arch/clock.c | s/slot_give(clock, published ? old : slot)/slot_give(clock, published ? slot : old)/
 * edit: arch/clock.h | s/CLOCK_SLOTS 16/CLOCK_SLOTS 3/; s/CLOCK_SHIFT 48/CLOCK_SHIFT 8/; s/CLOCK_PIECE_NS INT64_C(100000000)/CLOCK_PIECE_NS 4/; s/CLOCK_FIRST_NS INT64_C(20000000)/CLOCK_FIRST_NS 3/; s/unsigned __int128/uint64_t/
 * edit: arch/clock.c | s/unsigned __int128/uint64_t/; s/is_far_from(next[^;]*)/false/; s/continue;/__VERIFIER_assume(false);/ */
#include "clock.h"

static void *asker(void *arg)
{
    ask(*(int *)arg);
    return NULL;
}

int main(void)
{
    static int first = 1, second = 2;
    begin();
    pthread_t threads[] = {go(asker, &first), go(asker, &second)};
    join(threads[0]);
    join(threads[1]);
    check_told();
    return 0;
}
