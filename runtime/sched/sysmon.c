/* SPDX-License-Identifier: Apache-2.0
 * sysmon.c - a thread that looks, now and then, whether work waits beside an idle P.
 *
 * It is the backstop for what the wake-up limits of idle.c pass over: a goroutine in the `next` of a
 * P whose goroutine computes, or queued during a wake interval. It starts with the second M, looks
 * every PERIOD_MIN_NS while some Ps run and some idle, slows down to PERIOD_MAX_NS while it finds
 * nothing, and sleeps without a timeout once all Ps have been idle for a while; whoever takes a P
 * then wakes it. */

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#define PERIOD_MIN_NS 1000000
#define PERIOD_MAX_NS 10000000
#define QUIET_BEFORE_SLOWER 20
#define QUIET_BEFORE_SLEEP 10

enum { SYSMON_AWAKE, SYSMON_ASLEEP, SYSMON_STOP };

static struct {
    _Atomic(uint32_t) state; /* the futex too */
    _Atomic(bool) started;
    _Atomic(bool) running; /* its thread is to be joined */
    os_thread thread;
} sysmon;

static void sysmon_sleep(uint32_t expected, int64_t deadline)
{
    os_futex_wait(&sysmon.state, expected, deadline);
}

static void *sysmon_thread(void *arg)
{
    struct m *eyes = arg; /* never runs anything: it only remembers what it saw in `next` */
    unsigned quiet = 0;
    int64_t period = PERIOD_MIN_NS;
    os_thread_name("weft-sysmon");
    topology_unbind(eyes); /* who started it may be bound to one CPU, and compute there */
    while (atomic_load_acquire(&sysmon.state) != SYSMON_STOP) {
        unsigned idle = atomic_load_acquire(&sched.word) & WORD_IDLE_MASK;
        if (idle == sched.procs && ++quiet > QUIET_BEFORE_SLEEP) {
            uint32_t awake = SYSMON_AWAKE;
            if (!atomic_cas_acq_rel(&sysmon.state, &awake, SYSMON_ASLEEP))
                continue;
            atomic_fence_after_rmw(); /* [SYSMON-2] */
            if ((atomic_load_acquire(&sched.word) & WORD_IDLE_MASK) == sched.procs &&
                !work_visible(eyes))
                sysmon_sleep(SYSMON_ASLEEP, OS_FOREVER);
            uint32_t asleep = SYSMON_ASLEEP;
            atomic_cas_acq_rel(&sysmon.state, &asleep, SYSMON_AWAKE);
            quiet = 0;
            period = PERIOD_MIN_NS;
            continue;
        }
        if (idle > 0 && work_visible(eyes)) {
            wake_one(NULL, NULL);
            quiet = 0;
            period = PERIOD_MIN_NS;
        } else if (++quiet % QUIET_BEFORE_SLOWER == 0) {
            period = 2 * period < PERIOD_MAX_NS ? 2 * period : PERIOD_MAX_NS;
        }
        sysmon_sleep(SYSMON_AWAKE, os_now() + period);
    }
    m_dealloc(eyes);
    return NULL;
}

/* Without it (no memory, no thread) the limits of idle.c still let every 4096th push through. */
void sysmon_start(void)
{
    bool started = false;
    if (atomic_load_relaxed(&sysmon.started) ||
        !atomic_cas_acq_rel(&sysmon.started, &started, true))
        return;
    struct m *eyes = m_alloc();
    if (!eyes)
        return;
    atomic_store_release(&sysmon.state, SYSMON_AWAKE);
    if (os_thread_start(&sysmon.thread, sysmon_thread, eyes))
        m_dealloc(eyes);
    else
        atomic_store_release(&sysmon.running, true);
}

void sysmon_stop(void)
{
    if (!atomic_swap_acq_rel(&sysmon.running, false))
        return;
    atomic_store_release(&sysmon.state, SYSMON_STOP);
    os_futex_wake(&sysmon.state, 1);
    os_thread_join(sysmon.thread);
}

void sysmon_reset(void)
{
    sysmon_stop();
    atomic_store_release(&sysmon.started, false);
}

void sysmon_poke(void)
{
    atomic_fence_after_rmw(); /* [SYSMON-1] the caller has just taken a P */
    uint32_t asleep = SYSMON_ASLEEP;
    if (unlikely(atomic_load_relaxed(&sysmon.state) == SYSMON_ASLEEP) &&
        atomic_cas_acq_rel(&sysmon.state, &asleep, SYSMON_AWAKE))
        os_futex_wake(&sysmon.state, 1);
}

SANITIZE_OWNER_DATA_END
