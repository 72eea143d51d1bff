/* SPDX-License-Identifier: Apache-2.0
 * m.c - the life of a runtime thread. */
#include <errno.h>
#include <string.h>

#include "arch/probe.h"
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#define SPIN_SCORE_START 128
#define WAKE_LAG_START_NS 50000
#define START_RETRY_NS 1000000 /* so long nobody tries again when no thread was to be had */

/* Room to remember as many Ps as this run has by now. 0 or -ENOMEM. */
int m_reserve_sightings(struct m *m)
{
    unsigned made = ps_made();
    if (m->sightings_made < made) {
        alloc_free(m->sightings);
        m->sightings = alloc_aligned(CACHE_LINE, made * sizeof *m->sightings);
        m->sightings_made = m->sightings ? made : 0;
    }
    if (!m->sightings)
        return -ENOMEM;
    memset(m->sightings, 0, m->sightings_made * sizeof *m->sightings);
    return 0;
}

/* As a thread is about to start with it. */
static int m_init(struct m *m)
{
    sanitize_ignore_begin(); /* goroutines look at `asked`, which is ordered by nothing that TSan sees */
    memset(m, 0, offsetof(struct m, state));
    sanitize_ignore_end();
    m->spin_score = SPIN_SCORE_START;
    m->wake_lag = WAKE_LAG_START_NS;
    m->bound = -2;
    m->place = SCHED_NUMBERS;
    return m_reserve_sightings(m);
}

/* One that is in no list; NULL without memory. */
struct m *m_alloc(void)
{
    struct m *m = alloc_zeroed(CACHE_LINE, sizeof *m);
    if (m && m_init(m)) {
        alloc_free(m);
        return NULL;
    }
    return m;
}

void m_dealloc(struct m *m)
{
    alloc_free(m->sightings);
    alloc_free(m);
}

bool m_take_left(struct m *m, bool wait)
{
    uint32_t left = M_LEFT;
    if (!atomic_cas_acq_rel(&m->state, &left, M_JOINING))
        return false;
    if (wait) {
        os_thread_join(m->thread);
    } else if (!os_thread_try_join(m->thread)) {
        atomic_store_release(&m->state, M_LEFT); /* destructors of the program's run on it */
        return false;
    }
    atomic_store_relaxed(&m->thread_id, 0);
    atomic_store_release(&m->state, M_RUNNING);
    return true;
}

/* One of an earlier run, or whose thread has left this one, ours from now on; or NULL. */
static struct m *m_take_free(void)
{
    unsigned made = atomic_load_acquire(&sched.ms_made);
    for (unsigned i = 0; i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        uint32_t state = m ? atomic_load_relaxed(&m->state) : M_GONE;
        if (state == M_FREE && atomic_cas_acq_rel(&m->state, &state, M_RUNNING))
            return m;
        if (unlikely(state == M_LEFT) && m_take_left(m, false))
            return m;
    }
    return NULL;
}

/* In a slot of its own. NULL, and *rc: -ENOMEM, or -EUSERS when THREADS_MAX is reached. */
static struct m *m_add(int *rc)
{
    *rc = -ENOMEM;
    struct m *m = alloc_zeroed(CACHE_LINE, sizeof *m);
    if (!m)
        return NULL;
    m->index = atomic_load_relaxed(&sched.ms_made);
    do {
        if (m->index >= THREADS_MAX) {
            alloc_free(m);
            *rc = -EUSERS;
            return NULL;
        }
    } while (!atomic_cas_acq_rel(&sched.ms_made, &m->index, m->index + 1));
    atomic_store_relaxed(&m->state, M_RUNNING);
    atomic_store_release(&sched.ms[m->index], m);
    return m;
}

static struct m *m_new(int *rc)
{
    struct m *m = m_take_free();
    if (!m)
        m = m_add(rc);
    if (!m)
        return NULL;
    *rc = m_init(m);
    if (!*rc && !m->signal_stack.low)
        *rc = os_signal_stack_make(&m->signal_stack);
    if (*rc) {
        m_free(m);
        return NULL;
    }
    atomic_fence_full(); /* [STOP-1] run_main_returned() asks this M to stop, or we see that it must */
    if (atomic_load_relaxed(&sched.word) & WORD_STOP)
        atomic_or_acq_rel(&m->asked, ASKED_TO_STOP);
    if (freeze_is_on()) /* [FREEZE-2] likewise */
        atomic_or_acq_rel(&m->asked, ASKED_TO_WAIT);
    return m;
}

/* What it ended with is found by those who look at all Ms no more: another run may have it. */
void m_free(struct m *m)
{
    m->orphan_g = m->refused = m->gives_way = NULL;
    atomic_store_release(&m->state, M_FREE);
}

/* Run goroutines until the run ends. On the thread's own stack. */
void m_loop(struct m *m)
{
    char *low = NULL;
    size_t size = 0;
    if (SANITIZE_STACKS || sched_looks_for_partial())
        os_thread_bounds(&low, &size);
    m->stack_low = low;
    m->stack_used = __builtin_frame_address(0);
    unsigned stack = sanitize_stack_register(low, low + size);
    tls_m = m;
    weft_here_now = m_here(m);
    os_signal_stack_enter(&m->signal_stack);
    os_probe_admit();
    m->errno_location = os_errno_location();
    struct os_exceptions *exceptions = os_exceptions_here();
    m->exceptions = exceptions ? exceptions : &sched.no_exceptions;
    arch_fp_save(&m->fp_control);
    sanitize_fiber_thread(&m->fiber, low, size);
    qsbr_register();
    if (m->p) {
        alloc_bind(&m->p->arena);
        topology_bind(m, m->p);
        sysmon_poke();
    }
    for (struct g *g; (g = find_runnable(m));)
        sched_run_g(m, g);
    qsbr_unregister();
    alloc_bind(NULL);
    os_signal_stack_leave(&m->signal_stack);
    sanitize_stack_deregister(stack);
    weft_here_now = &sched_nowhere;
    tls_m = NULL;
}

static void *m_thread(void *arg)
{
    struct m *m = arg;
    m->thread = os_thread_self(); /* os_thread_start() may not have got to it yet */
    atomic_store_relaxed(&m->thread_id, os_thread_id());
    os_thread_name("weft");
    os_thread_set_slack(1);
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
    int rc;
    if (spinning && os_now() < atomic_load_relaxed(&sched.start_retry))
        return -EAGAIN;
    struct m *m = m_new(&rc);
    if (!m)
        return rc;
    m_set_p(m, p);
    m->spinning = spinning;
    m->hunting = waker;
    m->waker = waker;
    atomic_store_release(&p->last_m, m); /* pairs with sysmon, which reads what m_init() wrote */
    atomic_add_acq_rel(&sched.threads, 1);
    rc = os_thread_start(&m->thread, m_thread, m);
    if (rc) {
        atomic_sub_acq_rel(&sched.threads, 1);
        atomic_store_relaxed(&p->last_m, NULL);
        atomic_store_relaxed(&sched.start_retry, os_now() + START_RETRY_NS);
        m_free(m);
    }
    return rc;
}

SANITIZE_OWNER_DATA_END
