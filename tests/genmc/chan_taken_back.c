/* SPDX-License-Identifier: Apache-2.0
 * chan_taken_back.c - a cell that is filled while its sender is stopped, and a receiver who registers just
 * then, as the element doesn't count yet: the sender takes it back out of the cell, which nobody may use
 * for it any more, and hands it over. A second sender comes by meanwhile. Each element arrives once.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: an element that was taken back is taken to count | runtime/chan/try.c | s/return ENTER_TAKEN_BACK;/return ENTER_COUNTED;/
 * bug: the element stays in the cell | runtime/chan/try.c | /uint64_t moved = (state & ~POSITION_MASK) | (uint64_t)ring_after(ch, tail, 1)/{N; s/moved = .*;/moved = state;/}
 * bug: the sender looks who waits and then takes it back | runtime/chan/try.c | s/if (atomic_cas_acq_rel(&ch->state, &state, moved))$/if (bug_cas_in_two_steps(\&ch->state, \&state, moved))/
 * bug: a receiver may register in whatever state | runtime/chan/op.c | s/!atomic_cas_acq_rel(&ch->state, &state, waited)/(atomic_swap_acq_rel(\&ch->state, waited), 0)/ */
#include "words.h"

int main(void)
{
    static int number[MS] = {0, 1, 2, 3};
    ms_init();
    ch = chan_of_words(2);
    pthread_t a = go(sender, &number[1]), b = go(sender, &number[2]), c = go(receiver, &number[3]);
    join(a);
    join(b);
    join(c);
    REQUIRE(weft_chan_len(ch) == 0);
    return 0;
}
