/* SPDX-License-Identifier: Apache-2.0
 * end.c - the end of a run against an M in a blocking section: the section ends just when the run's end has
 * lost patience. Either the M is back in time, and leaves; or it is an orphan, touches nothing of the run
 * any more, and is taken in, with what it left, when it is gone.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * bug: an M may be an orphan before it has let its P go | runtime/sched/blocking.c | s/m_moves(m, M_RUNNING, M_ENTERING)/m_moves(m, M_RUNNING, M_CALLING)/
 * bug: the run's end looks at the state and then sets it | runtime/sched/end.c | /^static bool make_orphan/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: an orphan is buried before it is gone | runtime/sched/end.c | s/== M_GONE)/>= M_ORPHAN)/ */
#include "model.h"

int snprintf(char *text, size_t n, const char *format, ...);

#include "runtime/sched/blocking.c"
#include "runtime/sched/end.c"
#include "runtime/sched/m.c"

struct sched sched;
_Thread_local struct m *tls_m; /* model_m stands for it */

static struct p p;
static struct g g;
static struct blocking_call call;
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

void os_thread_name(const char *name)
{
    (void)name;
}

int os_thread_slack(int ns)
{
    return ns;
}

void os_thread_detach(os_thread thread)
{
    (void)thread;
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

void sysmon_poke(void) {}
void qsbr_register(void) {}
void qsbr_unregister(void) {}
void qsbr_offline(void) {}
void qsbr_online(void) {}

/* The idle bit, which is all of idle.c that matters here. */
static _Atomic(uint32_t) p_idle;

void m_drop_p(struct m *dropper)
{
    dropper->p = NULL;
    REQUIRE(atomic_swap_acq_rel(&p_idle, 1) == 0);
}

bool m_take_p(struct m *taker, struct p *prefer)
{
    if (!atomic_swap_acq_rel(&p_idle, 0))
        return false;
    taker->p = prefer;
    return true;
}

bool m_give_p_away(struct m *giver)
{
    m_drop_p(giver);
    return false;
}

void idle_wake_all(void) {}
void os_yield(void) {}

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

void stack_unmap(struct stack *s)
{
    (void)s;
}

/* ---- the M: it runs one goroutine, which enters a section, and looks for the next ---- */

struct g *find_runnable(struct m *here)
{
    if (atomic_load_relaxed(&g.on_cpu) == 0) {
        atomic_store_relaxed(&g.on_cpu, 1);
        return &g;
    }
    AWAIT(m_is_orphan(here) || (atomic_load_acquire(&sched.word) & WORD_STOP));
    return NULL;
}

void sched_run_g(struct m *here, struct g *to)
{
    here->p->id_next++; /* plain: a P with two holders is a race */
    here->call = to->id++ == 0 ? &call : NULL;
}

static void *section(void *arg)
{
    return arg;
}

static void *thread(void *arg)
{
    model_m = &m;
    m_thread(arg);
    atomic_store_release(&thread_ended, 1);
    return NULL;
}

int main(void)
{
    sched.procs = 1;
    sched.ps[0] = &p;
    call = (struct blocking_call){.fn = section, .g = &g};
    m.p = &p;
    atomic_store_relaxed(&m.state, M_RUNNING);
    atomic_store_relaxed(&sched.ms[0], &m);
    atomic_store_relaxed(&sched.ms_made, 1);
    atomic_store_relaxed(&sched.threads, 1);
    atomic_store_relaxed(&g.state, G_BLOCKING);
    pthread_t t = go(thread, &m);
    atomic_or_acq_rel(&sched.word, WORD_STOP);
    do /* await_ms() */
        AWAIT(atomic_load_acquire(&m.state) > M_ENTERING);
    while (settle_ms(1) == 1);
    if (sched.ps[0] == &p)
        p.id_next = 10; /* it is the next run's */
    if (sched.orphans) {
        bury_orphans(); /* at the end of this run, if it is gone */
        AWAIT(!sched.orphans || atomic_load_acquire(&m.state) == M_GONE);
        bury_orphans(); /* or at the end of a later one */
    }
    REQUIRE(atomic_load_relaxed(&m.state) == M_FREE);
    m.call = NULL; /* as m_init() for another thread */
    m.p = NULL;
    m.sightings_made = 1;
    join(t);
    return 0;
}
