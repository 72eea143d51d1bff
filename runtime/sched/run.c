/* SPDX-License-Identifier: Apache-2.0
 * run.c - weft_run: setting a run up. Its other half, taking it down, is end.c.
 *
 *   NONE --weft_run--> STARTING --> ON --main returned--> STOPPING --all Ms have left--> NONE
 *
 * Ps, their caches and arenas are made once and kept. Ms are threads of one run; the caller of weft_run
 * is none of them but waits. (Were it an M, a goroutine that computes or blocks on it when main
 * returns would hold weft_run up for ever, and stop_ns couldn't be kept. It costs a thread's start
 * a run: docs/decisions.md.) */
#include <errno.h>
#include <stdlib.h>

#include "runtime/sched/internal.h"

struct sched sched;

SANITIZE_OWNER_DATA_BEGIN

/* maxprocs by config, weft_maxprocs, environment or machine; 0: bad. */
static unsigned choose_procs(int configured)
{
    const char *env = getenv("WEFT_MAXPROCS");
    long n = configured ? configured : atomic_load_relaxed(&sched.wanted_procs);
    if (n == 0 && env && *env) {
        char *end;
        n = strtol(env, &end, 10);
        if (*end)
            return 0;
    } else if (n == 0) {
        double quota = sched.quota;
        n = topology_cpus() ? (long)topology_cpus() : os_cpu_count();
        if (quota > 0 && quota < (double)n)
            n = (long)(quota + 0.999);
        if (n > PROCS_MAX)
            n = PROCS_MAX;
    }
    return n < 1 || n > PROCS_MAX ? 0 : (unsigned)n;
}

/* weft_maxprocs while no run is in progress: for those that come. */
int procs_outside_runs(int n)
{
    int old = (int)choose_procs(0);
    if (n > 0)
        atomic_store_relaxed(&sched.wanted_procs, n < PROCS_MAX ? n : PROCS_MAX);
    return old;
}

/* Nobody spins where there is no CPU to spare. */
void sched_may_spin(unsigned procs)
{
    sched.spin_allowed = sched.cpus > 1 && (sched.quota == 0 || sched.quota >= procs);
}

struct weft_row_ sched_rows[SCHED_NUMBERS];
_Atomic(uint64_t) sched_tickets[16];
_Atomic(uint32_t) sched_numbers;

/* A row is of use only where its holder needs no fence. */
static void p_give_number(struct p *p)
{
    uint32_t number = atomic_load_relaxed(&sched_numbers);
    p->number = number;
    if (number == SCHED_NUMBERS)
        return;
    os_fence_prepare();
    sched_rows[number].tickets_ = (const uint64_t *)sched_tickets;
    p->row = atomic_load_relaxed(&os_fence_is_asymmetric) ? &sched_rows[number] : NULL;
    atomic_store_release(&sched_numbers, number + 1); /* pairs with rows_made() */
}

struct p *p_new(unsigned index)
{
    struct p *spare = sched.spare_ps;
    if (spare) {
        sched.spare_ps = spare->next_spare;
        spare->stacks = (struct stack_cache){0}; /* they may be of another size */
        spare->index = index;
        return spare;
    }
    struct p *p = alloc_zeroed(CACHE_LINE, sizeof *p);
    if (!p)
        return NULL;
    p->victims = alloc_aligned(_Alignof(unsigned), PROCS_MAX * sizeof *p->victims);
    if (!p->victims || deque_init(&p->runq, qsbr_retire)) {
        alloc_free(p->victims);
        alloc_free(p);
        return NULL;
    }
    p->index = index;
    p_give_number(p);
    p->rng = os_random() | 1;
    return p;
}

