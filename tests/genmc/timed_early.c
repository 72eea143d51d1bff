/* SPDX-License-Identifier: Apache-2.0
 * timed_early.c - an alarm that nobody waits for any more fires too early, as another comes to wait for the timer. That one
 * isn't forgotten with it.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/timed.c | s/model_load_hi(&t->due)/0/
 * bug: who comes to wait sees to no alarm | runtime/chan/timed.h | /^static inline void timed_waits/,/^}/s/timed_settle(ch);/(void)0;/ */
#include "timed_second.h"

int main(void)
{
    alarms_init(FIRST, 0);
    begin_receive();
    REQUIRE(timed_set(&timed, LAST, 0));
    REQUIRE(chan_withdraw_from_word(&timed.chan, waiter_self()));
    pthread_t b = second_begins();
    m_is(0);
    atomic_store_relaxed(&now, FIRST);
    alarm_passes(&alarms[ALARMS]);
    AWAIT(atomic_load_acquire(&waits_or_over));
    passes(NULL);
    join(b);
    REQUIRE(got_2 == LAST && none_is_armed());
    return 0;
}
