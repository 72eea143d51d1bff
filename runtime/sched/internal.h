/* SPDX-License-Identifier: Apache-2.0
 * internal.h - G, M, P and the runtime object. For runtime/sched/ only.
 *
 *   G  a goroutine.   M  a thread of the runtime.   P  the right to run goroutines, with their queue,
 *   caches and timers. An M runs goroutines while it holds a P.
 *
 *   FREE --weft_go--> RUNNABLE --pick--> RUNNING --return--> FREE
 *                        ^  ^              |  |
 *                        |  '----yield-----'  '--waiter_wait--> PARKED
 *                        '------------------waiter_wake------------'
 * Owner: RUNNABLE the queue that holds it; RUNNING its M; PARKED whoever may take its waiter. The state
 * word keeps only what a report can't tell otherwise (G_FREE, and G_PARKED from waiter_wait until the
 * goroutine runs on); RUNNING is on_cpu, the rest RUNNABLE.
 *
 * on_cpu is a second, shorter state: set by the M that starts to run a G, cleared by whatever runs
 * next on that M, once the stack is no longer in use. A G can be RUNNABLE and in a queue while on_cpu
 * is still set; who picks it then puts it back. Nobody waits for on_cpu while his own is set: two Ms
 * that each park one goroutine and pick the other's would wait for ever. */
#ifndef WEFT_SCHED_INTERNAL_H
#define WEFT_SCHED_INTERNAL_H

#include <weft/go.h>

#include "alloc/alloc.h"
#include "alloc/slab.h"
#include "alloc/stack.h"
#include "arch/os.h"
#include "arch/sanitize.h"
#include "runtime/sched/deque.h"
#include "runtime/sched/sched.h"

/* Picks between two looks at what is not on the hot path: injection, timers, the far end of `next`'s
 * privilege, a quiescent state. Go's number. */
#define SLOW_PICK_EVERY 61

#define PROCS_MAX 1024
#define THREADS_MAX 10000 /* Go's default */
#define ID_BLOCK 256
#define NAME_BYTES 32
#define INLINE_ARG_BYTES 64
#define STEAL_NEXT_AFTER_NS 20000
#define STACK_BYTES_DEFAULT ((size_t)64 << 10)
#define STACK_BYTES_MIN ((size_t)16 << 10)
#define STACK_BYTES_MAX ((size_t)1 << 30)

enum g_state {
    G_FREE,
    G_ALIVE, /* runnable or running */
    G_PARKED,
    G_BLOCKING,
};

/* g.flags */
#define G_EXITING 1u /* to be reaped by the next that runs on its M */
#define G_COPY 2u    /* arg is weft_go_copy's own allocation */
#define G_NAMED 4u

/* The first line is all that starting, switching and ending touch; the second is for waiting. Of what
 * follows goroutines that need it pay for it: a fresh descriptor has it in its initial state. */
struct g {
    struct arch_context ctx; /* and, while free, the depot's links */
    _Atomic(uint32_t) on_cpu;
    _Atomic(uint8_t) state;
    uint8_t flags;
    uint16_t fp_control; /* inherited at weft_go */
    struct stack *stack; /* NULL until it first runs */
    weft_fn fn;
    void *arg;
    uint64_t id;

    struct g *next; /* in the injection stack */
    struct waiter waiter;

    struct waiter *waiting; /* what it is parked with, if not its own waiter */
    struct weft_deferred *deferred;
    struct sanitize_fiber fiber;
    char name[NAME_BYTES]; /* if G_NAMED */
    _Alignas(16) char inline_arg[INLINE_ARG_BYTES];
};

_Static_assert(sizeof(struct depot_node) <= offsetof(struct g, on_cpu),
               "what the depot writes must not touch what late wakers and pickers read");
_Static_assert(offsetof(struct g, next) == CACHE_LINE, "the first line is full");
_Static_assert(offsetof(struct g, waiting) == 2 * CACHE_LINE, "and so is the second");

/* When a thief saw which goroutine in a P's `next`. */
struct sighting {
    struct g *g;
    uint32_t tick;
    int64_t at;
};

struct p {
    /* Written by the holder at every switch. */
    _Alignas(CACHE_LINE) _Atomic(struct g *) next; /* thieves may take it, by CAS */
    _Atomic(uint32_t) tick;                        /* picks so far; thieves read it */
    _Atomic(uint32_t) slow_tick;                   /* the next slow pick comes at this tick */
    _Atomic(uint32_t) mode;                        /* enum p_mode */
    uint32_t wake_skip; /* pushes to let pass before looking at the clock again */
    uint64_t id_next, id_end;
    struct slab_cache gs, waiters;
    struct stack_cache stacks;

    /* Counters: written by the holder, read by weft_stats_read. */
    _Alignas(CACHE_LINE) _Atomic(uint64_t) started;
    _Atomic(uint64_t) ended, parks, unparks, steals, wakes;
    _Atomic(int64_t) timers;
    int64_t last_wake;              /* the holder's */
    uint32_t queue_first_tick;      /* likewise: when the queue last went before `next` */
    _Atomic(uint32_t) wake_backoff; /* grows while those who were woken find nothing */

