/* SPDX-License-Identifier: Apache-2.0
 * sysmon.c - the thread that called weft_run looks after the others until main returns.
 *
 * It sees to it that no work waits beside an idle P: it is the backstop for what the wake-up limits of idle.c
 * pass over, a goroutine in the `next` of a P whose goroutine computes, or one queued during a wake
 * interval. It asks a goroutine that has had its P for SLICE_NS, while others wait, to give way at its
 * next weft call (m.asked), and if wanted tells of those that make none (stall.c). It gives the memory of
 * stacks, and of what other rooms keep, to the kernel when it was idle for TRIM_EVERY_NS, and notes who waits
 * since then (age.c). It finds deadlocks (deadlock.c, partial.c), and reports what SIGQUIT asks for.
 *
 * It looks every PERIOD_MIN_NS while Ps run, slows down to PERIOD_MAX_NS while it finds nothing, and
 * sleeps without a timeout once all Ps have been idle for a while and idle stacks have given up their
 * memory; whoever takes a P then wakes it.
 *
 * A program that does a little at each tick of a timer would have it run in between for longer than that takes, and wake-ups are
 * what such a program costs. So having slept it dozes as long as each look finds all Ps idle: it sleeps on at once, till a
 * moment after the next timer. Who takes a P shortly before doesn't wake it, and leaves it to that look to see that
 * somebody watches the timers after that (watcher_ensure): the ticks of a ticker cost two wake-ups each, one to run and this.
 *
 * Where work needs another M and no thread is to be had, it tries again with each look. As long as some M
 * holds a P that one will come to the work, later. If all are in blocking sections or wait for their locked
 * goroutines nobody will, but the shortage may pass or a section end; were it to last, goroutines could wait
 * for ever for a function that waits for one of them, so after PATIENCE_NS it is fatal, as in Go at once. */
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#define PERIOD_MIN_NS 1000000
#define PERIOD_MAX_NS 10000000
#define SLICE_NS 10000000       /* Go's */
#define SLICE_TIMERS_NS 1000000 /* when a timer is due */
#define QUIET_BEFORE_SLOWER 20
#define QUIET_BEFORE_SLEEP 10
#define DEADLOCK_MIN_NS INT64_C(10000000) /* till it is looked for again, twice as long each time */
#define DEADLOCK_MAX_NS INT64_C(5000000000)
#ifdef WEFT_TEST_BUILD
#define TRIM_EVERY_NS INT64_C(100000000)
#define PATIENCE_NS 200000000
#else
#define TRIM_EVERY_NS INT64_C(10000000000)
#define PATIENCE_NS 1000000000
#endif

struct monitor {
    struct m *eyes; /* never runs anything: remembers what was seen in `next` */
    unsigned quiet; /* looks in a row that found nothing */
    bool dozes;     /* it has slept, and found all idle since, but for one look */
    bool busy;      /* the last look didn't */
    int64_t period;
    int64_t trim_at;
    int64_t starves_at; /* when a shortage of threads becomes fatal; 0: there is none */
    bool trimmed;       /* there is nothing left to trim, and nobody has run since */
    int64_t look_in_ns; /* how soon to look for a deadlock again */
    uint64_t picks;     /* made when it last looked for one */
};

/* The futex too. */
static _Atomic(uint32_t) state;
enum { AWAKE, ASLEEP, STOP };

/* While it dozes: when it looks next. 0: that isn't known. */
static _Atomic(int64_t) looks_at;

static _Atomic(bool) quit; /* SIGQUIT has come */

typedef bool (*trim_fn)(void);

static _Atomic(trim_fn) trim_more;

void sched_set_trim(trim_fn fn)
{
    atomic_store_release(&trim_more, fn);
}

static void trim_if_due(struct monitor *mon, int64_t now)
{
    if (now < mon->trim_at)
        return;
    trim_fn trim = atomic_load_acquire(&trim_more);
    bool more = stack_trim(&sched.stack_class);
    mon->trimmed = !((trim && trim()) | more);
    age_pass(now);
    mon->trim_at = now + TRIM_EVERY_NS;
}

/* Whether some goroutine could run if p's gave way. */
static bool others_wait(struct p *p)
{
    return p_queued(p) || atomic_load_relaxed(&p->next) || atomic_load_relaxed(&sched.injected);
}

/* Ask the goroutine that p runs to give way, if it has run for long and others wait. Whether that may have
 * to be soon. The time is the thread's own, not what it spent waiting for a CPU. A P that was let go has another pick before it runs a goroutine again, but
 * for one that comes back from a blocking section: a loop of short ones is a slice like any other. */
