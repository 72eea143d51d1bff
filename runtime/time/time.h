/* SPDX-License-Identifier: Apache-2.0
 * time.h - timers, for the rooms above.
 *
 * A timer is armed once and either fires or is cancelled, never both. Its record belongs to the time
 * room and is used again, so what the armer keeps is a ticket: record and generation. */
#ifndef WEFT_TIME_TIME_H
#define WEFT_TIME_TIME_H

#include <stdbool.h>
#include <stdint.h>

struct timer;

struct timer_ticket {
    struct timer *timer;
    uint64_t generation;
};

/* Runs on the scheduler's stack of some M that holds a P: must not park, must be short. */
typedef void (*timer_fire_fn)(void *arg, uint64_t token);

/* Call fire(arg, token) at the deadline, at the earliest. Only on a goroutine. 0 or -ENOMEM. */
int timer_arm(struct timer_ticket *out, int64_t deadline, timer_fire_fn fire, void *arg,
              uint64_t token);

/* True: it had not fired and never will. False: fire has been called, or is just being. Anywhere. */
bool timer_cancel(const struct timer_ticket *ticket);

#endif