    struct deque runq;

    _Alignas(CACHE_LINE) struct sched_timer_slot timer;
    unsigned index;
    struct p *next_spare;
    struct alloc_arena arena;
    _Atomic(struct m *) last_m; /* who held it last: the best to wake for it */
    uint64_t rng;
    unsigned *victims;    /* other Ps, nearest first */
    unsigned tier_end[4]; /* where each tier of victims ends */
};

/*   RUNNING --weft_blocking--> CALLING --fn returned--> RUNNING --out of its loop--> LEFT
 *      '------------the run goes on without it----------> ORPHAN --out of its loop--> GONE
 * Each step is a CAS: the M and the end of the run agree on which came first. An M that finds itself an
 * orphan touches nothing of the run any more. */
enum m_state { M_RUNNING, M_CALLING, M_LEFT, M_ORPHAN, M_GONE };

enum p_mode {
    P_SHARED,
    P_SOLO,   /* the only P of this run: nobody steals */
    P_ORPHAN, /* left to an orphan M; no part of any run */
};

struct m {
    struct g *g;             /* runs now; NULL on the scheduler's stack and in a blocking section */
    struct p *p;             /* NULL: idle or blocking */
    struct g *prev;          /* was switched away from, not yet cleared by who runs next */
    struct arch_context ctx; /* the scheduler's flow of control, on the thread's own stack */
    int *errno_location;
    uint16_t fp_control; /* as who switched last left it: what is in force now */
    struct sanitize_fiber fiber;

    struct blocking_call
        *call; /* a goroutine asks the scheduler's stack to run this (blocking.c) */

    bool spinning; /* counted in sched.word */
    bool hunting;  /* woken by waker, has found nothing yet */
    struct p *waker;
    uint32_t spin_score; /* of 256: how often spinning paid lately */
    uint32_t spins_skipped;
    int64_t stole_at;    /* when it last stole; 0: that has been judged */
    int64_t pause_until; /* leaves other Ps' queues alone until then: stealing doesn't pay */
    int64_t pause_ns;
    int64_t wake_lag; /* by how much timed sleeps end late, ns, smoothed */

    _Atomic(uint32_t) park; /* futex: 1 when handed something */
    struct p *handed;       /* the P that comes with it; NULL: only look around */
    unsigned index;         /* in sched.ms */
    os_thread thread;
    _Atomic(uint32_t) state;                 /* enum m_state */
    struct g *orphan_g;                      /* what an orphan ran */
    struct p *orphan_p;                      /* and the P that it holds, if any */
    _Atomic(struct blocking_call *) calling; /* in a blocking section */
    int bound;                               /* which binding set it is bound to: see topology.c */
    struct sighting *sightings;              /* of Ps' `next`, by index */
};

/* The wake-up word: how many Ps are idle and how many Ms spin, and whether the run ends. */
#define WORD_IDLE_ONE UINT64_C(1)
#define WORD_IDLE_MASK UINT64_C(0xffff)
#define WORD_SPIN_ONE (UINT64_C(1) << 16)
#define WORD_SPIN_MASK (UINT64_C(0xffff) << 16)
#define WORD_STOP (UINT64_C(1) << 32)

enum run_state { RUN_NONE, RUN_STARTING, RUN_ON, RUN_STOPPING };

struct sched {
    _Alignas(CACHE_LINE) _Atomic(uint64_t) word;
    _Atomic(uint64_t) idle_ps[PROCS_MAX / 64];

    _Alignas(CACHE_LINE) _Atomic(struct g *) injected; /* newest first */
    _Alignas(CACHE_LINE) _Atomic(int64_t)
        watch_deadline; /* till when an idle M sleeps for timers */

    _Alignas(CACHE_LINE) _Atomic(uint32_t) state; /* enum run_state */
    _Atomic(uint32_t) foreign_calls;              /* foreign threads inside the scheduler */
    _Atomic(uint64_t) ids;                        /* blocks of goroutine ids handed out */
    _Atomic(uint64_t) idle_ms[(THREADS_MAX + 63) / 64];
    _Atomic(unsigned) ms_made;     /* slots of ms in use */
    _Atomic(unsigned) threads;     /* Ms that have not left */
    _Atomic(uint32_t) leave_futex; /* moves when an M leaves */
    _Atomic(uint64_t) in_blocking;
    _Atomic(uint64_t) foreign_started, foreign_unparks;
    _Atomic(struct m *) ms[THREADS_MAX];

    unsigned procs;
    unsigned cpus; /* CPUs that the process may use */
    double quota;  /* of CPUs, by the cgroup; 0: none */
    bool quota_read;
    bool spin_allowed;
    struct p *ps[PROCS_MAX]; /* made once, kept for later runs */
    struct slab_class g_class;
    struct stack_class stack_class;
    struct stack *main_stack; /* kept between runs */
    struct sched_timer_ops timer_ops;
    weft_config config;
    unsigned orphans;   /* Ms of earlier runs that never left */
    struct p *spare_ps; /* Ps that orphans have left behind */
    struct g *main_g;   /* NULL once it has ended */
    bool main_gone;     /* it called weft_goexit */
};

