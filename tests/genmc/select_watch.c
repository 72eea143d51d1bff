/* SPDX-License-Identifier: Apache-2.0
 * select_watch.c - a select that waits for what it watches, where an element is sent, and for another channel, where one is offered.
 * What was sent arrives, the sender goes on, and the other channel doesn't name the waiter in the end.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select.c | /void run(struct/,/^}/s/for (;;) {/for (int rounds = 0;; rounds++) { if (rounds > 3) give_up();/
 * edit: runtime/chan/select.c | s/: select_wait(s, out)/: (give_up(), false)/
 * bug: it doesn't look at the watch when it has registered | runtime/chan/select_own.c | s/(!watches || watch_holds(m->g))/true/
 * bug: who isn't waiting is served | runtime/chan/watch.c | s/if (chan_own_claim(w, token)) {/if (chan_own_claim(w, token) || true) {/
 * bug: a watch that was taken is one | runtime/chan/watch.h | s/(likely(r) && r->object == ch && watch_is_open(r))/(likely(r) \&\& r->object == ch)/ */
#include "watching.h"

static void *selects(void *arg)
{
    uint64_t i;
    bool ok;
    m_is(1);
    weft_case cases[] = {RECV(&in, &i), {.op = WEFT_OP_RECV, .chan = &done, .ok = &ok}};
    while (weft_select(cases, 2) == 0)
        arrived(i);
    REQUIRE(ok);
    watching_ends();
    return arg;
}

static int offered;

static void *offers(void *arg)
{
    uint64_t i = element(1);
    m_is(2);
    offered = weft_chan_try_send(&in, &i) == 0;
    return arg;
}

static void *sends(void *arg)
{
    m_is(3);
    weft_chan_send(&done, NULL);
    return arg;
}

int main(void)
{
    watching_init(2);
    pthread_t x = go(selects, NULL), y = go(offers, NULL), z = go(sends, NULL);
    join(x);
    join(y);
    join(z);
    REQUIRE(has_arrived(1) == offered);
    REQUIRE(!(atomic_load_relaxed(&in.state) & CHAN_EITHER));
    watched_ends();
    REQUIRE(records_cached() == 2);
    return 0;
}
