/* SPDX-License-Identifier: Apache-2.0
 * objects.h - G, M, P and the runtime object: what each is, and who owns it. For runtime/sched/ only.
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
 * that each park one goroutine and pick the other's would wait for ever. One that is locked to its M has
 * ON_CPU_LOCKED instead of 0, so that who looks at on_cpu needs to look at nothing else (lock.c). */
#ifndef WEFT_SCHED_OBJECTS_H
#define WEFT_SCHED_OBJECTS_H

#include <weft/go.h>

#include "alloc/alloc.h"
#include "alloc/slab.h"
#include "alloc/stack.h"
#include "arch/exception.h"
#include "arch/leave.h"
#include "arch/os.h"
#include "arch/sanitize.h"
#include "arch/signal.h"
#include "runtime/sched/deque.h"
#include "runtime/sched/fresh.h"
#include "runtime/sched/sched.h"
#include "weft-config.h"

/* Picks between two looks at what is not on the hot path: injection, timers, the far end of `next`'s
 * privilege, a quiescent state. Go's number. */
#define SLOW_PICK_EVERY 61

#define PROCS_MAX 1024
#ifdef WEFT_TEST_BUILD
#define THREADS_MAX 512
#else
#define THREADS_MAX 16384 /* more than in Go (10000), so that as many functions can block at once */
#endif
#define ID_BLOCK 256
#define GO_ON_TIMES 128
#define GO_ON_NS 1000000
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
    G_LOST, /* an orphan's that was parked: for a moment at the end of a run */
};

/* g.flags */
#define G_EXITING 1u /* to be reaped by the next that runs on its M */
#define G_COPY 2u    /* arg is weft_go_copy's own allocation */
#define G_NAMED 4u
#define G_MAIN 8u      /* goroutine 1: the run ends with it */
#define G_LOCKED 16u   /* only locked_to may run it */
#define G_LOCALS 32u   /* has values under keys (local.c) */
#define G_WATCHES 64u  /* has had a watch, or noted what it might watch */
#define G_RELOCKS 128u /* parked by waiter_wait_unlocking() */

/* g.on_cpu */
#define ON_CPU 1u
#define ON_CPU_LOCKED 2u

/* The first line is all that starting, switching and ending touch; the second is for waiting. Of what
 * follows goroutines that need it pay for it: a fresh descriptor has it in its initial state. */
struct g {
    union {
        struct arch_context ctx;   /* and, while free, the depot's links */
        struct stack_origin began; /* until it has a stack, which has it then */
    };
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

    _Atomic(struct waiter *) waiting; /* what it is parked with, if not its own waiter */
    struct m *locked_to;
    struct sched_flow flow;
    struct sched_watch watch;
    struct locals *locals;
    _Atomic(int64_t) parked_since; /* at the latest; if its reason has WAIT_SEEN: see age.c */
    struct sanitize_fiber fiber;
    char name[NAME_BYTES]; /* if G_NAMED */
    _Alignas(16) char inline_arg[INLINE_ARG_BYTES];
};

_Static_assert(sizeof(struct depot_node) <= offsetof(struct g, on_cpu),
               "what the depot writes must not touch what late wakers and pickers read");
_Static_assert(offsetof(struct g, next) == CACHE_LINE, "the first line is full");
_Static_assert(offsetof(struct g, waiting) == 2 * CACHE_LINE, "and so is the second");

/* What it is parked with. */
static inline struct waiter *g_waits_with(struct g *g)
{
    struct waiter *other = atomic_load_relaxed(&g->waiting);
    return other ? other : &g->waiter;
}

/* How long a goroutine has had a P; sysmon's. See stall.c. */
struct stall {
    uint64_t picks;    /* p_picks() then */
    int64_t since;     /* it was asked to give way; 0: it hasn't been */
    int64_t report_at; /* for the next time */
};

/* When a thief saw which goroutine in a P's `next`. */
struct sighting {
    struct g *g;
    uint64_t picks; /* p_picks() then */
    int64_t at;
};

