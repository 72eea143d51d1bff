/* SPDX-License-Identifier: Apache-2.0
 * clock.c - a thread computes the time while another adds two pieces, the second in the slot of the first.
 *
 * bug: a slot that is written anew is read | arch/clock.h | s/|| unlikely(atomic_load_relaxed(&clock->current) != current)//
 * bug: the words are seen before what freed the slot | arch/clock.c | s/atomic_store_release(&clock->slots\[slot\].words\[i\], words\[i\])/atomic_store_relaxed(\&clock->slots[slot].words[i], words[i])/
 * bug: a piece is seen before it is written | arch/clock.c | s/atomic_cas_acq_rel(&clock->current/bug_cas_relaxed(\&clock->current/
 * bug: the slot that is in use is given back | arch/clock.c | s/slot_give(clock, published ? old : slot)/slot_give(clock, slot)/
 * edit: arch/clock.h | s/CLOCK_SLOTS 16/CLOCK_SLOTS 3/; s/CLOCK_SHIFT 48/CLOCK_SHIFT 8/; s/CLOCK_PIECE_NS INT64_C(100000000)/CLOCK_PIECE_NS 4/; s/CLOCK_FIRST_NS INT64_C(20000000)/CLOCK_FIRST_NS 3/; s/unsigned __int128/uint64_t/
 * edit: arch/clock.c | s/unsigned __int128/uint64_t/; s/is_far_from(next[^;]*)/false/; s/continue;/__VERIFIER_assume(false);/ */
#include "clock.h"

static void *asker(void *arg)
{
    ask(1);
    ask(2);
    return arg;
}

int main(void)
{
    begin();
    pthread_t thread = go(asker, NULL);
    uint64_t count = atomic_load_acquire(&counter) + 1; /* in the last piece, whichever it is */
    int64_t ns;
    if (clock_at(&clock_shared, count, &ns)) {
        told[0].count = count;
        told[0].ns = ns;
    }
    join(thread);
    check_told();
    return 0;
}
