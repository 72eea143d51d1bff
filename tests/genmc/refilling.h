/* SPDX-License-Identifier: Apache-2.0
 * refilling.h - the refill of a full buffer, the body of chan_refill and chan_refill_met. RECEIVE is how the receivers
 * come. */
#ifndef WEFT_TESTS_GENMC_REFILLING_H
#define WEFT_TESTS_GENMC_REFILLING_H

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
    REQUIRE(RECEIVE(ch, &i));
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

#endif
