/* SPDX-License-Identifier: Apache-2.0
 * stats.c - what is going on, added up from the Ps' counters. */
#include <string.h>

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

static uint64_t sum(size_t offset)
{
    uint64_t total = 0;
    for (unsigned i = 0, made = ps_made(); i < made; i++)
        if (sched.ps[i]) /* none: left to an orphan */
            total += atomic_load_acquire((_Atomic(uint64_t) *)((char *)sched.ps[i] + offset));
    return total;
}

#define SUM(field) sum(offsetof(struct p, field))

/* Ends are read before beginnings, so that what begins meanwhile can't make a difference negative. */
uint64_t sched_alive(void)
{
    uint64_t ended = SUM(ended);
    return SUM(started) + atomic_load_acquire(&sched.foreign_started) - ended;
}

static bool stats_enter(void)
{
    return sched_on_goroutine() || foreign_enter();
}

static void stats_exit(void)
{
    if (!sched_on_goroutine())
        foreign_exit();
}

static uint64_t in_blocking(void)
{
    uint64_t n = 0;
    unsigned made = atomic_load_acquire(&sched.ms_made);
    for (unsigned i = 0; i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        n += m && atomic_load_acquire(&m->state) == M_CALLING;
    }
    return n;
}

int weft_num_goroutine(void)
{
    sched_checkpoint();
    if (!stats_enter())
        return 0;
    int n = (int)sched_alive();
    stats_exit();
    return n;
}

void weft_stats_read(weft_stats *out)
{
    sched_checkpoint();
    memset(out, 0, sizeof *out);
    if (!stats_enter())
        return;
    uint64_t unparks = SUM(unparks) + atomic_load_acquire(&sched.foreign_unparks);
    out->parks = SUM(parks);
    out->parked = out->parks > unparks ? out->parks - unparks : 0;
    out->goroutines = sched_alive();
    out->started = SUM(started) + atomic_load_acquire(&sched.foreign_started);
    out->steals = SUM(steals);
    out->wakes = SUM(wakes) + atomic_load_acquire(&sched.other_wakes);
    out->in_blocking = in_blocking();
    out->threads = atomic_load_acquire(&sched.threads);
    out->procs = atomic_load_relaxed(&sched.procs);
    int64_t timers = atomic_load_relaxed(&sched.foreign_timers);
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        struct p *p = sched.ps[i];
        if (!p)
            continue;
        out->runnable += p_queued(p) + (atomic_load_acquire(&p->next) != NULL);
        timers += atomic_load_acquire(&p->timers);
    }
    out->timers = timers > 0 ? (uint64_t)timers : 0;
    stats_exit();
}

SANITIZE_OWNER_DATA_END
