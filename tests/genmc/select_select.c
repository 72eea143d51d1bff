/* SPDX-License-Identifier: Apache-2.0
 * select_select.c - two selects meet: each would send what the other would receive, in two channels. One element goes
 * one way, and none goes the other; neither select waits for ever.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select.c | s/: select_wait(s, out)/: (give_up(), false)/
 * bug: it withdraws without claiming itself | runtime/chan/select_own.c | s/unlikely(!all) && chan_wait_end(w, token)/!all/
 * bug: it registers in whatever state | runtime/chan/wait.h | /chan_publish_in_word(/,/^}/s/return .*;/return atomic_swap_acq_rel(\&ch->state, chan_word_state(state, w, kind)) != 1;/
 * bug: a claim looks first and takes then | runtime/chan/wait.c | /^static bool own_select_claim/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "selecting.h"

static struct weft_chan a, b;
static int done[2]; /* the case of each */

static void *sends_a(void *arg)
{
    uint64_t i = element(1), j = 0;
    weft_case cases[] = {SEND(&a, &i), RECV(&b, &j)};
    m_is(1);
    done[0] = weft_select(cases, 2);
    if (done[0] == 1)
        arrived(j);
    return arg;
}

static void *sends_b(void *arg)
{
    uint64_t i = element(2), j = 0;
    weft_case cases[] = {SEND(&b, &i), RECV(&a, &j)};
    m_is(2);
    done[1] = weft_select(cases, 2);
    if (done[1] == 1)
        arrived(j);
    return arg;
}

int main(void)
{
    static struct waiter_record records[10];
    ms_init();
    for (int i = 0; i < 10; i++)
        record_add(1 + i / 5, &records[i]);
    chan_init(&a, NULL, 0);
    chan_init(&b, NULL, 0);
    pthread_t x = go(sends_a, NULL), y = go(sends_b, NULL);
    join(x);
    join(y);
    REQUIRE(done[0] != done[1]);
    REQUIRE(has_arrived(1) == (done[0] == 0) && has_arrived(2) == (done[0] == 1));
    REQUIRE(!((atomic_load_relaxed(&a.state) | atomic_load_relaxed(&b.state)) & CHAN_EITHER));
    REQUIRE(records_cached() == 10);
    return 0;
}
