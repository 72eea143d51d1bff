/* SPDX-License-Identifier: Apache-2.0
 * freeze.c - holding goroutines still while a report is made of them.
 *
 * Every M is asked (m.asked), so each goroutine comes to find_runnable with its next weft call, and its M waits there,
 * until the thaw. One that computes, or is in a blocking section, isn't waited for longer than FREEZE_NS. So a
 * freeze makes a report one of a single moment, as far as it can be had, and that is all: whoever looks at a goroutine
 * must still find out afterwards whether it has moved (report.c).
 *
 * One at a time freezes, who has the trace of the living; and who ends the process, whatever others do. He thaws only for
 * config.on_fatal. */
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#define FREEZE_NS 20000000
#define LOOK_NS 50000

static _Atomic(uint32_t) frozen; /* which freeze is on, 0: none; the futex too */
static _Atomic(uint64_t) held;   /* which freeze << 32 | how many Ms with a P wait for its end */
static _Atomic(uint32_t) freezes;
static _Atomic(int *) freezer; /* errno's place: whom it doesn't hold */

/* One that counts goes on only when that freeze is over. */
static void count_as_held(uint32_t by)
{
    uint64_t word = atomic_load_relaxed(&held);
    while (word >> 32 == by && !atomic_cas_acq_rel(&held, &word, word + 1))
        ;
}

/* Called by an M in find_runnable. */
void freeze_wait(void)
{
    uint32_t by, last = 0;
    while ((by = atomic_load_acquire(&frozen)) &&
           atomic_load_relaxed(&freezer) != os_errno_location()) {
        if (by != last && m_self()->p)
            count_as_held(by);
        last = by;
        os_futex_wait(&frozen, by, OS_FOREVER);
    }
}

unsigned freeze_holds(void)
{
    return (uint32_t)atomic_load_acquire(&held);
}

bool freeze_is_on(void)
{
    return atomic_load_relaxed(&frozen);
}

static void ask_all(struct m *self)
{
    atomic_fence_full(); /* [FREEZE-1] */
    for (unsigned i = 0, made = atomic_load_acquire(&sched.ms_made); i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        if (m && m != self)
            atomic_or_acq_rel(&m->asked, ASKED_TO_WAIT);
    }
}

static bool some_run(struct m *self)
{
    for (unsigned i = 0, made = atomic_load_acquire(&sched.ms_made); i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        if (m && m != self && atomic_load_acquire(&m->state) == M_RUNNING && m->g)
            return true;
    }
    return false;
}

void freeze(bool dies)
{
    struct m *self = m_self();
    if (sched_is_dying() && !dies)
        return;
    atomic_store_relaxed(&freezer, os_errno_location());
    uint32_t by = atomic_add_relaxed(&freezes, 1) + 1;
    by = by ? by : 1;
    atomic_store_relaxed(&held, (uint64_t)by << 32);
    atomic_store_release(&frozen, by);
    ask_all(self);
    if (sched_is_dying() && !dies) { /* who dies may have let them go on already, for on_fatal */
        atomic_store_release(&frozen, 0);
        os_futex_wake(&frozen, INT32_MAX);
        return;
    }
    int64_t deadline = os_now() + FREEZE_NS;
    while (some_run(self) && os_now() < deadline)
        os_sleep_until(os_now() + LOOK_NS);
}

void thaw(bool dies)
{
    if (sched_is_dying() && !dies)
        return;
    atomic_store_release(&frozen, 0);
    os_futex_wake(&frozen, INT32_MAX);
}

SANITIZE_OWNER_DATA_END
