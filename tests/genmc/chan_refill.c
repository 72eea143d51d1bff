/* SPDX-License-Identifier: Apache-2.0
 * chan_refill.c - the refill of a full buffer: a sender waits, two receivers come, one of whom moves the waiting
 * element into the buffer as he takes the oldest; another sender, who doesn't wait, may get the room that
 * arises. Each element arrives once, and nobody waits for ever.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: a guest whose element is in the buffer is told to try again | runtime/chan/try.c | s/return guest_leaves(ch, g, OUTCOME_DONE);$/return guest_leaves(ch, g, OUTCOME_RETRY);/
 * bug: an element is taken without winning it | runtime/chan/try.c | /^static bool get_from_buffer/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: a sender who waits is taken and not claimed | runtime/chan/wait.c | /^static bool take_from_word/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "chan.h"

static struct weft_chan *ch;
static enum chan_result tried;

static void *sender(void *arg)
{
    uint64_t i = element(2);
    (void)arg;
    m_is(1);
    weft_chan_send(ch, &i);
    return NULL;
}

static void *passer_by(void *arg)
{
    uint64_t state, i = element(3);
    (void)arg;
    m_is(0);
    tried = chan_put(ch, &i, NULL, &state);
    return NULL;
}

static void *receiver(void *arg)
{
    uint64_t i;
    m_is(*(int *)arg);
    REQUIRE(weft_chan_recv(ch, &i));
    arrived(i);
    return NULL;
}

int main(void)
{
    static int number[MS] = {0, 1, 2, 3};
    uint64_t state, i = element(1);
    ms_init();
    ch = chan_of_words(1);
    REQUIRE(chan_put(ch, &i, NULL, &state) == CHAN_DONE);
    pthread_t a = go(sender, NULL), b = go(passer_by, NULL);
    pthread_t c = go(receiver, &number[2]), d = go(receiver, &number[3]);
    join(a);
    join(b);
    join(c);
    join(d);
    while (chan_get(ch, &i, NULL, &state) == CHAN_DONE)
        arrived(i);
    REQUIRE(has_arrived(1) && has_arrived(2));
    REQUIRE(has_arrived(3) == (tried == CHAN_DONE));
    return 0;
}