struct p {
    /* Written by the holder at every switch. */
    _Alignas(CACHE_LINE) _Atomic(struct g *) next; /* thieves may take it, by CAS */
    _Atomic(uint32_t) picks_left;                  /* till the next slow pick */
    _Atomic(uint32_t) rounds;                      /* slow picks so far */
    _Atomic(uint32_t) mode;                        /* enum p_mode */
    uint32_t number;                               /* see sched_p_number() */
    uint32_t picks_put_off;    /* what was left when a slow pick was called for early */
    _Atomic(uint16_t) thieves; /* who would take `next`: see runq.h */
    _Atomic(uint16_t) taking;  /* the holder does */
    uint64_t id_next, id_end;
    struct slab_cache gs;
    struct slab_cache caches[SCHED_CACHES];
    struct spares chans;
    _Atomic(int64_t) timers; /* a counter, as those below */

    _Alignas(CACHE_LINE) struct sched_timer_slot timer; /* read by all */

    _Alignas(CACHE_LINE) struct stack_cache stacks; /* the holder's */

    /* Counters: written by the holder, read by weft_stats_read. */
    _Alignas(CACHE_LINE) _Atomic(uint64_t) started;
    _Atomic(uint64_t) ended, parks, unparks, steals, wakes;
    int64_t last_wake;  /* the holder's */
    uint32_t wake_skip; /* likewise: pushes to let pass before looking at the clock again */
    _Atomic(uint32_t) wake_backoff; /* grows while those who were woken find nothing */
    _Atomic(uint32_t) section;      /* see blocking.c */

    struct deque runq;
    struct fresh fresh;

    _Alignas(CACHE_LINE) unsigned index;
    struct p *next_spare;
    _Atomic(uint32_t) life; /* enum p_life */
    uint64_t seen_picks;    /* sysmon's */
    int64_t seen_cpu;       /* of its M's thread then; -1: not looked at */
    struct stall stall;
    struct alloc_arena arena;
    _Atomic(struct m *) last_m; /* who held it last: the best to wake for it */
    struct weft_row_ *row;      /* of its number; NULL: none is used */
    uint64_t rng;
    unsigned *victims;    /* other Ps, nearest first */
    unsigned tier_end[4]; /* where each tier of victims ends */
};

/*   FREE --m_new--> RUNNING --weft_blocking--> CALLING --fn returned--> RUNNING --out of its loop--> LEFT
 *                      '------------the run goes on without it----------> ORPHAN --out of its loop--> GONE
 * Each step is a CAS: the M and the end of the run agree on which came first. LEFT and GONE become FREE at
 * the end of a run. An M that finds itself an orphan touches nothing of the run any more. Descriptors of Ms
 * are never freed, so who walks over sched.ms needs no lock. */
enum m_state { M_FREE, M_RUNNING, M_CALLING, M_LEFT, M_JOINING, M_ORPHAN, M_GONE };

/* m.asked */
#define ASKED_TO_STOP 1u
#define ASKED_TO_YIELD 2u
#define ASKED_TO_SHARE 4u /* its P, see procs.c */
#define ASKED_TO_WAIT 8u  /* for a report to be done, see freeze.c */

/* m.park */
#define M_HANDED 1u
#define M_TOLD_TO_STOP 2u /* one that waits for its locked goroutine */

/* Where maxprocs stands between it and its work: see procs.c. */
enum p_life { P_ACTIVE, P_RETIRING, P_RETIRED };

struct m {
    struct g *g;             /* runs now; NULL on the scheduler's stack and in a blocking section */
    struct p *p;             /* NULL: idle or blocking */
    _Atomic(uint32_t) asked; /* by others, to do at its goroutine's next weft call: ASKED_... */
    uint32_t place;          /* p's number, SCHED_NUMBERS without one */
    struct weft_row_ *row;   /* p's, or NULL */
    struct g *prev;          /* was switched away from, not yet cleared by who runs next */
    struct arch_context ctx; /* the scheduler's flow of control, on the thread's own stack */
    int *errno_location;
    struct os_exceptions *exceptions; /* the thread's; without a C++ runtime one that stays zero */
    uint16_t fp_control;              /* as who switched last left it: what is in force now */
    struct sanitize_fiber fiber;

    uint32_t gone_on; /* how often since gone_on_picks: see sched_go_on_for_now() */
    uint64_t gone_on_picks;
    int64_t gone_on_since;

    struct g *refused;   /* picked by a goroutine, but locked: its M's loop sees to it */
    struct g *gives_way; /* to others, those whose timers are due included: likewise */
    struct g *locked_g;  /* the only one that it may run */
    unsigned locks;      /* how often that has locked it */
    unsigned holds;      /* that its thread has taken while it had no P of a run: hold.c */
    bool ends;           /* its goroutine ended locked: so does the thread */

