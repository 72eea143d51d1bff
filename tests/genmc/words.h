/* SPDX-License-Identifier: Apache-2.0
 * words.h - senders of one word each, and a receiver who wants two, on one channel. */
#ifndef WEFT_TESTS_GENMC_WORDS_H
#define WEFT_TESTS_GENMC_WORDS_H

#include "chan.h"

static struct weft_chan *ch;

static void *sender(void *arg)
{
    uint64_t i = element((uint64_t)*(int *)arg);
    m_is((int)i);
    weft_chan_send(ch, &i);
    return NULL;
}

static void *receiver(void *arg)
{
    uint64_t i;
    m_is(*(int *)arg);
    for (int n = 0; n < 2; n++) {
        REQUIRE(weft_chan_recv(ch, &i));
        arrived(i);
    }
    return NULL;
}

#endif
