/* SPDX-License-Identifier: Apache-2.0
 * select_watch.c - a select that waits for what it watches, where an element is sent, and for another channel, where one is offered.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select.c | /bool run(struct/,/^}/s/for (;;) {/for (int rounds = 0;; rounds++) { if (rounds > 3) give_up();/
 * edit: runtime/chan/select.c | s/: select_wait(s, out)/: (give_up(), false)/
 * bug: it doesn't look at the watch when it has registered | runtime/chan/select_own.c | s/(!watches || watch_holds(m->g))/true/
 * bug: who isn't waiting is served | runtime/chan/watch.c | s/if (chan_own_claim(w, token)) {/if (chan_own_claim(w, token) || true) {/ */
#include "watching.h"

static void *selects(void *arg)
{
    uint64_t i;
    bool ok;
    m_is(1);
    weft_case cases[] = {RECV(&in, &i), {.op = WEFT_OP_RECV, .chan = &done, .ok = &ok}};
    REQUIRE(chan_select_or_stop(cases, 2) == 1 && ok);
    watching_ends();
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
    m_is(1);
    REQUIRE(watch_make(&done, 0, (struct sched_g *)m_self()->g));
    pthread_t x = go(selects, NULL), y = go(sends, NULL);
    join(x);
    join(y);
    REQUIRE(!(atomic_load_relaxed(&in.state) & CHAN_EITHER));
    watched_ends();
    REQUIRE(records_cached() == 2);
    return 0;
}