    bool spinning;  /* counted in sched.word */
    bool hunting;   /* woken by waker, has found nothing yet */
    bool to_watch;  /* woken to sleep towards a timer, not for work */
    bool for_timer; /* it has slept towards one, up to the kernel's lag */
    struct p *waker;
    uint32_t spin_score; /* of 256: how often spinning paid lately */
    uint32_t spins_skipped;
    int64_t stole_at;    /* when it last stole; 0: that has been judged */
    int64_t pause_until; /* leaves other Ps' queues alone until then: stealing doesn't pay */
    int64_t pause_ns;
    int64_t wake_lag; /* by how much timed sleeps end late, ns, smoothed */

    _Atomic(uint32_t) park; /* futex: M_HANDED when handed something */
    struct p *handed;       /* the P that comes with it; NULL: only look around */
    os_thread thread;
    _Atomic(int) thread_id;       /* the kernel's; 0: it hasn't begun */
    struct g *orphan_g;           /* what an orphan ran */
    struct p *orphan_p;           /* and the P that it holds, if any */
    uint64_t orphan_run;          /* of which run */
    _Atomic(struct g *) calling;  /* which goroutine, in a blocking section */
    struct sched_panic *raised;   /* in that, to be raised in its goroutine */
    int bound;                    /* which binding set it is bound to: see topology.c */
    char *stack_low, *stack_used; /* its thread's stack below m_loop(), or NULL: see partial.c */

    /* Kept when another thread starts with it; see m_init(). */
    _Atomic(uint32_t) state;    /* enum m_state */
    unsigned index;             /* in sched.ms */
    struct sighting *sightings; /* of Ps' `next`, by index */
    unsigned sightings_made;
    struct os_signal_stack signal_stack;
    struct leave_point section; /* out of the function of one, while it is called */
};

#define SCHED_SAME(a, b, member)                                                                   \
    _Static_assert(offsetof(struct a, member) == offsetof(struct b, member), "sched.h knows it")
SCHED_SAME(m, sched_m, g);
SCHED_SAME(m, sched_m, p);
SCHED_SAME(m, sched_m, asked);
SCHED_SAME(m, sched_m, place);
#define HERE_SAME(member)                                                                          \
    _Static_assert(offsetof(struct m, member) - offsetof(struct m, asked) ==                       \
                       offsetof(struct weft_here, member##_),                                      \
                   "a struct weft_here begins at asked")
HERE_SAME(place);
HERE_SAME(row);
SCHED_SAME(g, sched_g, waiter);
SCHED_SAME(g, sched_g, flow);
SCHED_SAME(g, sched_g, watch);
SCHED_SAME(p, sched_p, mode);
SCHED_SAME(p, sched_p, number);
SCHED_SAME(p, sched_p, caches);
SCHED_SAME(p, sched_p, timers);
SCHED_SAME(p, sched_p, timer);

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
    _Atomic(uint64_t) holds, releases[2];         /* see hold.c */
    _Atomic(uint64_t) ids;                        /* blocks of goroutine ids handed out */
    _Atomic(uint64_t) idle_ms[(THREADS_MAX + 63) / 64];
    _Atomic(unsigned) ms_made;     /* slots of ms that have an M, free or not */
    _Atomic(unsigned) threads;     /* Ms that have not left */
    _Atomic(int64_t) start_retry;  /* no thread was to be had: not again before this */
    _Atomic(uint32_t) leave_futex; /* moves when an M leaves */
    _Atomic(uint64_t) foreign_started, foreign_unparks;
    _Atomic(uint64_t)
        foreign_waits; /* threads that wait for ever; above 32 bits: how often one began to */
    _Atomic(int64_t) foreign_timers;
    _Atomic(uint64_t) run_number;  /* moves at the beginning and at the end of a run */
    _Atomic(uint64_t) other_wakes; /* by no P */
    _Atomic(struct m *) ms[THREADS_MAX];

    _Atomic(unsigned) procs;   /* as many run goroutines: maxprocs */
    _Atomic(unsigned) ps_made; /* of this run, those that maxprocs has retired included */
    unsigned cpus;             /* CPUs that the process may use */
    _Atomic(int) wanted_procs; /* for later runs; 0: not set */
    double quota;              /* of CPUs, by the cgroup; 0: none */
    bool quota_read;
    bool spin_allowed;
    int64_t stall_ns;        /* how long a goroutine may keep its P untold; 0: for ever (stall.c) */
    struct p *ps[PROCS_MAX]; /* made once, kept for later runs */
    struct slab_class g_class;
    struct slab_class *cache_classes[SCHED_CACHES];
    struct stack_class stack_class;
    struct stack *main_stack; /* kept between runs */
    struct sched_timer_ops timer_ops;
    weft_config config;
    unsigned orphans;        /* Ms of earlier runs that never left */
    struct p *spare_ps;      /* Ps that orphans have left behind */
    _Atomic(bool) main_gone; /* main called weft_goexit */
    _Atomic(int) outside;    /* see sched_outside */
    struct os_exceptions no_exceptions;
    const struct sched_layout *layout; /* keeps debugger.c in programs linked with the archive */
};

