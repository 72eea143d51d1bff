/* SPDX-License-Identifier: Apache-2.0
 * timed_left.c - a receive that waits for a timer is over, as that of a select is whose other case went ahead; another comes
 * to wait, and has the value. It isn't forgotten with the alarm of the first; no alarm is left.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/timed.c | s/model_load_hi(&t->due)/0/
 * bug: who has cancelled an alarm looks without a fence | runtime/chan/timed.c | /^static void settle/,/^}/s/atomic_fence_full();/(void)0;/
 * bug: who has cancelled an alarm doesn't look again | runtime/chan/timed.c | /^static void settle/,/^}/s/alarm_wanted(t) != at/0/ */
#include "timed_second.h"

static void *leaves(void *arg)
{
    m_is(1);
    REQUIRE(chan_withdraw_from_word(&timed.chan, waiter_self()));
    timed_left(&timed.chan);
    return arg;
}

int main(void)
{
    alarms_init(FIRST, 0);
    begin_receive();
    pthread_t a = go(leaves, NULL), b = second_begins();
    join(a);
    AWAIT(atomic_load_acquire(&waits_or_over));
    passes(NULL);
    join(b);
    REQUIRE(got_2 == FIRST && none_is_armed());
    return 0;
}
