/* SPDX-License-Identifier: Apache-2.0
 * hold.c - holds: what a thread without a P of the run that is on (foreign, in a blocking section, an orphan's) has while it
 * takes others out of where they wait and wakes them, or touches the run in any other way.
 *
 *   holds     run is on : 1 | holds taken since that began or ended : 63
 *   releases  of those taken while no run was on; of those taken while one was
 *
 * Taking one is an addition to `holds`, which tells in the same step whether a run is on; so all holds fall into phases, those
 * of a run and those between two. A turn from one phase to the next swaps `holds`, learns how many the old phase had, and
 * waits until as many are released. Who comes meanwhile is of the new phase, and not waited for, so no stream of holds
 * keeps a turn from its end.
 *
 * A turn is made twice a run, by the thread in weft_run:
 *   - before the first goroutine runs: who found no run on, and passes goroutines over because they never run again, doesn't
 *     meet those of the next run. Who finds it on already may start and wake some, which wait for main's M (run.c);
 *   - before anything is taken down: who found it on can wake all that he took out.
 *
 * Nothing is waited for in a hold but those who are busy for a few instructions (sync/queue.h), and no function of the
 * program is called, so a turn takes as long as the kernel keeps such a thread from running. Longer only: weft_stack of all
 * goroutines, which has them stand still for a moment (freeze.c), and a weft_maxprocs, which waits for another, and till the
 * only P's holder shares it or the run ends. One that is killed within a call of weft (by pthread_cancel, or a jump out of a
 * signal's handler) leaves its hold behind and the next turn waits for ever, as it would with a mutex; the child of a fork has
 * no other threads, and forgets their holds if weft_run was called before the fork (child.c).
 *
 * Cost: 1 RMW to take one, 1 to release it; no fence. Rejected: one count, read beside the run's state (needs a fence; and a
 * count of all that hold is never seen at zero where many threads are at it). */
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#define HOLDS_RUN_ON UINT64_C(1)
#define HOLDS_ONE UINT64_C(2)

enum run_hold sched_hold_run_without_p(void)
{
    struct m *m = m_self();
    if (m)
        m->holds++;
    bool on = atomic_add_acq_rel(&sched.holds, HOLDS_ONE) & HOLDS_RUN_ON;
    return on ? RUN_HELD : RUN_GONE;
}

void sched_release_run_without_p(enum run_hold hold)
{
    struct m *m = m_self();
    if (m)
        m->holds--;
    atomic_add_acq_rel(&sched.releases[hold == RUN_HELD], 1); /* pairs with turn() */
}

bool foreign_enter(void)
{
    enum run_hold hold = sched_hold_run_without_p();
    if (likely(hold == RUN_HELD))
        return true;
    sched_release_run_without_p(hold);
    return false;
}

void foreign_exit(void)
{
    sched_release_run_without_p(RUN_HELD);
}

static void turn(uint64_t to)
{
    uint64_t was = atomic_swap_acq_rel(&sched.holds, to);
    _Atomic(uint64_t) *releases = &sched.releases[was & HOLDS_RUN_ON];
    while (atomic_load_acquire(releases) != was / HOLDS_ONE)
        os_yield();
    atomic_store_relaxed(releases, 0); /* seen by the next phase that has it: a turn is between */
}

void holds_begin_run(void)
{
    turn(HOLDS_RUN_ON);
}

/* If it has begun. */
void holds_end_run(void)
{
    if (atomic_load_relaxed(&sched.holds) & HOLDS_RUN_ON)
        turn(0);
}

/* In a child of fork, which can have a run only if none was on. */
void holds_forget(void)
{
    atomic_store_relaxed(&sched.holds, atomic_load_relaxed(&sched.holds) & HOLDS_RUN_ON);
    atomic_store_relaxed(&sched.releases[0], 0);
    atomic_store_relaxed(&sched.releases[1], 0);
}

SANITIZE_OWNER_DATA_END
