/* SPDX-License-Identifier: Apache-2.0
 * timed_gone.c - the alarm of a receive that waits for a timer fires too early, as the timer was reset meanwhile; the
 * receive is over, as that of a select is, and the timer's last reference goes. No alarm is left of it.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/timed.c | s/model_load_hi(&t->due)/0/
 * bug: an alarm that comes to the cell as the timer goes is forgotten | runtime/chan/timed.c | /^void timed_free/,/^}/s/^            timer_cancel(&armed);/            (void)0;/ */
#include "alarms.h"

static void *fires(void *arg)
{
    m_is(0);
    atomic_store_relaxed(&now, FIRST);
    alarm_passes(&alarms[ALARMS]);
    return arg;
}

int main(void)
{
    alarms_init(FIRST, 0);
    begin_receive();
    REQUIRE(timed_set(&timed, LAST, 0));
    pthread_t a = go(fires, NULL);
    REQUIRE(chan_withdraw_from_word(&timed.chan, waiter_self()));
    timed_left(&timed.chan);
    weft_timer_unref(&timed.timer);
    join(a);
    REQUIRE(none_is_armed());
    return 0;
}
