/* SPDX-License-Identifier: Apache-2.0
 * chan_same_state.c - the state of a buffered channel comes back: a receiver waits there, is served, waits elsewhere as a
 * select, with the same waiter, and waits there again, while a sender who read the state before takes him now.
 * Each element arrives once, and nobody waits for ever. He waits there from the start (a second receive of the same goroutine takes its
 * frame for freed memory in GenMC 0.11.0).
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/select.c | s/: select_wait(s, out)/: (give_up(), false)/
 * bug: what its waiter's word was matters in a buffered channel, too | runtime/chan/wait.c | s/ || ch->form != FORM_SYNC//
 * bug: a waiter is taken without winning it | runtime/chan/wait.c | /^static bool take_from_word/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
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
    weft_chan_send(&buffered, &i);
    weft_chan_send(&sync, &j);
    return arg;
}

static void *sends_another(void *arg)
{
    uint64_t i = element(3);
    m_is(3);
    weft_chan_send(&buffered, &i);
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
