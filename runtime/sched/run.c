/* SPDX-License-Identifier: Apache-2.0
 * run.c - weft_run: setting a run up, and taking it down so that the next one finds nothing of it.
 *
 *   NONE --weft_run--> STARTING --> ON --main returned--> STOPPING --all Ms have left--> NONE
 *
 * Ps, their caches and arenas are made once and kept. Ms are threads of one run. When main returns
 * WORD_STOP is set: every M leaves at its next pass through find_runnable, which each goroutine
 * reaches at the latest 61 yields or parks later. Those that compute are waited for up to stop_ns; an M
 * that isn't out by then is an orphan: it keeps its P, its goroutine and its stack, is named on stderr, and
 * its thread ends by itself should it ever come back. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sched/internal.h"

#define STOP_NS_DEFAULT INT64_C(1000000000)
#define STACKS_KEPT 1024 /* more than these are unmapped at the end of a run */

struct sched sched;

static size_t whole_pages(size_t bytes)
{
    return (bytes + os_page() - 1) & ~(os_page() - 1);
}

/* maxprocs by config, environment or machine; 0: bad. */
static unsigned choose_procs(int configured)
{
    const char *env = getenv("WEFT_MAXPROCS");
    long n = configured;
    if (n == 0 && env && *env) {
        char *end;
        n = strtol(env, &end, 10);
        if (*end)
            return 0;
    } else if (n == 0) {
        double quota = sched.quota;
        n = topology_cpus() ? (long)topology_cpus() : 1;
        if (quota > 0 && quota < (double)n)
            n = (long)(quota + 0.999);
        if (n > PROCS_MAX)
            n = PROCS_MAX;
    }
    return n < 1 || n > PROCS_MAX ? 0 : (unsigned)n;
}

static struct p *p_new(unsigned index)
{
    struct p *p = alloc_aligned(CACHE_LINE, sizeof *p);
    if (!p)
        return NULL;
    memset(p, 0, sizeof *p);
    p->victims = alloc_aligned(_Alignof(unsigned), PROCS_MAX * sizeof *p->victims);
    if (!p->victims || deque_init(&p->runq, qsbr_retire)) {
        alloc_free(p->victims);
        alloc_free(p);
        return NULL;
    }
    p->index = index;
    p->rng = os_random() | 1;
    return p;
}

/* A P that has no trace of an earlier run, but for its caches. */
static void p_reset(struct p *p)
{
    atomic_store_relaxed(&p->next, NULL);
    atomic_store_relaxed(&p->slow_tick, atomic_load_relaxed(&p->tick) + SLOW_PICK_EVERY);
    p->wake_skip = 0;
    p->id_next = p->id_end = 0;
    p->last_wake = 0;
    atomic_store_relaxed(&p->wake_backoff, 0);
    atomic_store_relaxed(&p->started, 0);
    atomic_store_relaxed(&p->ended, 0);
    atomic_store_relaxed(&p->parks, 0);
    atomic_store_relaxed(&p->unparks, 0);
    atomic_store_relaxed(&p->steals, 0);
    atomic_store_relaxed(&p->wakes, 0);
    atomic_store_relaxed(&p->timers, 0);
    atomic_store_relaxed(&p->timer.earliest, OS_FOREVER);
    atomic_store_relaxed(&p->last_m, NULL);
    while (deque_pop(&p->runq))
        ;
}

static int make_ps(unsigned procs)
{
    for (unsigned i = 0; i < procs; i++) {
        if (!sched.ps[i] && !(sched.ps[i] = p_new(i)))
            return -ENOMEM;
        p_reset(sched.ps[i]);
    }
    return 0;
}

/* The default stack size; cached stacks of another one go. */
static void set_stack_bytes(size_t bytes)
{
    if (sched.stack_class.bytes == bytes)
        return;
    stack_unmap_all(&sched.stack_class);
    for (unsigned i = 0; i < PROCS_MAX && sched.ps[i]; i++)
        sched.ps[i]->stacks = (struct stack_cache){0};
    sched.stack_class.bytes = bytes;
}

static int check_config(const weft_config *config)
{
    if (config->maxprocs < 0 || config->stop_ns < 0)
        return -EINVAL;
    if (config->stack_size &&
        (whole_pages(config->stack_size) < STACK_BYTES_MIN || config->stack_size > STACK_BYTES_MAX))
        return -EINVAL;
    return 0;
}

