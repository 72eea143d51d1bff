/* SPDX-License-Identifier: Apache-2.0
 * same_state.h - a state that comes back, the body of chan_same_state and chan_same_state_met. SEND_BUFFERED is how the
 * senders come to the buffered channel. */
#ifndef WEFT_TESTS_GENMC_SAME_STATE_H
#define WEFT_TESTS_GENMC_SAME_STATE_H

#include "selecting.h"

static struct weft_chan buffered, sync;
static uint64_t first;

static void *receives(void *arg)
{
    uint64_t i = 0;
    weft_case c = RECV(&sync, &i);
    m_is(1);
    waiter_wait(waiter_self(), WAIT_CHAN_RECV);
    arrived(first);
    weft_select(&c, 1);
    arrived(i);
    REQUIRE(weft_chan_recv(&buffered, &i));
    arrived(i);
    return arg;
}

static void *sends(void *arg)
{
    uint64_t i = element(1), j = element(2);
    m_is(2);
    SEND_BUFFERED(&buffered, &i);
    weft_chan_send(&sync, &j);
    return arg;
}

static void *sends_another(void *arg)
{
    uint64_t i = element(3);
    m_is(3);
    SEND_BUFFERED(&buffered, &i);
    return arg;
}

int main(void)
{
    static struct atomic_pair cells[2];
    ms_init();
    chan_init(&buffered, cells, 1);
    chan_init(&sync, NULL, 0);
    m_is(1);
    stand_for(waiter_self(), &buffered, &first);
    REQUIRE(chan_publish_in_word(&buffered, 0, waiter_self(), CHAN_RECV));
    pthread_t a = go(receives, NULL), b = go(sends, NULL), c = go(sends_another, NULL);
    join(a);
    join(b);
    join(c);
    REQUIRE(has_arrived(1) && has_arrived(2) && has_arrived(3));
    return 0;
}

#endif
