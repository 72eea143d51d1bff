/* SPDX-License-Identifier: Apache-2.0
 * sched.h - what the rooms above may know of the scheduler: waiting and waking.
 *
 * The park/unpark protocol, the only one in weft. A goroutine that must wait
 *   1. takes its waiter (waiter_self),
 *   2. publishes it where its waker will look (a word, a list, a timer),
 *   3. calls waiter_wait, which switches to another goroutine.
 * From 2 on exactly one waker may take the waiter out again, and calls waiter_wake. He need not wait
 * until the goroutine has left its processor: it may be queued and picked while it is still
 * switching out, and pickers look at on_cpu (park.c).
 * Where two may try to wake (a timer and a partner), the waiter is armed with a new generation
 * before it is published, and only he may wake it who wins waiter_claim with that generation.
 * Waiters are type-stable: a late waker with an old generation finds a waiter, and loses. */
#ifndef WEFT_SCHED_SCHED_H
#define WEFT_SCHED_SCHED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/go.h>
#include <weft/here.h>

#include "alloc/slab.h"
#include "alloc/spares.h"
#include "arch/assert.h"
#include "arch/atomic.h"

struct g;
struct p;

/* Why a goroutine waits. */
enum wait_reason {
    WAIT_NONE,
    WAIT_SLEEP,
    WAIT_WAITGROUP,
    WAIT_GATE,
    WAIT_CHAN_RECV,
    WAIT_CHAN_SEND,
    WAIT_CHAN_RECV_NIL,
    WAIT_CHAN_SEND_NIL,
    WAIT_SELECT,
    WAIT_SELECT_NONE,
    WAIT_MUTEX_LOCK,
    WAIT_RWMUTEX_RLOCK,
    WAIT_RWMUTEX_LOCK,
    WAIT_COND,
    WAIT_SEM,
    WAIT_SELECT_UNTIL, /* with a deadline */
    WAIT_REASONS,
    WAIT_REASON = (1 << 6) - 1,
    WAIT_TOLD = 1 << 6, /* beside the reason: see partial.c */
    WAIT_SEEN = 1 << 7, /* likewise: age.c */
};

/* Owner: the one whose waiter it is until published, then whoever takes it out. */
struct waiter {
    _Atomic(uint64_t) word; /* generation << 3 | two bits of the chan room | armed */
    struct g *g;            /* NULL: a foreign thread, which waits on the futex */
    union {
        struct waiter *next; /* link of the list that it is published in */
        void *elem;          /* in a channel: from or to where the element goes */
    };
    void *object; /* what it waits for, and how a run that ends takes the dead out of it */
    void (*unlink)(void *object);
    uint32_t name;             /* see waiter_by_name; never changes */
    _Atomic(uint32_t) futex;   /* foreign: see foreign_wake() */
    _Atomic(uint32_t) holders; /* of one from waiter_get: who must still let go, see waiter_drop */
    uint16_t result;           /* what the waker tells */
    bool cancellable;          /* waking it needs a claim; else taking it out was enough */
    _Atomic(uint8_t)
        reason; /* enum wait_reason, of one that is parked; perhaps WAIT_SEEN, WAIT_TOLD */
};

/* The waiter of this goroutine or foreign thread. Fatal on a foreign thread without memory. */
struct waiter *waiter_self(void);

/* A waiter beside that one, for a wait that others may still look at when it is over; NULL without
 * memory. Put back by its last owner: the one who waited, or the list that it was left in. */
struct waiter *waiter_get(void);
void waiter_put(struct waiter *w);

/* One that was left in a list when its wait was over has two holders, the list and the one who waited:
 * the second to drop it puts it back. */
void waiter_drop(struct waiter *w);

/* What the rooms above keep in a record from waiter_get, and only there. Type-stable like the record. */
struct waiter_extra {
    _Atomic(uint64_t) link; /* the channel room's; the rest likewise, see chan/wait.h */
    uint64_t token;
    void *other_elem;
    uint32_t primary, index, other_index;
    uint32_t chain, won;
    _Atomic(uint32_t) life;
    _Atomic(uint64_t) watching;
};

/* Caches of objects of the rooms above, one each in every P and foreign thread. */
enum sched_cache {
    SCHED_CACHE_WAITERS,
    SCHED_CACHE_TIMERS,
    SCHED_CACHE_TIMED,
    SCHED_CACHE_FUNCS,
    SCHED_CACHE_CONTEXTS,
    SCHED_CACHE_CONTEXT_LEAVES,
    SCHED_CACHES
};
void sched_set_cache_class(enum sched_cache which, struct slab_class *class);

