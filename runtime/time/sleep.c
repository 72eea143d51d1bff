/* SPDX-License-Identifier: Apache-2.0
 * sleep.c - the clock and weft_sleep. */
#include <weft/go.h>
#include <weft/time.h>

#include "arch/os.h"
#include "runtime/sched/sched.h"
#include "runtime/time/time.h"

int64_t weft_now(void)
{
    sched_checkpoint();
    return os_now_in_order();
}

static void wake_sleeper(void *waiter, uint64_t token)
{
    (void)token;
    waiter_wake_in_order(waiter);
}

/* It isn't past. */
static void sleep_until(int64_t deadline)
{
    if (!sched_on_goroutine()) {
        do
            os_sleep_until(deadline); /* WEFT_FOREVER: for three hundred years */
        while (os_now() < deadline); /* the kernel's clock isn't quite ours */
        return;
    }
    struct waiter *w = waiter_self();
    struct timer_ticket ticket;
    w->unlink = NULL;
    if (deadline == WEFT_FOREVER || !timer_arm(&ticket, deadline, wake_sleeper, w, 0)) {
        waiter_wait(w, WAIT_SLEEP);
        return;
    }
    while (os_now() < deadline) /* no memory for a timer: late and costly is better than early */
        weft_yield();
}

void weft_sleep_until(int64_t deadline)
{
    sched_checkpoint();
    if (deadline > os_now())
        sleep_until(deadline);
}

void weft_sleep(int64_t ns)
{
    sched_checkpoint();
    if (ns <= 0)
        return;
    int64_t deadline = time_after(ns);
    if (deadline <= os_now())
        weft_yield(); /* over already: who sleeps in a loop gives way all the same */
    else
        sleep_until(deadline);
}
