/* SPDX-License-Identifier: Apache-2.0
 * chan_wait.c - an unbuffered channel: two senders, and a receiver who wants both elements. Nobody waits for
 * ever, each element arrives once, and it sees what its sender wrote before.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a waiter registers in whatever state | runtime/chan/op.c | s/!atomic_cas_acq_rel(&ch->state, &state, waited)/(atomic_swap_acq_rel(\&ch->state, waited), 0)/
 * bug: registering publishes nothing | runtime/chan/op.c | s/!atomic_cas_acq_rel(&ch->state, &state, waited)/!bug_cas_relaxed(\&ch->state, \&state, waited)/
 * bug: a waiter is taken without winning it | runtime/chan/meet.h | s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "words.h"

int main(void)
{
    static int number[MS] = {0, 1, 2, 3};
    static struct waiter_record records[2]; /* for the one who comes second */
    ms_init();
    record_add(1, &records[0]);
    record_add(2, &records[1]);
    ch = chan_of_words(0);
    pthread_t a = go(sender, &number[1]), b = go(sender, &number[2]);
    pthread_t c = go(receiver, &number[0]);
    join(a);
    join(b);
    join(c);
    return 0;
}