/* A P that has no trace of an earlier run, but for its caches. */
void p_reset(struct p *p)
{
    atomic_store_relaxed(&p->next, NULL);
    atomic_store_relaxed(&p->picks_left, SLOW_PICK_EVERY);
    p->picks_put_off = 0;
    p->stall.since = 0;
    p->wake_skip = 0;
    p->id_next = p->id_end = 0;
    p->last_wake = 0;
    atomic_store_relaxed(&p->wake_backoff, 0);
    atomic_store_relaxed(&p->section, 0);
    atomic_store_relaxed(&p->life, P_ACTIVE);
    atomic_store_relaxed(&p->started, 0);
    atomic_store_relaxed(&p->ended, 0);
    atomic_store_relaxed(&p->parks, 0);
    atomic_store_relaxed(&p->unparks, 0);
    atomic_store_relaxed(&p->steals, 0);
    atomic_store_relaxed(&p->wakes, 0);
    atomic_store_relaxed(&p->timers, 0);
    atomic_store_relaxed(&p->timer.earliest, OS_FOREVER);
    atomic_store_relaxed(&p->timer.loose, OS_FOREVER);
    atomic_store_relaxed(&p->last_m, NULL);
    while (deque_pop(&p->runq) || fresh_take(&p->fresh))
        ;
}

static int make_ps(unsigned procs)
{
    for (unsigned i = 0; i < procs; i++) {
        if (!sched.ps[i] && !(sched.ps[i] = p_new(i)))
            return -ENOMEM;
        p_reset(sched.ps[i]);
        atomic_store_relaxed(&sched.ps[i]->mode, procs == 1 ? P_SOLO : P_SHARED);
    }
    return 0;
}

/* The default stack size; cached stacks of another one go. */
void set_stack_bytes(size_t bytes)
{
    if (sched.stack_class.bytes == bytes)
        return;
    if (sched.orphans)
        stack_forget_all(&sched.stack_class); /* one of them is an orphan's */
    else
        stack_unmap_all(&sched.stack_class);
    for (unsigned i = 0; i < PROCS_MAX; i++)
        if (sched.ps[i])
            sched.ps[i]->stacks = (struct stack_cache){0};
    sched.stack_class.bytes = bytes;
}

static int check_config(const weft_config *config)
{
    if (config->maxprocs < 0 || config->stop_ns < 0)
        return -EINVAL;
    if (config->stack_size &&
        (config->stack_size < STACK_BYTES_MIN || config->stack_size > STACK_BYTES_MAX))
        return -EINVAL;
    return 0;
}

/* A switch would not move it along: the next return would kill the process. */
static int refuse_shadow_stack(void)
{
    if (!os_shadow_stack())
        return 0;
    os_write_stderr(
        "weft: this process checks returns against a shadow stack, which goroutines don't "
        "have; start it without (GLIBC_TUNABLES=glibc.cpu.x86_shstk=off)\n");
    return -ENOTSUP;
}