/* That of the P that the caller holds, or of the foreign thread; NULL without memory. Not across a park. */
struct slab_cache *sched_cache(enum sched_cache which);

/* What could end the wait of a goroutine that is parked, while nobody runs; defined by the rooms whose waits these are. By w and its
 * reason: the channels that could, each given to add() with what it takes of memory; false: something else could, too. And the Once
 * that it waits for, which ends it when its function ends; NULL: it waits for another object. */
bool chan_waits_for(struct waiter *w, enum wait_reason reason,
                    void (*add)(const void *chan, size_t bytes, void *arg), void *arg);
const void *once_waits_for(const struct waiter *w);

/* Whether goroutines are looked for that wait for what can't be reached (partial.c). */
bool sched_looks_for_partial(void);

/* For a waiter.unlink whose object holds others: whether one of these is still there, and not in a stack that goes with
 * the run. */
bool sched_outlives_run(const void *object);

/* Which run is on, or the number of none: no two runs have the same. */
uint64_t sched_run_number(void);

/* Start a goroutine, behind those that can run: for those who start several that shall run in that order, and
 * by who holds a P, also on the scheduler's stack. 0 or -ENOMEM. */
int sched_go_in_order(weft_fn fn, void *arg);

/* weft_go_with on behalf of who called the caller: it is he who created it. */
int sched_go_called(const void *caller, const weft_go_options *options, weft_fn fn, void *arg);

/* As sched_go_in_order, by who holds none of the run, an orphan too: weft_go would end that one. Also -ESRCH: no run is on. */
int sched_go_without_p(weft_fn fn, void *arg);

SANITIZE_OWNER_DATA_BEGIN

/* A name fits where a pointer doesn't: an object can keep its first waiter and a count in one word. 0 is
 * no waiter. */
static inline uint32_t waiter_name(const struct waiter *w)
{
    return w ? w->name : 0;
}
#define WAITER_NAMES_MAX ((UINT32_C(1) << 28) - 1)
#define WAITER_CHUNK_BITS 16
#define WAITER_CHUNK_SIZE (UINT32_C(1) << WAITER_CHUNK_BITS)
extern _Atomic(struct waiter **) waiter_chunks[] __attribute__((visibility("hidden")));

/* name: not 0. */
static inline struct waiter *waiter_named(uint32_t name)
{
    struct waiter **chunk = atomic_load_acquire(&waiter_chunks[name >> WAITER_CHUNK_BITS]);
    return chunk[name % WAITER_CHUNK_SIZE];
}

static inline struct waiter *waiter_by_name(uint32_t name)
{
    return name ? waiter_named(name) : NULL;
}

/* Of one from waiter_get. */
static inline struct waiter_extra *waiter_extra(struct waiter *w)
{
    return (struct waiter_extra *)(w + 1);
}

/* Whether it is a goroutine's or a foreign thread's one own, and not from waiter_get. One whose goroutine a
 * run that ended has left behind is neither; nobody may touch it. */
static inline bool waiter_is_own(struct waiter *w)
{
    return atomic_load_relaxed(&w->holders) == 0;
}

/* Whether its wait is over already, by a deadline or the end of a run: it is to be dropped. */
static inline bool waiter_is_dead(struct waiter *w)
{
    return w->cancellable && !(atomic_load_acquire(&w->word) & 1);
}

/* On a foreign thread: true when woken, false when the deadline passed first. */
bool waiter_wait_foreign_until(struct waiter *w, int64_t deadline);

/* Park until woken; w->result. */
uint16_t waiter_wait(struct waiter *w, enum wait_reason reason);

/* The same with the own waiter of the goroutine that runs on m (sched_m_unasked). */
struct sched_m;
uint16_t waiter_wait_here(struct sched_m *m, enum wait_reason reason);

/* The same by one who has a lock, lets go of it as he parks, and wants it again when he has been woken. A lock's word is 1 while
 * nobody waits for it: then it stays so if the goroutine that runs here next has been woken from such a wait for the
 * same one, who finds WAITER_HAS_LOCK in his result. Else unlock(lock). w is a goroutine's own. */
#define WAITER_HAS_LOCK UINT16_C(0x8000)
uint16_t waiter_wait_unlocking(struct waiter *w, enum wait_reason reason, _Atomic(uint64_t) *lock,
                               void (*unlock)(_Atomic(uint64_t) *lock));