static int set_up(const weft_config *config)
{
    sched.config = *config;
    int rc = topology_load(config->topology);
    if (!rc)
        rc = topology_survey();
    if (rc)
        return rc;
    sched.cpus = (unsigned)os_cpu_count();
    if (!sched.quota_read) /* takes longer than the rest of a warm start */
        sched.quota = os_cpu_quota();
    sched.quota_read = true;
    sched.procs = choose_procs(config->maxprocs);
    if (sched.procs == 0)
        return -EINVAL;
    sched.spin_allowed = sched.cpus > 1 && (sched.quota == 0 || sched.quota >= sched.procs);
    sched.g_class.object_bytes = (sizeof(struct g) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    set_stack_bytes(config->stack_size ? whole_pages(config->stack_size) : STACK_BYTES_DEFAULT);
    rc = make_ps(sched.procs);
    if (rc)
        return rc;
    topology_layout(sched.procs, !config->no_pin);
    atomic_store_relaxed(&sched.injected, NULL);
    atomic_store_relaxed(&sched.ids, 0);
    atomic_store_relaxed(&sched.in_blocking, 0);
    atomic_store_relaxed(&sched.foreign_started, 0);
    atomic_store_relaxed(&sched.foreign_unparks, 0);
    atomic_store_relaxed(&sched.threads, 1);
    idle_reset(sched.procs);
    return 0;
}

/* Goroutine 1, on a stack of RLIMIT_STACK's size, queued on the first P. */
static int make_main(struct m *m0, weft_fn fn, void *arg)
{
    if (!sched.main_stack)
        sched.main_stack = stack_get_sized(os_stack_limit());
    if (!sched.main_stack)
        return -ENOMEM;
    tls_m = m0;
    struct g *g = g_new(fn, arg);
    tls_m = NULL;
    if (!g)
        return -ENOMEM;
    g->stack = sched.main_stack;
    g_prepare(g);
    sanitize_release(g);
    sched.main_g = g;
    sched.main_gone = false;
    atomic_store_relaxed(&m0->p->started, 1);
    atomic_store_relaxed(&m0->p->next, g);
    return 0;
}

void run_main_returned(void)
{
    sched.main_g = NULL;
    atomic_store_release(&sched.state, RUN_STOPPING);
    atomic_or_acq_rel(&sched.word, WORD_STOP);
    atomic_fence_after_rmw();                  /* [WAKE-1] */
    for (unsigned i = 0; i < sched.procs; i++) /* a hint: a P's own write may overtake it */
        atomic_store_relaxed(&sched.ps[i]->slow_tick, atomic_load_relaxed(&sched.ps[i]->tick) + 1);
    idle_wake_all();
}

static void name_orphan(struct m *m)
{
    char text[160];
    struct g *g = m->calling ? m->calling->g : m->g;
    if (!g)
        return;
    snprintf(text, sizeof text, "weft: goroutine %llu%s%s%s did not stop and is left alone (%s)\n",
             (unsigned long long)g->id, g->name[0] ? " (" : "", g->name, g->name[0] ? ")" : "",
             m->calling ? "blocking" : "running");
    os_write_stderr(text);
}

/* Its P goes with it; what it runs keeps its descriptor and its stack. */
static void make_orphan(struct m *m)
{
    name_orphan(m);
    atomic_store_release(&m->orphan, true);
    for (unsigned i = 0; i < sched.procs; i++)
        if (sched.ps[i] == m->p)
            sched.ps[i] = NULL;
    os_thread_detach(m->thread);
    sched.orphans++;
}

/* Wait for all Ms but the caller's. 0 or -ETIMEDOUT. */
static int join_ms(struct m *m0)
{
    int64_t patience = sched.config.stop_ns ? sched.config.stop_ns : STOP_NS_DEFAULT;
    int64_t deadline = os_now() + patience;
    for (;;) {
        uint32_t seen = atomic_load_acquire(&sched.leave_futex);
        if (atomic_load_acquire(&sched.threads) == 1 || os_now() >= deadline)
            break;
        idle_wake_all();
        os_futex_wait(&sched.leave_futex, seen, deadline);
    }
    int rc = 0;
    unsigned made = atomic_load_acquire(&sched.ms_made);
    for (unsigned i = 0; i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        if (!m || m == m0 || atomic_load_acquire(&m->orphan))
            continue;
        if (atomic_load_acquire(&m->left)) {
            if (!m->never_started)
                os_thread_join(m->thread);
            m_free(m);
        } else {
            make_orphan(m);
            rc = -ETIMEDOUT;
        }
    }
    return rc;
}

static bool is_orphans(struct g *g)
{
    unsigned made = atomic_load_relaxed(&sched.ms_made);
    for (unsigned i = 0; sched.orphans && i < made; i++) {
        struct m *m = atomic_load_relaxed(&sched.ms[i]);
        if (m && atomic_load_relaxed(&m->orphan) &&
            (m->g == g || (m->calling && m->calling->g == g)))
            return true;
    }
    return false;
}

/* An abandoned goroutine: its deferred calls don't run. */
static void bury(void *object, void *arg)
{
    struct g *g = object;
    struct p *p = arg;
    if (atomic_load_relaxed(&g->state) == G_FREE || is_orphans(g))
        return;
    if (g->stack) {
        sanitize_fiber_destroy(&g->fiber);
        if (g->stack != sched.main_stack)
            stack_put(&sched.stack_class, &p->stacks, g->stack);
        g->stack = NULL;
    }
    g_free(p, g);
}

static void take_down(struct p *p)
{
    bool some_left = sched_alive() > 0;
    for (unsigned i = 0; i < sched.procs; i++) {
        if (!sched.ps[i])
            continue;
        if (sched.timer_ops.drop_all)
            sched.timer_ops.drop_all(sched.ps[i]);
        p_reset(sched.ps[i]);
    }
    qsbr_settle();
    if (some_left)
        slab_for_each(&sched.g_class, bury, p);
    if (sched.orphans == 0 && atomic_load_relaxed(&sched.stack_class.carved) > STACKS_KEPT) {
        size_t bytes = sched.stack_class.bytes;
        sched.stack_class.bytes = 0;
        set_stack_bytes(bytes);
    }
    if (sched.orphans == 0)
        atomic_store_relaxed(&sched.ms_made, 0);
}

static int run(struct m *m0, weft_fn fn, void *arg)
{
    m0->p = sched.ps[0];
    int rc = make_main(m0, fn, arg);
    if (rc)
        return rc;
    atomic_store_release(&sched.state, RUN_ON);
    int slack = os_thread_slack(1);
    m_loop(m0);
    foreign_shut();
    sysmon_stop();
    rc = join_ms(m0);
    topology_unbind(m0);
    os_thread_slack(slack);
    take_down(sched.ps[0] ? sched.ps[0] : m0->p);
    return rc;
}

int weft_run(weft_fn main_fn, void *arg, const weft_config *config)
{
    static const weft_config defaults;
    config = config ? config : &defaults;
    int rc = main_fn ? check_config(config) : -EINVAL;
    if (rc)
        return rc;
    uint32_t none = RUN_NONE;
    if (sched_on_goroutine() || !atomic_cas_acq_rel(&sched.state, &none, RUN_STARTING))
        return -EBUSY;
    rc = set_up(config);
    if (!rc) {
        struct m *m0 = m_new();
        rc = m0 ? run(m0, main_fn, arg) : -ENOMEM;
        if (m0)
            m_free(m0);
    }
    atomic_store_release(&sched.state, RUN_NONE);
    return rc;
}

int weft_num_cpu(void)
{
    return os_cpu_count();
}

void sched_set_timer_ops(const struct sched_timer_ops *ops)
{
    sched.timer_ops = *ops;
}

static struct p *p_self(void)
{
    struct m *m = m_self();
    return m ? m->p : NULL;
}

struct sched_timer_slot *sched_timer_slot(void)
{
    struct p *p = p_self();
    return p ? &p->timer : NULL;
}

struct sched_timer_slot *sched_timer_slot_of(struct p *p)
{
    return &p->timer;
}

void sched_timer_armed(void)
{
    struct p *p = p_self();
    atomic_store_relaxed(&p->slow_tick, atomic_load_relaxed(&p->tick) + 1);
}

void sched_timer_count(int delta)
{
    struct p *p = p_self();
    if (p)
        counter_add(&p->timers, delta);
}