static bool end_slice(struct p *p, bool timer_due, int64_t slice)
{
    uint64_t picks = p_picks(p);
    struct m *m = atomic_load_acquire(&p->last_m);
    if (!m || picks != p->seen_picks) {
        p->seen_picks = picks;
        p->seen_cpu = -1;
        return false;
    }
    bool wait = timer_due || others_wait(p);
    if (p_is_idle(p) || (p->seen_cpu >= 0 && !wait))
        return false;
    int64_t cpu = os_thread_cpu(atomic_load_relaxed(&m->thread_id));
    if (p->seen_cpu < 0)
        p->seen_cpu = cpu;
    else if (cpu - p->seen_cpu >= slice)
        p_ask_holder(p, ASKED_TO_YIELD);
    return wait;
}

/* Whether to look again soon. */
static bool look_at(struct p *p, bool timer_due, int64_t slice)
{
    if (atomic_load_relaxed(&p->life) == P_RETIRED)
        return false; /* its last M may be at another P */
    if (unlikely(sched.stall_ns))
        stall_look(p);
    return end_slice(p, timer_due, slice);
}

static bool all_idle(void)
{
    unsigned idle = atomic_load_acquire(&sched.word) & WORD_IDLE_MASK;
    for (unsigned i = 0, made = ps_made(); i < made; i++)
        if (p_is_retiring(sched.ps[i]))
            return false; /* it counts as idle, maybe */
    return idle >= atomic_load_relaxed(&sched.procs);
}

/* Ps that are to retire and were let go by their Ms first. */
static void retire_idle(void)
{
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        struct p *p = sched.ps[i];
        if (p_is_retiring(p) && p_take_if_idle(p) && !p_retire(p))
            p_release(p);
    }
}

/* Till when there is nothing to do if nobody takes a P. No M may sleep towards the earliest timer, for want of
 * threads. */
static int64_t next_duty(struct monitor *mon)
{
    int64_t trim = mon->trimmed ? OS_FOREVER : mon->trim_at, timer = timers_earliest();
    int64_t duty = partial_due() < trim ? partial_due() : trim;
    return timer < duty && timer < atomic_load_relaxed(&sched.watch_deadline) ? timer : duty;
}

/* The same while it dozes: a moment after the next timer. */
static int64_t doze_until(struct monitor *mon)
{
    int64_t duty = next_duty(mon), timer = timers_earliest(), now = os_now();
    if (timer >= OS_FOREVER - PERIOD_MIN_NS)
        return duty; /* there is none, or the last of all times */
    int64_t look = (timer < now ? now : timer) + PERIOD_MIN_NS;
    return look < duty ? look : duty;
}

bool sysmon_looks_before(int64_t time)
{
    int64_t at = atomic_load_relaxed(&looks_at);
    return at && at < time;
}

static void wake_up(struct monitor *mon)
{
    uint32_t asleep = ASLEEP;
    bool dozed = atomic_load_relaxed(&looks_at);
    atomic_store_relaxed(&looks_at, 0);
    if (!atomic_cas_acq_rel(&state, &asleep, AWAKE) || dozed)
        mon->trimmed = false; /* somebody runs, or has */
    atomic_fence_after_rmw(); /* [WATCH-2] who left his timers to the look that comes now, or we see them */
    mon->dozes = true;
    mon->quiet = 0;
    mon->period = PERIOD_MIN_NS;
}

/* Till when to sleep, at most `until`, if nobody takes a P before. */
static int64_t sleep_until(struct monitor *mon, int64_t until)
{
    if (deadlock_check() == DEADLOCK_NO)
        return until;
    uint64_t picks = sched_picks();
    if (picks != mon->picks) {
        mon->picks = picks;
        mon->look_in_ns = DEADLOCK_MIN_NS;
    }
    int64_t look = os_now() + mon->look_in_ns;
    if (mon->look_in_ns < DEADLOCK_MAX_NS)
        mon->look_in_ns *= 2;
    return look < until ? look : until;
}

/* All Ps are idle: sleep until one is taken. */
static void sleep_while_idle(struct monitor *mon)
{
    int64_t until = mon->dozes ? doze_until(mon) : next_duty(mon);
    uint32_t awake = AWAKE;
    atomic_store_relaxed(&looks_at, mon->dozes ? until : 0); /* before ASLEEP, see sysmon_poke() */
    if (!atomic_cas_acq_rel(&state, &awake, ASLEEP))
        return;
    atomic_fence_after_rmw(); /* [SYSMON-2] */
    if (all_idle() && !work_visible(mon->eyes) && !atomic_load_relaxed(&quit))
        os_futex_wait(&state, ASLEEP, sleep_until(mon, until));
    wake_up(mon);
}

