/* SPDX-License-Identifier: Apache-2.0
 * timed_second.h - a receive by M 2, beside that by M 1; main knows when it waits, or is over. */
#ifndef WEFT_TESTS_GENMC_TIMED_SECOND_H
#define WEFT_TESTS_GENMC_TIMED_SECOND_H

#include "alarms.h"

static int64_t got_2;
static _Atomic(uint32_t) waits_or_over;

static void before_it_waits(void)
{
    fire_late();
    atomic_store_release(&waits_or_over, 1);
}

static void *receives(void *arg)
{
    m_is(2);
    REQUIRE(weft_chan_recv(&timed.chan, &got_2));
    atomic_store_release(&waits_or_over, 1);
    return arg;
}

static pthread_t second_begins(void)
{
    static struct waiter_record record;
    record_add(2, &record);
    before_waiting = before_it_waits;
    return go(receives, NULL);
}

#endif