extern struct sched sched;

SANITIZE_OWNER_DATA_BEGIN

/* This thread's M; NULL on a foreign thread. */
extern _Thread_local struct m *tls_m __attribute__((visibility("hidden")));

static inline struct m *m_self(void)
{
    return ARCH_TLS_LOAD(tls_m);
}

static inline bool m_is_orphan(struct m *m)
{
    return atomic_load_acquire(&m->state) >= M_ORPHAN;
}

/* A counter that only the holder of its P writes. */
#define counter_add(c, n) atomic_store_relaxed((c), atomic_load_relaxed(c) + (n))
/* The same for one that must not be seen before what led to it. */
#define counter_add_release(c, n) atomic_store_release((c), atomic_load_relaxed(c) + (n))

/* injection.c */
void injection_push(struct g *g);
void injection_take(struct p *p);
void sched_inject(struct g *g);

/* park.c */
void g_prepare(struct g *g);
void sched_run_g(struct m *m, struct g *g); /* from the scheduler's stack; back when it gave way */
void sched_switch_to_loop(struct m *m, struct g *from, struct g *prev);
_Noreturn void sched_goroutine_entry(void *arg);
_Noreturn void sched_abandon(void);

/* go.c */
int g_carved(void *object); /* a descriptor's first and last initialisation */
struct g *g_new(struct p *p, weft_fn fn,
                void *arg); /* p NULL: by way of the foreign thread's cache */

/* Back to the P's cache. Its stack is gone already. */
static inline __attribute__((always_inline)) void g_free(struct p *p, struct g *g)
{
    if (unlikely(g->flags & G_COPY))
        alloc_free(g->arg);
    atomic_store_relaxed(&g->state, G_FREE);
    slab_put(&sched.g_class, &p->gs, g);
}

/* find.c */
struct g *find_runnable(struct m *m); /* on the scheduler's stack; NULL: the run ends */
bool work_visible(struct m *m);
bool work_queued(void);
int64_t timers_earliest(void);

/* idle.c */
void wake_slow(struct p *p);
void wake_one(struct p *waker, struct p *prefer);
bool m_idle(struct m *m); /* sleep until there is a P to hold; false: the run ends */
bool m_take_p(struct m *m, struct p *prefer);
void m_drop_p(struct m *m);
void m_start_spinning(struct m *m);
void m_stop_spinning(struct m *m);
void m_hunt_ended(struct m *m, bool paid);
bool p_is_idle(struct p *p);
void idle_wake_all(void);
void watcher_ensure(struct m *m);
void idle_reset(unsigned procs); /* at the start of a run: all Ps but the first are idle */

/* m.c */
int m_start(struct p *p, bool spinning, struct p *waker); /* a new thread that holds p */
void m_loop(struct m *m);
struct m *m_alloc(void);
void m_dealloc(struct m *m);
void m_free(struct m *m); /* one that m_start made */

/* blocking.c */
struct blocking_call {
    void *(*fn)(void *);
    void *arg;
    void *result;
    int error; /* errno as fn left it */
    struct g *g;
};
void m_run_call(struct m *m);

/* run.c */
struct p *p_new(unsigned index);
void p_reset(struct p *p);
void set_stack_bytes(size_t bytes); /* the default size; cached stacks of another one go */

/* end.c */
void run_main_returned(void);
int join_ms(void); /* all Ms have left or are orphans; -ETIMEDOUT: one of those computes */
void take_down(void);

/* stats.c */
uint64_t sched_alive(void); /* goroutines */

/* topology.c */
int topology_load(const char *description);
int topology_survey(void);
void topology_layout(unsigned procs, bool pin);
unsigned topology_cpus(void);
void topology_bind(struct m *m, struct p *p);
void topology_unbind(struct m *m);

/* qsbr.c */
void qsbr_register(void);
void qsbr_unregister(void);
void qsbr_online(void);
void qsbr_offline(void);
void qsbr_quiescent(void);
void qsbr_retire(struct deque_array *outgrown);
void qsbr_settle(
    void); /* the run has ended: free what was retired, if no orphan may be reading it */

/* sysmon.c */
void sysmon_start(void);
void sysmon_stop(void);  /* it is at no M any more, unless one that is being started */
void sysmon_reset(void); /* all Ms have left: stopped, and may be started again */
void sysmon_poke(void);  /* the runtime isn't idle any more */

/* foreign.c */
bool foreign_enter(void); /* true: a run is on and won't end before foreign_exit */
void foreign_exit(void);
void foreign_shut(void); /* no more enter; those inside have left */
struct g *foreign_g(void);
void foreign_g_free(struct g *g);
struct waiter *foreign_waiter(void);
void foreign_wait(struct waiter *w);
void foreign_wake(struct waiter *w);
struct weft_deferred **foreign_deferred(void);
struct slab_cache *foreign_waiters(void);

/* waiter.c */
int waiter_register(struct waiter *w); /* 0 or -ENOMEM */
void waiter_kill(struct waiter *w);
void waiters_flush(struct slab_cache *cache);

SANITIZE_OWNER_DATA_END

#endif
