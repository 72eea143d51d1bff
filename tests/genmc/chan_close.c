/* SPDX-License-Identifier: Apache-2.0
 * chan_close.c - send against receive against close on one cell, and on the receiver who waits for it: an
 * element whose send went well is received, by the receiver or by who drains the channel; one whose send found
 * the channel closed never is; none comes after the end; who waits goes on.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: who closes looks first and closes then | runtime/chan/chan.c | /^static bool chan_close/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: who closes wakes nobody in the word | runtime/chan/chan.c | /^static bool chan_close/,/^}/s/if (first)$/if (first \&\& false)/
 * bug: an element that is in its cell when the channel is closed is taken to count | runtime/chan/try.c | s/return ENTER_CLOSED;/return ENTER_COUNTED;/
 * bug: the tail of a closed channel moves | runtime/chan/try.c | /^static enum entered enter/,/^}/s/if (state & CHAN_CLOSED)/if (false)/ */
#include "chan.h"

static struct weft_chan *ch;
static enum chan_result sent;
static bool drained; /* as the receiver saw it */

static void *sender(void *arg)
{
    uint64_t state, i = element(1);
    (void)arg;
    m_is(1);
    sent = chan_put(ch, &i, NULL, &state);
    REQUIRE(sent != CHAN_BLOCKED);
    return NULL;
}

static void *receiver(void *arg)
{
    uint64_t i;
    (void)arg;
    m_is(2);
    if (weft_chan_recv(ch, &i))
        arrived(i);
    else
        drained = true;
    return NULL;
}

static void *closer(void *arg)
{
    m_is(3);
    weft_chan_close(ch);
    return arg;
}

int main(void)
{
    uint64_t i;
    ms_init();
    m_is(0);
    ch = chan_of_words(1);
    pthread_t a = go(sender, NULL), b = go(receiver, NULL), c = go(closer, NULL);
    join(a);
    join(b);
    join(c);
    if (weft_chan_recv(ch, &i)) {
        REQUIRE(!drained);
        arrived(i);
    }
    REQUIRE(!weft_chan_recv(ch, &i));
    REQUIRE(has_arrived(1) == (sent == CHAN_DONE));
    return 0;
}
