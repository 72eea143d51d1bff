/* SPDX-License-Identifier: Apache-2.0
 * deadlock.c - all goroutines wait, and nothing is there that could wake one.
 *
 * Sysmon asks before it goes to sleep because everything is idle. There is a deadlock if at one moment
 *   - no P is held, no M spins, and nothing is queued;
 *   - every goroutine is parked (none in a blocking section, or about to come back from one);
 *   - no timer is armed, and nothing from outside is awaited (sched_outside);
 *   - the process has no threads but ours and those foreign ones that wait inside weft, for ever, too.
 *
 * No single moment can be looked at, so all of it is read, and then what moves with every change once more. Picks: whatever
 * runs has been picked before by an M that holds a P, so if all Ps were idle at both times and nobody has made a pick in
 * between, nothing ran; a wake-up in between is still in a queue then. An M that has cleared a P's idle bit, but not yet
 * lowered the count, finds nothing to run when it looks. Foreign threads: one that runs, and may wake a goroutine or a
 * foreign thread or start a thread, is one more than those known; the word of those that wait moves when one begins to
 * and when its waker takes it out, before it can run.
 *
 * A foreign thread may end, or begin to wait, without telling: then sysmon asks again later. So does Go see no deadlock
 * while a C thread is there. What isn't seen: goroutines that wait for each other while others run. */
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

/* What can't stay the same where something happens. */
struct evidence {
    uint64_t picks, started, waiting;
};

uint64_t sched_picks(void)
{
    uint64_t picks = 0;
    for (unsigned i = 0, made = ps_made(); i < made; i++)
        picks += p_picks(sched.ps[i]);
    return picks;
}

static struct evidence evidence(void)
{
    return (struct evidence){.waiting = atomic_load_acquire(&sched.foreign_waits),
                             .picks = sched_picks(),
                             .started = atomic_load_acquire(&sched.foreign_started) +
                                        atomic_load_acquire(&sched.foreign_unparks)};
}

static bool nothing_held_or_queued(void)
{
    uint64_t word = atomic_load_acquire(&sched.word);
    if ((word & (WORD_SPIN_MASK | WORD_STOP)) ||
        (word & WORD_IDLE_MASK) < atomic_load_relaxed(&sched.procs) || work_queued())
        return false;
    for (unsigned i = 0, made = ps_made(); i < made; i++)
        if (atomic_load_acquire(&sched.ps[i]->next) || p_is_retiring(sched.ps[i]))
            return false;
    return true;
}

static int64_t timers_armed(void)
{
    int64_t n = atomic_load_acquire(&sched.foreign_timers);
    for (unsigned i = 0, made = ps_made(); i < made; i++)
        n += atomic_load_acquire(&sched.ps[i]->timers);
    return n;
}

static void count_unparked(void *object, void *arg)
{
    struct g *g = object;
    uint8_t state = atomic_load_acquire(&g->state);
    *(uint64_t *)arg += (state == G_ALIVE || state == G_BLOCKING) && !g_is_orphans(g);
}

static bool all_parked(void)
{
    uint64_t unparked = 0;
    slab_for_each(&sched.g_class, count_unparked, &unparked);
    return unparked == 0;
}

/* This thread, the Ms, and the foreign threads that wait. One whose goroutine ended locked to it is none: it may run the
 * program's destructors. */
int threads_known(void)
{
    int n = 1 + (int32_t)(uint32_t)atomic_load_acquire(&sched.foreign_waits);
    for (unsigned i = 0, made = atomic_load_acquire(&sched.ms_made); i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        n += m && atomic_load_acquire(&m->state) == M_RUNNING;
    }
    return n;
}

enum deadlock deadlock_check(void)
{
    struct evidence before = evidence();
    if (timers_armed() != 0 || atomic_load_acquire(&sched.outside))
        return DEADLOCK_NO; /* what ends that wakes us */
    if (!nothing_held_or_queued() || !all_parked() || os_threads_exceed(threads_known()))
        return DEADLOCK_LATER;
    atomic_fence_full(); /* the first look is over */
    struct evidence after = evidence();
    if (!nothing_held_or_queued() || timers_armed() != 0 || before.picks != after.picks ||
        before.started != after.started || before.waiting != after.waiting)
        return DEADLOCK_LATER;
    sched_fatal_of_all(sched_alive()
                           ? "fatal error: all goroutines are asleep - deadlock!"
                           : "fatal error: no goroutines (main called runtime.Goexit) - deadlock!");
}

SANITIZE_OWNER_DATA_END