extern struct sched sched;

SANITIZE_OWNER_DATA_BEGIN

static inline unsigned ps_made(void)
{
    return atomic_load_acquire(&sched.ps_made); /* pairs with grow() in procs.c */
}

extern const struct weft_here sched_nowhere; /* for threads without an M */

/* This thread's M; NULL on a foreign thread. */
static inline struct m *m_self(void)
{
    return ARCH_TLS_LOAD(tls_m);
}

/* What inline functions of public headers see of it. */
static inline const struct weft_here *m_here(struct m *m)
{
    return (const struct weft_here *)&m->asked;
}

/* m, the calling thread's or one that hasn't begun, holds p from now on, or NULL: none. */
static inline void m_set_p(struct m *m, struct p *p)
{
    m->p = p;
    m->place = p ? p->number : SCHED_NUMBERS;
    m->row = p ? p->row : NULL;
}

/* The P that this thread holds, or NULL. */
static inline struct p *p_held(void)
{
    struct m *m = m_self();
    return likely(m) ? m->p : NULL;
}

static inline bool m_is_orphan(struct m *m)
{
    return atomic_load_acquire(&m->state) >= M_ORPHAN;
}

/* p is no part of any run any more: what its M still does is no business of those that may be on. Whoever finds this
 * where he would touch what is theirs goes no further (sched_abandon) or does as a foreign thread does. */
static inline bool p_is_orphan(struct p *p)
{
    return atomic_load_relaxed(&p->mode) == P_ORPHAN;
}

/* The P that this thread holds, if it is one of the run in progress. */
static inline struct p *p_self(void)
{
    struct p *p = p_held();
    return likely(p && !p_is_orphan(p)) ? p : NULL;
}

/* How many wait behind `next`. */
static inline uint64_t p_queued(const struct p *p)
{
    return deque_size(&p->runq) + fresh_size(&p->fresh);
}

/* Changes with each pick. */
static inline uint64_t p_picks(struct p *p)
{
    uint64_t left = atomic_load_acquire(&p->picks_left); /* pairs with round_begin() */
    return (uint64_t)atomic_load_relaxed(&p->rounds) << 32 | left;
}

/* The holder: let the next pick be a slow one, but for the queue's precedence, which comes when it would have come:
 * where everybody arms timers, or a goroutine is locked, each pick is a slow one, and `next` would starve. */
static inline void p_look_soon(struct p *p)
{
    uint32_t left = atomic_load_relaxed(&p->picks_left);
    if (left > 0)
        p->picks_put_off = left;
    atomic_store_relaxed(&p->picks_left, 0);
}

/* Ask whoever holds p, as far as is known. */
static inline void p_ask_holder(struct p *p, uint32_t what)
{
    struct m *m = atomic_load_acquire(&p->last_m);
    if (m)
        atomic_or_acq_rel(&m->asked, what);
}

/* The first of ID_BLOCK ids that are the caller's. */
static inline uint64_t ids_take(void)
{
    return atomic_add_relaxed(&sched.ids, ID_BLOCK) + 1;
}

/* A counter that only the holder of its P writes. */
#define counter_add(c, n) atomic_store_relaxed((c), atomic_load_relaxed(c) + (n))
/* The same for one that must not be seen before what led to it. */
#define counter_add_release(c, n) atomic_store_release((c), atomic_load_relaxed(c) + (n))

SANITIZE_OWNER_DATA_END

#endif
