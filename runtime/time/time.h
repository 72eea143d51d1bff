/* SPDX-License-Identifier: Apache-2.0
 * time.h - timers, for the rooms above.
 *
 * A timer is armed once and either fires or is cancelled, never both. Its record belongs to the time
 * room and is used again, so what the armer keeps is a ticket: record and generation. */
#ifndef WEFT_TIME_TIME_H
#define WEFT_TIME_TIME_H

#include <stdbool.h>
#include <stdint.h>

#include <weft/base.h>
#include <weft/time.h>

#include "arch/atomic.h"
#include "arch/os.h"

struct timer;

struct timer_ticket {
    struct timer *timer;
    uint64_t generation;
};

/* Runs on the scheduler's stack of some M that holds a P: must not park, must be short. */
typedef void (*timer_fire_fn)(void *arg, uint64_t token);

/* Call fire(arg, token) at the deadline, at the earliest. On a goroutine, or where the run is held
 * (sched_hold_run). 0 or -ENOMEM. */
int timer_arm(struct timer_ticket *out, int64_t deadline, timer_fire_fn fire, void *arg,
              uint64_t token);

/* The same; dropped(arg) is called if the run ends before it fires. */
int timer_arm_owned(struct timer_ticket *out, int64_t deadline, timer_fire_fn fire,
                    void (*dropped)(void *arg), void *arg, uint64_t token);

/* Whether it is armed for that time or an earlier one, isn't firing yet, and isn't left to an orphan. */
bool timer_is_armed(const struct timer_ticket *ticket, int64_t until);

/* True: it had not fired and never will. False: fire has been called, or is just being; or its run is over. Anywhere. */
bool timer_cancel(const struct timer_ticket *ticket);

SANITIZE_OWNER_DATA_BEGIN

/* A ticket that several threads replace. Its two words are read by a CAS: halves of two tickets could be another's
 * timer. */
static inline struct timer_ticket timer_cell_swap(struct atomic_pair *cell,
                                                  struct timer_ticket ticket)
{
    uint64_t timer, generation;
    atomic_swap_pair(cell, (uintptr_t)ticket.timer, ticket.generation, &timer, &generation);
    return (struct timer_ticket){.timer = (struct timer *)(uintptr_t)timer,
                                 .generation = generation};
}

static inline struct timer_ticket timer_cell_read(struct atomic_pair *cell)
{
    uint64_t timer, generation;
    do {
        timer = atomic_load_acquire(&cell->lo);
        generation = atomic_load_acquire(&cell->hi);
    } while (!atomic_cas_pair(cell, timer, generation, timer, generation));
    return (struct timer_ticket){.timer = (struct timer *)(uintptr_t)timer,
                                 .generation = generation};
}

SANITIZE_OWNER_DATA_END

/* ---- weft_timer ---- */

/* Begins one from weft_after_func, or lies in the channel room's timer with a channel. */
struct weft_timer {
    bool is_func;
};

/* Of one from weft_after_func: what the public calls give. By one who knows his P (sched_p_here()). */
struct sched_p;
bool func_timer_stop(struct sched_p *p, struct weft_timer *timer);
bool func_timer_reset(struct weft_timer *timer, int64_t ns);
void func_timer_unref(struct sched_p *p, struct weft_timer *timer);

/* The last of all times. It comes as any other does, if late: who waits for it isn't stuck, as in Go, while WEFT_FOREVER is
 * no time at all. */
#define TIME_LATEST (WEFT_FOREVER - 1)

/* time + ns, neither below 0; TIME_LATEST if that is later. */
static inline int64_t time_plus(int64_t time, int64_t ns)
{
    return ns < TIME_LATEST - time ? time + ns : TIME_LATEST;
}

/* weft_now() + ns, or weft_now() if ns is negative, TIME_LATEST if that is later. */
static inline int64_t time_after(int64_t ns)
{
    return time_plus(os_now(), ns <= 0 ? 0 : ns);
}

#endif