/* Work waits beside an idle P. True: and nobody will come to it. */
static bool starves(void)
{
    return wake_one(NULL, NULL) && all_idle();
}

static void judge_shortage(struct monitor *mon, int64_t now, bool lasts)
{
    if (!lasts)
        mon->starves_at = 0;
    else if (!mon->starves_at)
        mon->starves_at = now + PATIENCE_NS;
    else if (now >= mon->starves_at)
        sched_fatal_of_all(
            "fatal error: no thread to be had for goroutines that wait beside a blocking section");
}

/* Where all Ps run goroutines nobody sleeps towards the next timer: then it is looked for. */
static int64_t look_again_at(const struct monitor *mon, int64_t now, unsigned idle)
{
    int64_t at = now + mon->period, timer = timers_earliest();
    if (idle || timer >= at)
        return at;
    return timer > now + PERIOD_MIN_NS ? timer : now + PERIOD_MIN_NS;
}

static void look(struct monitor *mon)
{
    int64_t now = os_now();
    unsigned idle = atomic_load_acquire(&sched.word) & WORD_IDLE_MASK;
    if (unlikely(atomic_load_relaxed(&quit)))
        sched_fatal_of_all("SIGQUIT: quit");
    trim_if_due(mon, now);
    partial_step(now);
    retire_idle();
    bool busy = !all_idle();
    mon->dozes &= !(busy && mon->busy);
    mon->busy = busy;
    if (!busy && ((mon->dozes && !work_visible(mon->eyes)) || ++mon->quiet > QUIET_BEFORE_SLEEP)) {
        sleep_while_idle(mon);
        return;
    }
    if (mon->dozes)
        watcher_ensure(NULL);
    bool slices = false, timer_due = timers_earliest() <= now;
    int64_t slice =
        timer_due && idle == 0 ? SLICE_TIMERS_NS : SLICE_NS; /* who is idle comes to it */
    for (unsigned i = 0, made = ps_made(); i < made; i++)
        slices |= look_at(sched.ps[i], timer_due, slice);
    bool waits = idle > 0 && work_visible(mon->eyes);
    judge_shortage(mon, now, waits && starves());
    if (waits || slices) {
        mon->quiet = 0;
        mon->period = PERIOD_MIN_NS;
    } else if (++mon->quiet % QUIET_BEFORE_SLOWER == 0) {
        mon->period = 2 * mon->period < PERIOD_MAX_NS ? 2 * mon->period : PERIOD_MAX_NS;
    }
    os_futex_wait(&state, AWAKE, look_again_at(mon, now, idle));
}

/* Until sysmon_stop(). */
void sysmon_watch(struct m *eyes)
{
    struct monitor mon = {.eyes = eyes, .period = PERIOD_MIN_NS, .look_in_ns = DEADLOCK_MIN_NS};
    mon.trim_at = os_now() + TRIM_EVERY_NS;
    while (atomic_load_acquire(&state) != STOP)
        look(&mon);
}

void sysmon_reset(void)
{
    atomic_store_relaxed(&looks_at, 0);
    atomic_store_release(&state, AWAKE);
}

void sysmon_stop(void)
{
    atomic_store_release(&state, STOP);
    os_futex_wake(&state, 1);
}

void sysmon_poke(void)
{
    atomic_fence_after_rmw(); /* [SYSMON-1] the caller has just taken a P */
    uint32_t asleep = ASLEEP;
    /* Acquire pairs with sleep_while_idle(): looks_at is of that sleep. */
    if (unlikely(atomic_load_acquire(&state) == ASLEEP) &&
        !(atomic_load_relaxed(&looks_at) && sysmon_looks_before(os_now() + 2 * PERIOD_MIN_NS)) &&
        atomic_cas_acq_rel(&state, &asleep, AWAKE))
        os_futex_wake(&state, 1);
}

/* Async-signal-safe. */
static void on_quit(void)
{
    uint32_t asleep = ASLEEP;
    atomic_store_relaxed(&quit, true);
    atomic_fence_full(); /* [SYSMON-1] */
    atomic_cas_acq_rel(&state, &asleep, AWAKE);
    os_futex_wake(&state, 1);
}

void quit_catch(void)
{
    atomic_store_relaxed(&quit, false);
    os_quit_catch(on_quit);
}

/* One that sysmon didn't get to comes again, as there is no run to report any more. */
void quit_release(void)
{
    os_quit_release();
    if (atomic_load_relaxed(&quit))
        os_quit();
}

SANITIZE_OWNER_DATA_END
