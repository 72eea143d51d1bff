/* SPDX-License-Identifier: Apache-2.0
 * ending.h - an M and the end of its run: blocking.c, end.c and m.c, over stubs of the rest. The M runs one
 * goroutine, whose body() is the driver's, and looks for the next. */
#ifndef WEFT_TESTS_GENMC_ENDING_H
#define WEFT_TESTS_GENMC_ENDING_H

#include "model.h"

#define snprintf(...) 0

#include "runtime/sched/blocking.c"
#include "runtime/sched/end.c"
#include "runtime/sched/m.c"

struct sched sched;
_Thread_local struct m *tls_m; /* model_m stands for it */
__thread const struct weft_here *weft_here_now;
const struct weft_here sched_nowhere;

static struct p p;
static struct g g;
static struct {
    uintptr_t frame;
    char top[1];
} stack;
static struct m m;
static int error;
static _Atomic(uint32_t) thread_ended;

/* ---- what these need of their neighbours ---- */

int64_t os_now(void)
{
    return 0;
}

void os_futex_wake(_Atomic(uint32_t) *word, int n)
{
    (void)word, (void)n;
}

int *os_errno_location(void)
{
    return &error;
}

struct os_exceptions *os_exceptions_here(void)
{
    return NULL;
}

void os_thread_name(const char *name)
{
    (void)name;
}

void os_thread_set_slack(int ns)
{
    (void)ns;
}

os_thread os_thread_self(void)
{
    return pthread_self();
}

void os_thread_detach(os_thread thread)
{
    (void)thread;
}

int os_thread_id(void)
{
    return 1;
}

bool os_thread_try_join(os_thread thread)
{
    (void)thread;
    return atomic_load_acquire(&thread_ended);
}

void os_thread_join(os_thread thread)
{
    (void)thread;
    AWAIT(atomic_load_acquire(&thread_ended));
}

void alloc_bind(struct alloc_arena *arena)
{
    (void)arena;
}

void topology_bind(struct m *bound, struct p *here)
{
    (void)bound, (void)here;
}

void topology_unbind(struct m *bound)
{
    (void)bound;
}

void os_probe_admit(void) {}

bool sched_looks_for_partial(void)
{
    return false;
}

void os_signal_stack_enter(struct os_signal_stack *s)
{
    (void)s;
}

void os_signal_stack_leave(struct os_signal_stack *s)
{
    (void)s;
}

void sysmon_poke(void) {}

uint64_t sched_run_number(void)
{
    return atomic_load_relaxed(&sched.run_number);
}

void qsbr_register(void) {}
void qsbr_unregister(void) {}
void qsbr_offline(void) {}
void qsbr_online(void) {}

/* What idle.c does that matters here. */
static _Atomic(uint32_t) idle; /* as counted in sched.word */

void section_open(struct m *enters)
{
    struct p *let_go = enters->p;
    enters->p = NULL;
    atomic_add_acq_rel(&idle, 1);
    atomic_store_release(&let_go->section, enters->index + 1);
}

bool section_close(struct m *returns, struct p *was)
{
    uint32_t mine = returns->index + 1;
    if (!atomic_cas_acq_rel(&was->section, &mine, 0))
        return false;
    returns->p = was;
    atomic_sub_acq_rel(&idle, 1);
    return true;
}

bool p_left_wanted(struct p *let_go)
{
    (void)let_go;
    return false;
}

bool m_take_p(struct m *taker, struct p *prefer)
{
    (void)taker, (void)prefer;
    return false;
}

void idle_wake_all(void) {}
void os_yield(void) {}

void os_write_stderr(const char *text)
{
    (void)text;
}

bool foreign_enter(void)
{
    return false;
}

void foreign_exit(void) {}

void sched_inject(struct g *injected)
{
    (void)injected;
    REQUIRE(false);
}

void g_end_watch(struct g *ended)
{
    (void)ended;
}

void stack_unmap(struct stack *s)
{
    (void)s;
}

/* ---- the M: it runs one goroutine, which enters a section, and looks for the next ---- */

struct g *find_runnable(struct m *here)
{
    if (atomic_load_relaxed(&g.on_cpu) == 0) {
        atomic_store_relaxed(&g.on_cpu, ON_CPU);
        return &g;
    }
    AWAIT(m_is_orphan(here) || (atomic_load_acquire(&sched.word) & WORD_STOP));
    return NULL;
}

/* From the goroutine's stack for good. */
_Noreturn void sched_abandon(void)
{
    struct m *here = m_self();
    here->g = NULL;
    arch_jump(&here->ctx, here);
}

void sched_switch_to_loop(struct m *here, struct g *from, struct g *prev)
{
    (void)here, (void)from, (void)prev;
    sched_abandon();
}

static void *section(void *arg)
{
    return arg;
}

static void body(void *arg);

void sched_run_g(struct m *here, struct g *to)
{
    here->g = to;
    arch_context_init(&to->ctx, stack.top, body);
    arch_switch(&here->ctx, &to->ctx, here);
}

static void *thread(void *arg)
{
    model_m = &m;
    m_thread(arg);
    atomic_store_release(&thread_ended, 1);
    return NULL;
}

/* A run with one P and the M that holds it; where its goroutine is said to be. */
static void run_of_one(enum g_state state)
{
    atomic_store_relaxed(&sched.procs, 1);
    atomic_store_relaxed(&sched.ps_made, 1);
    sched.ps[0] = &p;
    m.p = &p;
    atomic_store_relaxed(&m.state, M_RUNNING);
    atomic_store_relaxed(&sched.ms[0], &m);
    atomic_store_relaxed(&sched.ms_made, 1);
    atomic_store_relaxed(&sched.threads, 1);
    atomic_store_relaxed(&g.state, state);
}

#endif