/* Make its owner runnable; if that is a goroutine, by who holds the run. The last touch of w by this waker. */
void waiter_wake(struct waiter *w);

/* The same, of a goroutine, by one that runs on m (sched_m_unasked). */
void waiter_wake_here(struct waiter *w, struct sched_m *m);

/* A new generation, to be won by waiter_claim. Before publishing. */
static inline uint64_t waiter_arm(struct waiter *w)
{
    uint64_t token = (atomic_load_relaxed(&w->word) | 7) + 2;
    atomic_store_relaxed(&w->word, token);
    return token;
}

/* Whether this waker is the one: at most one claim of a generation succeeds. */
static inline bool waiter_claim(struct waiter *w, uint64_t token)
{
    uint64_t expected = token;
    return atomic_cas_acq_rel(&w->word, &expected, token & ~UINT64_C(1));
}

/* For its owner, who doesn't wait after all and has shown the token to nobody: an armed word means something to the
 * channel room. */
static inline void waiter_disarm(struct waiter *w, uint64_t token)
{
    bool armed = waiter_claim(w, token);
    WEFT_ASSERT(armed);
    w->cancellable = false;
}

/* Append g to the tail of this processor's queue, or inject it: used where several become runnable
 * at once and shall run in that order. */
void waiter_wake_in_order(struct waiter *w);

/* Whether to look a moment longer may be better than to park: this goroutine keeps nobody from running, and others
 * run. False on a foreign thread. */
bool sched_may_spin_here(void);

/* A goroutine that others wait for does more of the same: now and then it gives way. Nothing on a foreign thread. */
void sched_go_on_for_now(void);

/* Whether this goroutine's run has ended without it: waiting ends its thread. */
bool sched_is_orphan(void);

/* The goroutine that runs here, or NULL on a foreign thread and in blocking sections. */
bool sched_on_goroutine(void);

/* Have fn called about every ten seconds while a run is on, on the thread that called weft_run: give memory
 * back that nobody has used since. Whether there may be more to give at the next call. */
void sched_set_trim(bool (*fn)(void));

/* What the time room keeps in a P. */
struct sched_timer_slot {
    _Atomic(void *) timers;    /* the time room's */
    _Atomic(int64_t) earliest; /* deadline of the first timer in the wheel, OS_FOREVER: none */
    _Atomic(int64_t) loose;    /* the same of those that aren't in it */
};

/* What the channel room keeps for a goroutine from one wait to the next: see chan/watch.h. */
struct sched_watch {
    struct waiter *record; /* NULL, or to be let go of by its unlink(record) */
    const void *seen;
};

/* What the fail room keeps for each goroutine and foreign thread. */
struct weft_deferred;
struct sched_panic;
struct sched_flow {
    struct weft_deferred *deferred; /* newest first */
    struct sched_panic *panics;     /* whose deferred calls are running, the newest first */
    uint32_t exits;                 /* calls of weft_goexit */
};

/* The first members of an M, of a G and of a P, for inline functions of other rooms. */
struct sched_m {
    struct sched_g *g;       /* runs now; NULL on the scheduler's stack and in a blocking section */
    struct sched_p *p;       /* NULL: idle or blocking */
    _Atomic(uint32_t) asked; /* from here on a struct weft_here */
    uint32_t place;
    struct weft_row_ *row;
};
struct sched_g {
    char switched[64];
    struct g *next;
    struct waiter waiter;
    _Atomic(struct waiter *) waiting;
    struct m *locked_to;
    struct sched_flow flow;
    struct sched_watch watch;
};
struct sched_p {
    _Atomic(struct g *) next;
    _Atomic(uint32_t) picks_left, rounds, mode;
    uint32_t number, picks_put_off;
    _Atomic(uint16_t) thieves, taking;
    uint64_t id_next, id_end;
    struct slab_cache gs, caches[SCHED_CACHES];
    struct spares chans; /* runtime/chan's */
    _Atomic(int64_t) timers;
    _Alignas(CACHE_LINE) struct sched_timer_slot timer;
};

enum p_mode {
    P_SHARED,
    P_SOLO,   /* the only P of this run: nobody steals */
    P_ORPHAN, /* left to an orphan M; no part of any run */
};

/* This thread's M; NULL on a foreign thread. */
extern _Thread_local struct m *tls_m __attribute__((visibility("hidden")));

/* The number of the processor that is this goroutine's until it parks, by which other rooms may keep something for
 * each: below SCHED_NUMBERS, or that when so many have been given (to more Ps than there ever were at once only
 * after runs that left orphans behind). SCHED_NUMBERS too on a foreign thread and in a blocking section. */
