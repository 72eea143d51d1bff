/* SPDX-License-Identifier: Apache-2.0
 * internal.h - what the files of runtime/sched/ call of each other, by the file that has it. For runtime/sched/ only. */
#ifndef WEFT_SCHED_INTERNAL_H
#define WEFT_SCHED_INTERNAL_H

#include "runtime/sched/objects.h"

SANITIZE_OWNER_DATA_BEGIN

struct text;

/* injection.c */
void injection_push(struct g *g);
void injection_take(struct p *p);
void sched_inject(struct g *g);

/* hold.c */
bool foreign_enter(void); /* true: a run is on, and held until foreign_exit */
void foreign_exit(void);
void holds_begin_run(void);
void holds_end_run(void);
void holds_forget(void);

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

/* What g_new() gave is about to be queued. Up to here a run's end leaves it to who makes it, whose run that may be no more. */
static inline void g_is_to_run(struct g *g)
{
    atomic_store_relaxed(&g->state, G_ALIVE);
    sanitize_release(g);
}

void g_end_watch(struct g *g);

/* local.c */
void locals_destroy(void); /* the caller's values, as its goroutine or its foreign thread ends */
void locals_free(struct locals **t);

/* Its stack is gone already. */
static inline __attribute__((always_inline)) void g_free_to(struct slab_cache *gs, struct g *g)
{
    if (unlikely(g->flags & (G_COPY | G_LOCALS))) {
        if (g->flags & G_COPY)
            alloc_free(g->arg);
        locals_free(&g->locals);
    }
    atomic_store_relaxed(&g->state, G_FREE);
    slab_put(&sched.g_class, gs, g);
}

/* Back to the P's cache. */
static inline __attribute__((always_inline)) void g_free(struct p *p, struct g *g)
{
    g_free_to(&p->gs, g);
}

/* find.c */
struct g *find_runnable(struct m *m); /* on the scheduler's stack; NULL: the run ends */
struct g *runq_refuse(struct m *m, struct g *g);
struct g *runq_take_in_turn(struct p *p);
void runq_queue_fresh(struct p *p);
struct g *pick_slowly(struct m *m); /* on a goroutine's stack; NULL: use find_runnable */
bool work_visible(struct m *m);
bool work_queued(void);
int64_t timers_earliest(void);

/* idle.c */
void wake_slow(struct p *p);
int wake_one(struct p *waker, struct p *prefer); /* 0 or -errno: no thread is to be had */
bool m_idle(struct m *m); /* sleep until there is a P to hold; false: the run ends */
bool m_take_p(struct m *m, struct p *prefer);
void m_drop_p(struct m *m);
void m_hold(struct m *m, struct p *p);
bool p_left_wanted(struct p *p);
bool m_give_p_away(struct m *m);
void section_open(struct m *m);
bool section_close(struct m *m, struct p *p);
void m_start_spinning(struct m *m);
void m_stop_spinning(struct m *m);
void m_hunt_ended(struct m *m, bool paid);
bool p_is_idle(struct p *p);
bool p_take_if_idle(struct p *p);
void p_release(struct p *p); /* to be idle; a full fence is done then [WAKE-2] */
void idle_wake_all(void);
void watcher_ensure(struct m *m);
void idle_reset(unsigned procs); /* at the start of a run: all Ps but the first are idle */

/* procs.c */
bool p_is_retiring(struct p *p);
bool p_retire(struct p *p); /* by who holds it. True: it is gone; false: it is needed after all */
void p_share(struct p *p);  /* likewise: others will take from its queues */

/* lock.c */
void g_left_locked(struct m *m, struct g *g);
bool locked_wait(struct m *m);
void locked_hand_over(struct m *m, struct g *g);
void locked_stop(struct m *m);

/* m.c */
int m_start(struct p *p, bool spinning, struct p *waker); /* a new thread that holds p */
void m_loop(struct m *m);
struct m *m_alloc(void);
int m_reserve_sightings(struct m *m);
void m_dealloc(struct m *m);
void m_free(struct m *m); /* one that m_start made: its slot may be used again */
/* Make sure of one whose thread leaves. False: another has it, or (unless it shall wait) the thread hasn't ended. */
bool m_take_left(struct m *m, bool wait);

/* fault.c */
void bare_stack_left(const struct g *g);
void faults_catch(void);   /* from here on overflows are reported */
void faults_release(void); /* the handlers are again as the program had them */
void faults_expect(void);  /* the calling thread's come to us, whether a run is on or not */

/* run.c */
struct p *p_new(unsigned index);
void p_reset(struct p *p);
void sched_may_spin(unsigned procs);
int procs_outside_runs(int n);
void set_stack_bytes(size_t bytes); /* the default size; cached stacks of another one go */

/* end.c */
void run_main_returned(void);
int join_ms(void); /* all Ms have left or are orphans; -ETIMEDOUT: one of those computes */
void take_down(void);
bool g_is_orphans(struct g *g); /* its thread belongs to no run any more */
void orphan_unlink(struct g *g);
void tell_leaks(void); /* of the run that has ended */

