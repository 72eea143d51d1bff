/* SPDX-License-Identifier: Apache-2.0
 * timed_two.c - a receive waits for a ticker, another comes to wait behind it, or instead of it, as the first tick and
 * then the second are due. Each has one of them.
 *
 * options: -check-liveness -disable-spin-assume
 * bug: who comes to wait looks for an alarm without a fence | runtime/chan/timed.c | /^void timed_settle/,/^}/s/atomic_fence_full();/(void)0;/
 * bug: an alarm that has fired is not replaced | runtime/chan/timed.c | /^static void ring/,/^}/s/^    settle(timed);/    (void)0;/
 * bug: a tick is taken by who comes first to it, without a CAS | runtime/chan/timed.c | /^static bool take/,/^}/s/!model_cas_halves(&t->due, (uint64_t)when, period, (uint64_t)next, period)/(atomic_store_release(\&t->due.lo, period << 32 | (uint64_t)next), false)/ */
#include "alarms.h"

static int64_t got_2;

static void *receives(void *arg)
{
    m_is(2);
    REQUIRE(weft_chan_recv(&timed.chan, &got_2));
    return arg;
}

int main(void)
{
    static struct waiter_record record;
    alarms_init(FIRST, LAST - FIRST);
    record_add(2, &record);
    begin_receive();
    pthread_t a = go(passes, NULL), b = go(receives, NULL);
    REQUIRE(end_receive());
    join(a);
    join(b);
    REQUIRE(got + got_2 == FIRST + LAST);
    REQUIRE(none_is_armed());
    return 0;
}