#define SCHED_NUMBERS 1024u
static inline uint32_t sched_p_number(void)
{
    return weft_here_()->place_;
}

/* The sync room's, a row for each number, and how many numbers are given. They are here as the row of a P is known to its M. */
extern struct weft_row_ sched_rows[SCHED_NUMBERS] __attribute__((visibility("hidden")));
extern _Atomic(uint64_t) sched_tickets[16] __attribute__((visibility("hidden")));
extern _Atomic(uint32_t) sched_numbers __attribute__((visibility("hidden")));

/* The P of the run that is on which the caller holds, or NULL. Not across a park. */
static inline struct sched_p *sched_p_here(void)
{
    struct sched_m *m = (struct sched_m *)ARCH_TLS_LOAD(tls_m);
    struct sched_p *p = likely(m) ? m->p : NULL;
    return likely(p && atomic_load_relaxed(&p->mode) != P_ORPHAN) ? p : NULL;
}

/* The same for timers: an orphan that holds no run has those of its waits with the P that it was left with, where nobody fires
 * them. */
struct sched_p *sched_p_left(void);
static inline struct sched_p *sched_p_for_timers(void)
{
    struct sched_p *p = sched_p_here();
    return likely(p) ? p : sched_p_left();
}

/* As sched_cache(), by who knows his P, or that he has none. */
static inline struct slab_cache *sched_cache_at(struct sched_p *p, enum sched_cache which)
{
    return likely(p) ? &p->caches[which] : sched_cache(which);
}

enum run_hold {
    RUN_UNASKED, /* nothing is held */
    RUN_OURS,
    RUN_HELD,
    RUN_GONE /* none is on: goroutines that wait never run again. Held is that no run begins */
};
enum run_hold sched_hold_run_without_p(void);
void sched_release_run_without_p(enum run_hold hold);

/* While this is held the run isn't taken down, and its goroutines may be woken; or none begins. A thread that has a
 * processor of the run holds it anyway. Whatever was answered is to be released, and soon: weft_run waits for it at the
 * beginning and at the end of a run. */
static inline enum run_hold sched_hold_run_at(struct sched_p *p)
{
    return likely(p) ? RUN_OURS : sched_hold_run_without_p();
}

static inline enum run_hold sched_hold_run(void)
{
    return sched_hold_run_at(sched_p_here());
}

static inline void sched_release_run(enum run_hold hold)
{
    if (unlikely(hold > RUN_OURS))
        sched_release_run_without_p(hold);
}

/* The goroutine's watch becomes that, or NULL. It is let go of when the goroutine ends, and all else of struct sched_watch is forgotten. */
void sched_set_watch(struct sched_g *g, struct waiter *record);

/* Whether its goroutine shall let others run: sysmon wants it, as a time slice is used up, or the end of the run. */
static inline bool sched_is_asked(void)
{
    return unlikely(weft_is_asked_(weft_here_()));
}

/* Then this goroutine goes behind the others that can run. In every call that a program may make again and again without
 * ever waiting, where it holds nothing (no lock: the next to want it would block this thread) and has promised nothing; not in one that sets errno, whose address
 * code may keep that doesn't see weft's headers (docs/decisions.md). Nothing on a foreign thread. */
void sched_give_way(void);

static inline void sched_checkpoint(void)
{
    if (unlikely(sched_is_asked()))
        sched_give_way();
}

/* The caller's. Fatal on a foreign thread without memory. */
struct sched_flow *foreign_flow(void);
static inline struct sched_flow *sched_flow(void)
{
    struct sched_m *m = (struct sched_m *)ARCH_TLS_LOAD(tls_m);
    return likely(m && m->g) ? &m->g->flow : foreign_flow();
}

/* This goroutine's M, if nothing is asked of it and its run is on: what the short ways of operations begin with. NULL
 * on a foreign thread and in a blocking section too. Not across a park. */
static inline struct sched_m *sched_m_unasked(void)
{
    struct sched_m *m = (struct sched_m *)ARCH_TLS_LOAD(tls_m);
    if (unlikely(!m || !m->g || atomic_load_relaxed(&m->asked)))
        return NULL; /* an orphan has been asked to stop, for ever */
    return m;
}

/* A panic, in the frame that raises it. */
struct sched_panic {
    struct sched_panic *outer; /* in one of whose deferred calls this one was raised */
    void *exception;           /* of C++ code, which nobody caught; or NULL */
    void *caught;              /* the one that was being handled when that was thrown */
    char *trace;               /* malloc's: of frames that are left already; or NULL */
    bool told;                 /* what it is; else nobody can want to know */
    char message[256];
};