/* child.c */
int child_prepare(void); /* 0 or -ENOMEM */

/* debugger.c: for debuggers. */
struct sched_layout {
    char name[32];
    uint32_t value; /* an offset, or what the constant of that name is */
    uint32_t bytes;
};
extern const struct sched_layout sched_debug_layout[];
extern struct sched *const sched_debug_root;
extern const char sched_debug_reasons[][32];
extern const uint32_t sched_debug_reason_count;

/* stats.c */
uint64_t sched_alive(void); /* goroutines */

/* topology.c */
int topology_load(const char *configured);
int topology_survey(void);
void topology_layout(unsigned procs, bool pin);
void topology_extend(unsigned from, unsigned to, bool pin);
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
void sysmon_reset(void);
void sysmon_watch(struct m *eyes); /* the caller of weft_run, until sysmon_stop() */
void sysmon_stop(void);
void sysmon_poke(void); /* the runtime isn't idle any more */
/* Whether it looks by itself before that time, and sees to it that somebody watches the timers. */
bool sysmon_looks_before(int64_t time);
void quit_catch(void); /* around sysmon_watch(): it reports when SIGQUIT comes */
void quit_release(void);

/* fatal.c: also in pieces. Between begin and end no other thread reports, and faults of this one come to
 * sched_trace_faulted(). Async-signal-safe. */
bool sched_is_dying(void);      /* some thread is reporting the end of the process */
bool sched_dies_here(void);     /* the calling thread is */
int traceback_set_up(void);     /* WEFT_TRACEBACK: 0 or -EINVAL, said on stderr */
bool traceback_wants_own(void); /* the trace of the goroutine that ends the process */
void sched_report_begin(void);
void sched_report(const char *text);
void sched_report_others(struct sched_trace *trace, const struct g *but); /* if they are wanted */
_Noreturn void sched_report_end(void);
_Noreturn void sched_fatal_of_all(const char *text); /* no goroutine's doing; TEXT, then all */

/* report.c */
void report_name(struct text *t, struct g *g); /* "goroutine 7 (worker)" */
void report_header_running(struct text *t, struct g *g);
void report_origin(struct sched_trace *trace, struct g *g, void (*out)(const char *text));
void report_others(struct sched_trace *trace, const struct g *but, void (*out)(const char *text));
void report_left(bool (*wanted)(struct g *g));
/* Those that are wanted, by who has begun the trace of the living. */
void report_some(struct sched_trace *trace, bool (*wanted)(struct g *g));

/* freeze.c */
void freeze(bool dies);
void thaw(bool dies);
bool freeze_is_on(void);
unsigned freeze_holds(void); /* how many Ms with a P wait till the freeze that is on is over */
void freeze_wait(void);

/* held.c: g is about to wait, or to leave its thread. */
void held_check(struct m *m, struct g *g);

/* age.c */
uint64_t g_parked_minutes(struct g *g);
void age_pass(int64_t now);

/* deadlock.c */
enum deadlock { DEADLOCK_NO, DEADLOCK_LATER };
uint64_t sched_picks(void);         /* another if any P has made one */
enum deadlock deadlock_check(void); /* doesn't return if there is one; LATER: ask again some time */
int threads_known(
    void); /* the caller of weft_run, the Ms, and the foreign threads that wait for ever */

/* partial.c */
int partial_set_up(void);       /* WEFT_DEADLOCK: 0 or -EINVAL, said on stderr */
void partial_step(int64_t now); /* sysmon, with each look */
/* When it wants the next step; OS_FOREVER: not before something has run. */
int64_t partial_due(void);

/* blocking.c: fn(arg) on the thread's own stack, m's goroutine g being the caller. */
void *m_call(struct m *m, struct g *g, void *(*fn)(void *), void *arg);

/* stall.c: around sysmon_watch() */
int stall_set_up(void); /* 0 or -EINVAL, said on stderr */
void stall_begin(void);
void stall_end(void);
void stall_look(struct p *p); /* sysmon, with each look, if sched.stall_ns is set */

/* foreign.c */
struct g *foreign_g(uint64_t *id); /* a free one, and its id. NULL without memory */
void foreign_g_free(struct g *g);
struct waiter *foreign_waiter(void);
void foreign_wait(struct waiter *w);
void foreign_wake(struct waiter *w);
struct slab_cache *foreign_cache(enum sched_cache which);
struct locals *foreign_locals(void);       /* NULL: none yet */
bool foreign_set_locals(struct locals *t); /* false: no memory */

/* waiter.c */
int waiter_register(struct waiter *w); /* 0 or -ENOMEM */
void waiter_kill(struct waiter *w);
void waiter_each_block(void (*fn)(const void *block, size_t bytes, void *arg), void *arg);

/* caches.c */
void caches_flush(struct slab_cache caches[SCHED_CACHES]);

/* What sched_cache() gives. */
static inline struct slab_cache *cache_here(enum sched_cache which)
{
    struct p *p = p_held();
    return likely(p) ? &p->caches[which] : foreign_cache(which);
}

SANITIZE_OWNER_DATA_END

#endif
