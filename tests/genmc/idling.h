/* SPDX-License-Identifier: Apache-2.0
 * idling.h - Ms that look for work, idle and are woken: idle.c, find.c, injection.c and deque.c, over stubs
 * of the rest. Time passes by TICK_NS at each look at the clock, on each thread for itself, so who was
 * woken spins for one more round.
 *
 * A driver ends when all the work it waits for has been found: an M that sleeps from then on is gone. Until
 * then one that sleeps though it should not is an error, as nothing moves any more.
 *
 * With IDLING_SYSMON the driver has sysmon.c, too, with IDLING_PROCS procs.c.
 *
 * The bound: by the letter of C11 an M may go on seeing an old value for ever, and try again each
 * time. An execution is given up where one would yield: drivers set ROUNDS_BEFORE_YIELD, of idle.c, low. */
#ifndef WEFT_TESTS_GENMC_IDLING_H
#define WEFT_TESTS_GENMC_IDLING_H

#include "fence.h"

#include "runtime/sched/deque.c"
#include "runtime/sched/find.c"
#include "runtime/sched/idle.c"
#include "runtime/sched/injection.c"

#define TICK_NS 100000
#define GIVEN_UP 1000
#define PS 3
#define MS 3

struct sched sched;
_Thread_local struct m *tls_m; /* model_m stands for it */

static struct p p[PS];
static struct m ms[MS];
static struct sighting sightings[MS][PS];
static unsigned victims[PS][PS];

static _Atomic(uint32_t) found; /* goroutines that were */
static _Atomic(uint32_t) started;

static int64_t nearest_timer;

static bool all_found(void);

/* ---- what idle.c and find.c need of their neighbours ---- */

int64_t os_now(void)
{
    static _Thread_local int64_t now;
    return now += TICK_NS;
}

void os_yield(void)
{
    atomic_add_relaxed(&found, GIVEN_UP);
    pthread_exit(NULL);
}

int os_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t deadline)
{
    if (deadline <= nearest_timer) { /* asleep towards it: it is found, too */
        atomic_add_relaxed(&found, 1);
        pthread_exit(NULL);
    }
    AWAIT(atomic_load_acquire(word) != expected || all_found());
    if (atomic_load_relaxed(word) == expected)
        pthread_exit(NULL);
    return 0;
}

void os_futex_wake(_Atomic(uint32_t) *word, int n)
{
    (void)word, (void)n;
}

void topology_unbind(struct m *m)
{
    (void)m;
}

void alloc_bind(struct alloc_arena *arena)
{
    (void)arena;
}

void topology_bind(struct m *m, struct p *here)
{
    (void)m, (void)here;
}

#ifndef IDLING_PROCS
bool p_is_retiring(struct p *here)
{
    (void)here;
    return false; /* maxprocs doesn't change */
}
#endif

#ifndef IDLING_SYSMON
void sysmon_poke(void) {}

bool sysmon_looks_before(int64_t time)
{
    (void)time;
    return false;
}
#endif
void qsbr_offline(void) {}
void qsbr_online(void) {}
void qsbr_quiescent(void) {}

/* The last M, whose thread is there but waits for this (spare_m), can be started once; then there are no
 * more threads to be had. */
int m_start(struct p *here, bool spinning, struct p *waker)
{
    struct m *m = &ms[MS - 1];
    if (atomic_load_acquire(&started))
        return -ENOMEM;
    m->p = here;
    m->spinning = spinning;
    m->hunting = waker != NULL;
    m->waker = waker;
    atomic_store_release(&started, 1);
    return 0;
}

/* ---- Ms ---- */

/* Plain: a P with two holders is a race. */
static void hold_p(struct m *m)
{
    REQUIRE(m->p != NULL);
    m->p->id_next++;
}

/* m runs g; each one does once. */
static void ran(struct m *m, struct g *g)
{
    hold_p(m);
    REQUIRE(g->id == 1 && g->arg != m); /* plain: what was written before is seen */
    g->id = 2;
    atomic_add_acq_rel(&found, 1);
}

static void *m_thread(void *arg)
{
    struct m *m = arg;
    model_m = m;
    while (!all_found()) {
        struct g *g = find_runnable(m);
        REQUIRE(g != NULL);
        ran(m, g);
    }
    return NULL;
}

static void *spare_m(void *arg)
{
    AWAIT(atomic_load_acquire(&started) || all_found());
    return atomic_load_acquire(&started) ? m_thread(arg) : NULL;
}

/* An M that has just found nothing. */
static void *m_thread_idles(void *arg)
{
    model_m = arg;
    m_drop_p(arg);
    return m_thread(arg);
}

static void retire(struct deque_array *a)
{
    alloc_free(a);
}

/* A run of that many Ps. All are held, nobody spins. */
static void idling_init(unsigned procs)
{
    atomic_store_relaxed(&sched.procs, procs);
    atomic_store_relaxed(&sched.ps_made, procs);
    sched.spin_allowed = true;
    sched.cpus = 0; /* but nobody starts to by himself */
    for (unsigned i = 0; i < procs; i++) {
        sched.ps[i] = &p[i];
        p[i].index = i;
        p[i].rng = 1;
        atomic_store_relaxed(&p[i].mode, procs == 1 ? P_SOLO : P_SHARED);
        p[i].victims = victims[i];
        for (unsigned j = 0; j < procs - 1; j++)
            victims[i][j] = (i + 1 + j) % procs;
        for (unsigned tier = 0; tier < 4; tier++)
            p[i].tier_end[tier] = procs - 1;
        atomic_store_relaxed(&p[i].timer.earliest, OS_FOREVER);
        atomic_store_relaxed(&p[i].timer.loose, OS_FOREVER);
        atomic_store_relaxed(&p[i].picks_left, SLOW_PICK_EVERY);
        deque_init(&p[i].runq, retire);
    }
    for (unsigned i = 0; i < MS; i++) {
        ms[i].index = i;
        ms[i].sightings = sightings[i];
        ms[i].sightings_made = PS;
        atomic_store_relaxed(&ms[i].state, M_RUNNING);
        atomic_store_relaxed(&sched.ms[i], &ms[i]);
    }
    atomic_store_relaxed(&sched.ms_made, MS);
    atomic_store_relaxed(&sched.watch_deadline, OS_FOREVER);
}

#endif