/* Raise it, or a copy that another flow of control has left behind. Defined by the fail room, as what follows. */
_Noreturn void sched_raise(struct sched_panic *panic);

/* The function of a record in the list of deferred calls that does nothing, but beyond which no panic is tried. */
void sched_untried(void *arg);

/* Within weft_blocking's function: which goroutine's flow called that, or NULL; and leave it, so that the panic is raised
 * in that goroutine. */
struct sched_flow *sched_section_flow(void);
_Noreturn void sched_leave_section(struct sched_panic *panic);

/* What may wake goroutines from outside the program, as a signal does: added (+) and gone (-). While there is
 * some, goroutines that all wait are no deadlock. Any thread, any time. */
void sched_outside(int delta);

/* End this goroutine; its deferred calls have run. */
_Noreturn void sched_exit(void);

/* The end of the process, status 2. "fatal error: TEXT" and below it every goroutine, the caller's first
 * (report.c). To stderr, or in one piece to config.on_fatal. */
_Noreturn void sched_fatal(const char *text);

/* The same with a text of one's own, which ends with a newline. The caller's frames are told from the one on that a call returns to
 * at `from`; or `trace` instead, if it isn't NULL. */
_Noreturn void sched_die(const char *text, const char *trace, uintptr_t from);

/* The text of this goroutine, or of all with this one first, from the frame on that a call returns to at `from`. Bytes
 * written; what doesn't fit is cut off, and '\0' follows. */
size_t sched_stack_text(char *buf, size_t n, bool all, uintptr_t from);

/* Traces, which the fail room makes. These are no hooks that it installs but names that the linker finds: a fault may
 * need them at any time. What is taken are addresses; what is given are lines, one a call of out. */
struct arch_context;
struct os_fault;
struct sched_trace;

/* dies: for the one thread that ends the process. Else NULL while another thread has the other one. */
struct sched_trace *sched_trace_begin(bool dies);
void sched_trace_end(struct sched_trace *t);

/* Lines of the source are told, too, where they are known. Takes memory and much stack: not in a signal's handler. */
void sched_trace_sources(struct sched_trace *t);

/* The frames that a fault interrupted, innermost first, in its handler; those of the caller, beginning with the one that a
 * call returns to at `from`; those of what has stopped; or just that one. */
void sched_trace_fault(struct sched_trace *t, const struct os_fault *fault);
void sched_trace_here(struct sched_trace *t, uintptr_t from);
void sched_trace_stopped(struct sched_trace *t, const struct arch_context *stopped);
void sched_trace_at(struct sched_trace *t, uintptr_t pc);

void sched_trace_give(struct sched_trace *t, void (*out)(const char *text));

/* "created by F in goroutine N", without the latter if id is 0. */
void sched_trace_give_origin(struct sched_trace *t, uintptr_t pc, uint64_t id,
                             void (*out)(const char *text));

/* fn(arg); false: it has faulted. */
bool sched_trace_guard(struct sched_trace *t, void (*fn)(void *arg), void *arg);

/* In the handler of a fault, an abort, or a limit: doesn't return if that was in one of these calls. */
void sched_trace_faulted(void);

/* Whether the trace of who dies may have left the heap's lock behind, or the loader's, held by this thread. */
bool sched_trace_left_locks(void);

/* Timers, which live above the scheduler: what it needs from them. Installed by the time room. */
struct sched_timer_ops {
    /* Fire what is due on p; wakes goroutines with waiter_wake_in_order. */
    void (*run_due)(struct p *p);
    /* The run has ended: forget all timers of p. */
    void (*drop_all)(struct p *p);
};
void sched_set_timer_ops(const struct sched_timer_ops *ops);

/* On a thread without a P, which holds the run: some P's slot. */
struct sched_timer_slot *sched_timer_slot_any(void);

/* A timer nearer than before was armed by the caller: see to it that somebody watches it. */
void sched_timer_armed(void);

void sched_timer_count_without_p(int delta);

/* Count timers armed (+) and gone (-), for weft_stats. */
static inline void sched_timer_count(struct sched_p *p, int delta)
{
    if (likely(p))
        atomic_store_relaxed(&p->timers, atomic_load_relaxed(&p->timers) + delta);
    else
        sched_timer_count_without_p(delta);
}

SANITIZE_OWNER_DATA_END

#endif
