/* SPDX-License-Identifier: Apache-2.0
 * chan_watch.c - a stage that watches `done` receives until it is stopped; one element is offered to it, and done is closed. It stops, an
 * element that was taken arrives, no channel names its waiter in the end, and its watch is put back once.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: it doesn't look at the watch when it has registered | runtime/chan/stop.c | s/!watch_holds(m->g)/false/
 * bug: no fence of the owner | runtime/chan/watch.h | s/^    atomic_fence_after_rmw()/    (void)0/
 * bug: no fence of the taker | runtime/chan/watch.c | s/^    atomic_fence_after_rmw()/    (void)0/
 * bug: it goes on as if stopped without claiming itself | runtime/chan/stop.c | s/&& chan_wait_end(w, token)) {/\&\& (chan_wait_end(w, token), true)) {/
 * bug: it stays in the channel when it is stopped | runtime/chan/stop.c | s/unlikely(own.won != OF_OP) && registered/false/ */
#include "watching.h"

static void *stage(void *arg)
{
    uint64_t i;
    enum chan_stop how;
    m_is(1);
    while ((how = chan_recv_or_stop(&done, &in, &i)) == STOP_DONE)
        arrived(i);
    REQUIRE(how == STOP_STOPPED);
    watching_ends();
    return arg;
}

static int sent;

static void *offers(void *arg)
{
    uint64_t i = element(1);
    m_is(2);
    sent = weft_chan_try_send(&in, &i) == 0;
    return arg;
}

int main(void)
{
    watching_init(2);
    pthread_t x = go(stage, NULL), y = go(offers, NULL), z = go(closes, NULL);
    join(x);
    join(y);
    join(z);
    REQUIRE(has_arrived(1) == sent);
    REQUIRE(!(atomic_load_relaxed(&in.state) & CHAN_EITHER));
    watched_ends();
    REQUIRE(records_cached() == 2);
    return 0;
}
