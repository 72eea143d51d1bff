/* SPDX-License-Identifier: Apache-2.0
 * select_own.c - a select that waits with its goroutine's own waiter in two channels, to each of which somebody
 * sends: it has one element; a receive, or another select, that waits with the same waiter has the other. Each arrives
 * once, nobody waits for ever, and no channel names the waiter in the end.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select.c | s/: select_wait(s, out)/: (give_up(), false)/
 * bug: a select is taken for one who waits for that channel alone | runtime/chan/op.c | s/unlikely(read & CLAIM_FLAGS)/false/
 * bug: a claim looks first and takes then | runtime/chan/wait.c | /^bool chan_own_claim/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: its word is plain while a channel still names it | runtime/chan/select_own.c | s/^    own_withdraw(&own, registered, w);/    own_make_plain(w); own_withdraw(\&own, registered, w);/
 * bug: who has taken it out claims whatever wait it is in by then | runtime/chan/wait.c | /^enum meeting meet_select/,/^}/s/chan_own_claim(w, read)/chan_own_claim(w, atomic_load_acquire(\&w->word))/
 * bug: it withdraws without claiming itself | runtime/chan/select_own.c | s/unlikely(!all) && chan_wait_end(w, token)/!all/ */
#include "selecting.h"

static struct weft_chan a, b;

static void *selects(void *arg)
{
    uint64_t i, j;
    weft_case cases[] = {RECV(&a, &i), RECV(&b, &j)};
    m_is(1);
    if (weft_select(cases, 2) == 0) {
        arrived(i);
        weft_select(&cases[1], 1);
        arrived(j);
    } else {
        arrived(j);
        REQUIRE(weft_chan_recv(&a, &i));
        arrived(i);
    }
    return arg;
}

static void *sends_a(void *arg)
{
    uint64_t i = element(1);
    m_is(2);
    weft_chan_send(&a, &i);
    return arg;
}

static void *sends_b(void *arg)
{
    uint64_t i = element(2);
    m_is(3);
    weft_chan_send(&b, &i);
    return arg;
}

int main(void)
{
    ms_init();
    chan_init(&a, NULL, 0);
    chan_init(&b, NULL, 0);
    pthread_t x = go(selects, NULL), y = go(sends_a, NULL), z = go(sends_b, NULL);
    join(x);
    join(y);
    join(z);
    REQUIRE(has_arrived(1) && has_arrived(2));
    REQUIRE(!((atomic_load_relaxed(&a.state) | atomic_load_relaxed(&b.state)) & CHAN_EITHER));
    return 0;
}