static int set_up(const weft_config *config)
{
    sched.config = *config;
    sched.layout = sched_debug_layout;
    os_exceptions_find();
    int rc = stall_set_up();
    if (!rc)
        rc = traceback_set_up();
    if (!rc)
        rc = partial_set_up();
    if (!rc)
        rc = child_prepare();
    if (!rc)
        rc = topology_load(config->topology);
    if (!rc)
        rc = topology_survey();
    if (rc)
        return rc;
    sched.cpus = (unsigned)os_cpu_count();
    if (!sched.quota_read) { /* takes longer than the rest of a warm start */
        double quota = os_cpu_quota();
        sched.quota = quota > 0 ? quota : 0;
        sched.quota_read = quota >= 0;
    }
    unsigned procs = choose_procs(config->maxprocs);
    if (procs == 0)
        return -EINVAL;
    atomic_store_relaxed(&sched.procs, procs);
    atomic_store_relaxed(&sched.ps_made, procs);
    sched_may_spin(procs);
    sched.g_class.init = g_carved;
    sched.g_class.object_bytes = (sizeof(struct g) + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
    sched.g_class.huge = true;
    set_stack_bytes(os_stack_bytes(config->stack_size ? config->stack_size : STACK_BYTES_DEFAULT));
    if (procs > 1)
        os_fence_prepare(); /* for thieves, see runq.h */
    rc = make_ps(procs);
    if (rc)
        return rc;
    topology_layout(procs, !config->no_pin);
    atomic_store_relaxed(&sched.injected, NULL);
    atomic_store_relaxed(&sched.ids, 0);
    atomic_store_relaxed(&sched.foreign_started, 0);
    atomic_store_relaxed(&sched.foreign_timers, 0);
    atomic_store_relaxed(&sched.foreign_unparks, 0);
    atomic_store_relaxed(&sched.other_wakes, 0);
    atomic_store_relaxed(&sched.threads, 0);
    idle_reset(procs);
    return 0;
}

/* Goroutine 1, on a stack of RLIMIT_STACK's size, queued on p. NULL without memory. */
static struct g *make_main(struct p *p, weft_fn fn, void *arg)
{
    if (!sched.main_stack)
        sched.main_stack = stack_get_sized(os_stack_limit());
    /* Goroutines that weft_go has accepted can run, one by one, in whatever address space is left. */
    if (!sched.main_stack || stack_reserve(&sched.stack_class, &p->stacks))
        return NULL;
    struct g *g = g_new(p, fn, arg);
    if (!g)
        return NULL;
    g->flags |= G_MAIN;
    g->stack = sched.main_stack;
    g->stack->began = (struct stack_origin){0};
    g_prepare(g);
    g_is_to_run(g);
    atomic_store_relaxed(&sched.main_gone, false);
    atomic_store_relaxed(&p->started, 1);
    atomic_store_relaxed(&p->next, g);
    return g;
}

static int run(weft_fn fn, void *arg)
{
    struct p *p = sched.ps[0];
    struct g *g = make_main(p, fn, arg);
    struct m *eyes = m_alloc();
    int rc = g && eyes ? 0 : -ENOMEM;
    faults_catch();
    stall_begin();
    if (!rc) {
        sysmon_reset();
        atomic_add_relaxed(&sched.run_number, 1);
        atomic_store_release(&sched.state, RUN_ON);
        holds_begin_run();
        quit_catch(); /* before main runs, which may send one */
        rc = m_start(p, false, NULL);
        if (!rc)
            sysmon_watch(eyes);
        quit_release();
    }
    if (rc) {
        atomic_store_release(&sched.state, RUN_STOPPING);
        atomic_or_acq_rel(&sched.word, WORD_STOP);
    }
    holds_end_run();
    int left = join_ms();
    if (!rc && sched.config.report_leaks)
        tell_leaks();
    atomic_add_relaxed(&sched.run_number, 1);
    sanitize_acquire(&sched.main_stack);
    take_down();
    stall_end();
    faults_release();
    if (eyes)
        m_dealloc(eyes);
    return rc == -EUSERS ? -EAGAIN : rc ? rc : left;
}

int weft_run(weft_fn main_fn, void *arg, const weft_config *config)
{
    static const weft_config defaults;
    config = config ? config : &defaults;
    int rc = main_fn ? check_config(config) : -EINVAL;
    if (!rc)
        rc = refuse_shadow_stack();
    if (rc)
        return rc;
    uint32_t none = RUN_NONE;
    if (!atomic_cas_acq_rel(&sched.state, &none, RUN_STARTING))
        return -EBUSY;
    rc = set_up(config);
    if (!rc)
        rc = run(main_fn, arg);
    atomic_store_release(&sched.state, RUN_NONE);
    return rc;
}

int weft_num_cpu(void)
{
    return m_self() ? (int)sched.cpus : os_cpu_count(); /* an M may be bound to some of them */
}

void sched_set_timer_ops(const struct sched_timer_ops *ops)
{
    sched.timer_ops = *ops;
}

struct sched_timer_slot *sched_timer_slot_any(void)
{
    struct p *p = ps_made() ? sched.ps[0] : NULL; /* between runs it may have gone with an orphan */
    return p ? &p->timer : NULL;
}

void sched_timer_armed(void)
{
    struct p *p = p_self();
    if (likely(p))
        p_look_soon(p);
    else if (!sched_p_left())
        watcher_ensure(NULL);
}

void sched_timer_count_without_p(int delta)
{
    atomic_add_relaxed(&sched.foreign_timers, delta);
    if (delta < 0)
        sysmon_poke(); /* was it the last hope? */
}

uint64_t sched_run_number(void)
{
    return atomic_load_relaxed(&sched.run_number);
}

SANITIZE_OWNER_DATA_END
