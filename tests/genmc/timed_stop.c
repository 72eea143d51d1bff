/* SPDX-License-Identifier: Apache-2.0
 * timed_stop.c - a receive waits for a timer, which comes to be due and is stopped. Either the stop says that it was
 * pending, or the receive has the value. After a stop that says so there is none: what the receive has then is that for
 * which the timer is reset later.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/chan/timed.c | s/model_load_hi(&t->due)/0/
 * bug: a value is handed over without winning it | runtime/chan/timed.c | s/take(t, now, &value)) {/(value = when, true)) {/
 * bug: a stop looks first and stops then | runtime/chan/timed.c | /^static int64_t set/,/^}/s/^    atomic_swap_pair.*$/    old = model_load_lo(\&t->due); atomic_store_release(\&t->due.lo, (uint64_t)when);/ */
#include "alarms.h"

static bool stopped;

static void *stops(void *arg)
{
    m_is(2);
    stopped = timed_set(&timed, TIMED_STOPPED, 0);
    fire_late();
    return arg;
}

int main(void)
{
    int64_t none;
    alarms_init(FIRST, 0);
    begin_receive();
    pthread_t a = go(passes, NULL), b = go(stops, NULL);
    join(a);
    join(b);
    REQUIRE(none_is_armed());
    if (stopped)
        REQUIRE(!timed_set(&timed, LAST, 0));
    if (!end_receive())
        REQUIRE(weft_chan_recv(&timed.chan, &got));
    REQUIRE(got == (stopped ? LAST : FIRST));
    REQUIRE(weft_chan_try_recv(&timed.chan, &none) == -EAGAIN);
    return 0;
}
