/* SPDX-License-Identifier: Apache-2.0
 * timed_reset.c - a timer's channel: a receive waits for it, it comes to be due, and is reset to a later time. Either the
 * receive has the first value, or the reset says that it was pending, and the receive has the second. It isn't forgotten,
 * and no alarm is left.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/timed.c | s/model_load_hi(&t->due)/0/
 * bug: a value is taken without winning it | runtime/chan/timed.c | /^static bool take/,/^}/s/!model_cas_halves(&t->due, (uint64_t)when, period, (uint64_t)next, period)/(atomic_store_release(\&t->due.lo, (uint64_t)next), false)/
 * bug: a receiver that was taken for nothing isn't told | runtime/chan/timed.c | s/^            chan_finish_in_order(&taken, OUTCOME_RETRY, CHAN_RECV);.*$/            (void)0;/
 * bug: an alarm that came too early does not settle | runtime/chan/timed.c | /^static void ring/,/^}/s/^    settle(timed);/    (void)0;/ */
#include "alarms.h"

static bool pending;

static void *resets(void *arg)
{
    m_is(2);
    pending = timed_set(&timed, LAST, 0);
    fire_late();
    return arg;
}

int main(void)
{
    alarms_init(FIRST, 0);
    begin_receive();
    pthread_t a = go(passes, NULL), b = go(resets, NULL);
    bool done = end_receive();
    join(a);
    join(b);
    if (!done)
        REQUIRE(weft_chan_recv(&timed.chan, &got));
    REQUIRE(got == (pending ? LAST : FIRST));
    REQUIRE(weft_timer_stop(&timed.timer) == !pending);
    REQUIRE(none_is_armed());
    return 0;
}
