/* SPDX-License-Identifier: Apache-2.0
 * func.h - what a weft_timer is, and those that start a goroutine, for the rooms above. */
#ifndef WEFT_TIME_FUNC_H
#define WEFT_TIME_FUNC_H

#include <weft/time.h>

/* Begins a func_timer, or lies in the channel room's timer with a channel. */
struct weft_timer {
    bool is_func;
};

/* Of one from weft_after_func, in a run that is held and the timer's: what the public calls give. */
bool func_timer_stop(struct weft_timer *timer);
bool func_timer_reset(struct weft_timer *timer, int64_t ns);

uint64_t func_timer_run(struct weft_timer *timer); /* its run's number */
void func_timer_unref(struct weft_timer *timer);

/* weft_now() + ns, or weft_now() if ns is negative, WEFT_FOREVER if that is later. */
int64_t time_after(int64_t ns);

#endif
