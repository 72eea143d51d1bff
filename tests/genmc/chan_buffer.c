/* SPDX-License-Identifier: Apache-2.0
 * chan_buffer.c - a buffer of one: two senders, and two receivers who take what there is. Each element comes
 * out once, and what its sender wrote before is seen by who gets it.
 *
 * options: -disable-spin-assume
 * bug: a filled cell publishes nothing | runtime/chan/ring.h | s/return atomic_cas_acq_rel(cell, &was, lo);/return bug_cas_relaxed(cell, \&was, lo);/
 * bug: an element that was counted for its sender is put again | runtime/chan/try.c | s/if (ring_tail(ch, state) != tail)$/if (ring_tail(ch, state) != tail \&\& 0)/
 * bug: an element is taken without winning it | runtime/chan/try.c | /^static bool get_from_buffer/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "chan.h"

static struct weft_chan *ch;
static _Atomic(uint32_t) sent[3];

static void *sender(void *arg)
{
    uint64_t state, i = element((uint64_t)*(int *)arg);
    m_is((int)i);
    if (chan_put(ch, &i, NULL, &state) == CHAN_DONE)
        atomic_add_acq_rel(&sent[i], 1);
    return NULL;
}

static void receive(void)
{
    uint64_t state, i;
    if (chan_get(ch, &i, NULL, &state) == CHAN_DONE)
        arrived(i);
}

static void *receiver(void *arg)
{
    m_is(*(int *)arg);
    receive();
    return NULL;
}

int main(void)
{
    static int number[MS] = {0, 1, 2, 3};
    ms_init();
    ch = chan_of_words(1);
    pthread_t a = go(sender, &number[1]), b = go(sender, &number[2]);
    pthread_t c = go(receiver, &number[0]), d = go(receiver, &number[3]);
    join(a);
    join(b);
    join(c);
    join(d);
    receive();
    for (int i = 1; i < 3; i++)
        REQUIRE(atomic_load_relaxed(&sent[i]) == has_arrived(i));
    REQUIRE(atomic_load_relaxed(&sent[1]) + atomic_load_relaxed(&sent[2]) > 0);
    return 0;
}
