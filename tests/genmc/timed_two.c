/* SPDX-License-Identifier: Apache-2.0
 * timed_two.c - a receive waits for a ticker, another comes to wait behind it, or instead of it, as the first tick is
 * due; then the second is. Each has one of them.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/timed.c | s/model_load_hi(&t->due)/1/
 * bug: an alarm that has fired is not replaced | runtime/chan/timed.c | /^static void ring/,/^}/s/^    settle(timed);/    (void)0;/
 * bug: a tick is taken by who comes first to it, without a CAS | runtime/chan/timed.c | /^static bool take/,/^}/s/!model_cas_halves(&t->due, (uint64_t)when, period, (uint64_t)next, period)/(atomic_store_release(\&t->due.lo, period << 32 | (uint64_t)next), false)/ */
#include "timed_second.h"

int main(void)
{
    alarms_init(FIRST, LAST - FIRST);
    begin_receive();
    pthread_t b = second_begins();
    m_is(0);
    atomic_store_relaxed(&now, FIRST);
    alarm_passes(&alarms[ALARMS]);
    AWAIT(atomic_load_acquire(&waits_or_over));
    passes(NULL);
    join(b);
    if (!end_receive())
        REQUIRE(weft_chan_recv(&timed.chan, &got));
    REQUIRE(got + got_2 == FIRST + LAST);
    REQUIRE(none_is_armed());
    return 0;
}
