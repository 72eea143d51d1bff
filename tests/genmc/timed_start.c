/* SPDX-License-Identifier: Apache-2.0
 * timed_start.c - a receive comes to wait for a timer that is stopped, as it is reset to a time that has passed already. It
 * isn't forgotten; no alarm is left.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/timed.c | s/model_load_hi(&t->due)/0/
 * bug: who resets looks for those who wait without a fence | runtime/chan/timed.c | /^static bool timed_set/,/^}/s/atomic_fence_after_rmw();/(void)0;/
 * bug: who comes to wait sees to no alarm | runtime/chan/timed.h | /^static inline void timed_waits/,/^}/s/timed_settle(ch);/(void)0;/ */
#include "alarms.h"

static void *receives(void *arg)
{
    m_is(1);
    REQUIRE(weft_chan_recv(&timed.chan, &got));
    return arg;
}

static void *starts(void *arg)
{
    m_is(2);
    REQUIRE(!timed_set(&timed, FIRST, 0));
    fire_late();
    return arg;
}

int main(void)
{
    alarms_init(TIMED_STOPPED, 0);
    passes(NULL);
    pthread_t a = go(receives, NULL), b = go(starts, NULL);
    join(a);
    join(b);
    REQUIRE(got == FIRST && none_is_armed());
    return 0;
}
