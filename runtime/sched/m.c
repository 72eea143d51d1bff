/* SPDX-License-Identifier: Apache-2.0
 * m.c - the life of a runtime thread. */
#include <errno.h>

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#define SPIN_SCORE_START 128
#define WAKE_LAG_START_NS 50000

/* One that is in no list; NULL without memory. */
struct m *m_alloc(void)
{
    struct m *m = alloc_zeroed(CACHE_LINE, sizeof *m);
    if (!m)
        return NULL;
    m->sightings = alloc_zeroed(CACHE_LINE, sched.procs * sizeof *m->sightings);
    if (!m->sightings) {
        alloc_free(m);
        return NULL;
    }
    m->spin_score = SPIN_SCORE_START;
    m->wake_lag = WAKE_LAG_START_NS;
    m->bound = -2;
    return m;
}

void m_dealloc(struct m *m)
{
    alloc_free(m->sightings);
    alloc_free(m);
}

/* NULL: no memory, or THREADS_MAX reached. */
static struct m *m_new(void)
{
    struct m *m = m_alloc();
    if (!m)
        return NULL;
    if (os_signal_stack_make(&m->signal_stack)) {
        m_dealloc(m);
        return NULL;
    }
    m->index = atomic_add_acq_rel(&sched.ms_made, 1);
    if (m->index >= THREADS_MAX) {
        atomic_sub_acq_rel(&sched.ms_made, 1);
        os_signal_stack_free(&m->signal_stack);
        m_dealloc(m);
        return NULL;
    }
    atomic_store_release(&sched.ms[m->index], m);
    return m;
}

void m_free(struct m *m)
{
    atomic_store_relaxed(&sched.ms[m->index], NULL);
    os_signal_stack_free(&m->signal_stack);
    m_dealloc(m);
}

/* Run goroutines until the run ends. On the thread's own stack. */
void m_loop(struct m *m)
{
    char *low = NULL;
    size_t size = 0;
    if (SANITIZE_FIBERS)
        os_thread_bounds(&low, &size);
    tls_m = m;
    os_signal_stack_enter(&m->signal_stack);
    m->errno_location = os_errno_location();
    m->fp_control = arch_fp_control();
    sanitize_fiber_thread(&m->fiber, low, size);
    qsbr_register();
    if (m->p) {
        alloc_bind(&m->p->arena);
        topology_bind(m, m->p);
        sysmon_poke();
    }
    for (struct g *g; (g = find_runnable(m));) {
        sched_run_g(m, g);
        while (m->call)
            m_run_call(m);
    }
    qsbr_unregister();
    alloc_bind(NULL);
    os_signal_stack_leave(&m->signal_stack);
    tls_m = NULL;
}

static void *m_thread(void *arg)
{
    struct m *m = arg;
    os_thread_name("weft");
    os_thread_slack(1);
    m_loop(m);
    uint32_t running = M_RUNNING;
    if (!atomic_cas_acq_rel(&m->state, &running, M_LEFT)) {
        atomic_store_release(&m->state, M_GONE);
        return NULL;
    }
    atomic_sub_acq_rel(&sched.threads, 1);
    atomic_add_acq_rel(&sched.leave_futex, 1);
    os_futex_wake(&sched.leave_futex, 1);
    return NULL;
}

int m_start(struct p *p, bool spinning, struct p *waker)
{
    struct m *m = m_new();
    if (!m)
        return -ENOMEM;
    m->p = p;
    m->spinning = spinning;
    m->hunting = waker;
    m->waker = waker;
    atomic_store_relaxed(&p->last_m, m);
    if (m->index > 0)
        sysmon_start();
    atomic_add_acq_rel(&sched.threads, 1);
    int rc = os_thread_start(&m->thread, m_thread, m);
    if (rc) {
        atomic_sub_acq_rel(&sched.threads, 1);
        atomic_store_relaxed(&p->last_m, NULL);
        m_free(m);
    }
    return rc;
}

SANITIZE_OWNER_DATA_END
