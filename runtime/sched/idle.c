/* SPDX-License-Identifier: Apache-2.0
 * idle.c - Ps without an M, Ms without a P, and how they find together again.
 *
 * sched.word counts idle Ps and spinning Ms. A push looks at it after a full fence [WAKE-1]; an M that
 * gives up sets its P's idle bit, does a full fence [WAKE-2], and looks at all queues again. So of a
 * push and a concurrent going-idle at least one sees the other, and no work waits beside an idle P.
 * A push wakes nobody while an M spins: that one looks at everything before it sleeps, and when it
 * finds work and was the last to spin it wakes the next (m_stop_spinning).
 *
 * An idle M stands in sched.idle_ms. Who clears its bit owns the wake-up: he fills in `handed` and
 * sets `park`. An M that wakes by itself (a timer) must clear its own bit first, and if that was
 * cleared already it waits for what it is about to be handed.
 *
 * sched.watch_deadline is the earliest deadline that some idle M sleeps towards. Who arms a nearer
 * timer and then goes on running goroutines wakes an M to watch it (watcher_ensure).
 *
 * Limits on waking: at most one wake-up per P in WAKE_INTERVAL_NS; and when those who were woken find
 * nothing to take, as when two goroutines just hand over to each other through `next`, the pushes
 * that are let pass double up to WAKE_BACKOFF_MAX. What a limit leaves behind sysmon finds. */
#include <errno.h>

#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#define WAKE_INTERVAL_NS 20000
#define WAKE_SKIP_MIN 16 /* pushes between two looks at the clock within an interval */
#define WAKE_BACKOFF_MAX 4096
#define ROUNDS_BEFORE_YIELD 16
#define WAKE_LAG_MAX_NS 100000
#define WAKE_LAG_MORE_NS 8000
#define WAKE_LAG_LESS_NS 1000
#define WATCH_MARGIN_NS 1000000 /* so long before a timer somebody must be woken to watch it */

/* ---- idle Ps ---- */

bool p_is_idle(struct p *p)
{
    return atomic_load_relaxed(&p->section) ||
           (atomic_load_relaxed(&sched.idle_ps[p->index / 64]) & (UINT64_C(1) << p->index % 64));
}

/* The count is raised before the bit (or p.section) is set and lowered after it is cleared, so it is never
 * below the number of idle Ps. */
void p_release(struct p *p)
{
    atomic_add_acq_rel(&sched.word, WORD_IDLE_ONE);
    atomic_or_acq_rel(&sched.idle_ps[p->index / 64], UINT64_C(1) << p->index % 64);
    atomic_fence_after_rmw(); /* [WAKE-2] */
}

static bool p_acquire_at(unsigned index)
{
    uint64_t bit = UINT64_C(1) << index % 64;
    if (!(atomic_load_relaxed(&sched.idle_ps[index / 64]) & bit) ||
        !(atomic_and_acq_rel(&sched.idle_ps[index / 64], ~bit) & bit))
        return false;
    atomic_sub_acq_rel(&sched.word, WORD_IDLE_ONE);
    return true;
}

/* The P of an M that is in a blocking section, which is to run on any CPU from now on. (The M may be coming
 * back and bind itself to another P meanwhile: then it stays unbound until it next changes its P.) */
static bool p_acquire_section(struct p *p)
{
    uint32_t owner = atomic_load_relaxed(&p->section);
    if (!owner || !atomic_cas_acq_rel(&p->section, &owner, 0))
        return false;
    atomic_sub_acq_rel(&sched.word, WORD_IDLE_ONE);
    topology_unbind(atomic_load_acquire(&sched.ms[owner - 1]));
    return true;
}

bool p_take_if_idle(struct p *p)
{
    return p_acquire_at(p->index) || p_acquire_section(p);
}

static struct p *p_acquire(struct p *prefer)
{
    if (prefer && p_take_if_idle(prefer))
        return prefer;
    for (unsigned i = 0; i < (ps_made() + 63) / 64; i++)
        for (uint64_t bits; (bits = atomic_load_relaxed(&sched.idle_ps[i]));)
            if (p_acquire_at(i * 64 + (unsigned)__builtin_ctzll(bits)))
                return sched.ps[i * 64 + (unsigned)__builtin_ctzll(bits)];
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        struct p *p = sched.ps[i];
        if (p && p_acquire_section(p)) /* NULL: gone with an orphan */
            return p;
    }
    return NULL;
}

/* m enters a blocking section, its P is to be had. A full fence must follow [WAKE-2]. */
void section_open(struct m *m)
{
    struct p *p = m->p;
    m_set_p(m, NULL);
    alloc_bind(NULL);
    atomic_add_acq_rel(&sched.word, WORD_IDLE_ONE);
    atomic_store_release(&p->section, m->index + 1); /* pairs with p_acquire_section() */
}

/* Back from it: false when somebody has taken the P. */
bool section_close(struct m *m, struct p *p)
{
    uint32_t mine = m->index + 1;
    if (!atomic_cas_acq_rel(&p->section, &mine, 0))
        return false;
    atomic_sub_acq_rel(&sched.word, WORD_IDLE_ONE);
    m_set_p(m, p);
    alloc_bind(&p->arena);
    sysmon_poke();
    return true;
}

void m_hold(struct m *m, struct p *p)
{
    m_set_p(m, p);
    atomic_store_relaxed(&p->last_m, m);
    alloc_bind(&p->arena);
    topology_bind(m, p);
    sysmon_poke();
}

bool m_take_p(struct m *m, struct p *prefer)
{
    struct p *p = p_acquire(prefer);
    if (!p)
        return false;
    if (unlikely(m_is_orphan(m))) { /* it is a P of a later run */
        p_release(p);
        sysmon_poke(); /* work may have come meanwhile */
        return false;
    }
    m_hold(m, p);
    return true;
}

void m_drop_p(struct m *m)
{
    struct p *p = m->p;
    m_set_p(m, NULL);
    alloc_bind(NULL);
    p_release(p);
}

void idle_reset(unsigned procs)
{
    for (unsigned i = 0; i < PROCS_MAX / 64; i++)
        atomic_store_relaxed(&sched.idle_ps[i], 0);
    for (unsigned i = 0; i < (THREADS_MAX + 63) / 64; i++)
        if (atomic_load_relaxed(&sched.idle_ms[i]))
            atomic_store_relaxed(&sched.idle_ms[i], 0);
    for (unsigned i = 1; i < procs; i++)
        atomic_or_acq_rel(&sched.idle_ps[i / 64], UINT64_C(1) << i % 64);
    atomic_store_relaxed(&sched.watch_deadline, OS_FOREVER);
    atomic_store_release(&sched.word, (procs - 1) * WORD_IDLE_ONE);
}

/* ---- spinning ---- */

void m_start_spinning(struct m *m)
{
    m->spinning = true;
    atomic_add_acq_rel(&sched.word, WORD_SPIN_ONE);
}

void m_stop_spinning(struct m *m)
{
    m->spinning = false;
    m->to_watch = false;
    uint64_t before = atomic_sub_acq_rel(&sched.word, WORD_SPIN_ONE);
    atomic_fence_after_rmw(); /* [WAKE-2] pushes relied on us to look */
    if ((before & WORD_SPIN_MASK) == WORD_SPIN_ONE && (before & WORD_IDLE_MASK) && work_visible(m))
        wake_one(m->p, NULL);
}

/* Somebody woke m to look for work; tell him whether it was worth it. */
void m_hunt_ended(struct m *m, bool paid)
{
    if (!m->hunting)
        return;
    m->hunting = false;
    if (!m->waker)
        return;
    uint32_t backoff = atomic_load_relaxed(&m->waker->wake_backoff);
    backoff = paid ? 0 : backoff < WAKE_BACKOFF_MAX / 2 ? 2 * backoff + 8 : WAKE_BACKOFF_MAX;
    atomic_store_relaxed(&m->waker->wake_backoff, backoff);
}

/* ---- idle Ms ---- */

static void idle_m_add(struct m *m)
{
    atomic_or_acq_rel(&sched.idle_ms[m->index / 64], UINT64_C(1) << m->index % 64);
}

/* True: the caller owns the wake-up of m (or m has withdrawn itself). */
static bool idle_m_remove(struct m *m)
{
    uint64_t bit = UINT64_C(1) << m->index % 64;
    return (atomic_load_relaxed(&sched.idle_ms[m->index / 64]) & bit) &&
           (atomic_and_acq_rel(&sched.idle_ms[m->index / 64], ~bit) & bit);
}

static struct m *idle_m_claim(struct m *prefer)
{
    if (prefer && idle_m_remove(prefer))
        return prefer;
    unsigned words = (atomic_load_acquire(&sched.ms_made) + 63) / 64;
    for (unsigned i = 0; i < words; i++) {
        /* Acquire pairs with idle_m_add: the slot of ms is filled in. */
        for (uint64_t bits; (bits = atomic_load_acquire(&sched.idle_ms[i]));) {
            struct m *m = atomic_load_acquire(&sched.ms[i * 64 + (unsigned)__builtin_ctzll(bits)]);
            if (idle_m_remove(m))
                return m;
        }
    }
    return NULL;
}

static void m_unpark(struct m *m, struct p *handed)
{
    m->handed = handed;
    atomic_store_release(&m->park, M_HANDED); /* pairs with the acquire in m_sleep() */
    os_futex_wake(&m->park, 1);
}

void idle_wake_all(void)
{
    for (struct m *m; (m = idle_m_claim(NULL));)
        m_unpark(m, NULL);
}

/* ---- waking ---- */

static int wake(struct p *waker, struct p *prefer, bool to_watch)
{
    struct p *p;
    for (unsigned rounds = 1;; rounds++) {
        if (rounds % ROUNDS_BEFORE_YIELD == 0)
            os_yield();
        uint64_t word = atomic_load_acquire(&sched.word);
        do {
            if (!(word & WORD_IDLE_MASK) || (word & (WORD_SPIN_MASK | WORD_STOP)))
                return 0;
        } while (!atomic_cas_acq_rel(&sched.word, &word, word + WORD_SPIN_ONE));
        p = p_acquire(prefer);
        if (p)
            break;
        /* Whoever pushed meanwhile relied on the spinner that we announced. */
        atomic_sub_acq_rel(&sched.word, WORD_SPIN_ONE);
        atomic_fence_after_rmw(); /* [WAKE-2] */
        if (!work_queued())
            return 0;
    }
    if (waker)
        counter_add(&waker->wakes, 1);
    else
        atomic_add_relaxed(&sched.other_wakes, 1);
    struct m *m = idle_m_claim(atomic_load_relaxed(&p->last_m));
    if (m) {
        m->spinning = true;
        m->hunting = true;
        m->to_watch = to_watch;
        m->waker = waker;
        m_unpark(m, p);
        return 0;
    }
    int rc = m_start(p, true, waker);
    if (rc == -EUSERS)
        sched_fatal("thread exhaustion: too many functions block");
    if (rc) {
        p_release(p); /* those who run will come to it; if nobody does, sysmon tries again */
        atomic_sub_acq_rel(&sched.word, WORD_SPIN_ONE);
        sysmon_poke();
    }
    return rc;
}

/* waker: who is told whether it was worth it, or NULL. prefer: the P that has the work, if it is idle.
 * 0 or -errno: no thread is to be had. */
int wake_one(struct p *waker, struct p *prefer)
{
    return wake(waker, prefer, false);
}

/* A push saw an idle P and nobody spinning. */
void wake_slow(struct p *p)
{
    if (unlikely(p_is_orphan(p)))
        return; /* those Ps are another run's */
    if (p->wake_skip > 0) {
        p->wake_skip--;
        return;
    }
    p->wake_skip = atomic_load_relaxed(&p->wake_backoff);
    int64_t now = os_now();
    if (now - p->last_wake < WAKE_INTERVAL_NS) {
        if (p->wake_skip < WAKE_SKIP_MIN)
            p->wake_skip = WAKE_SKIP_MIN;
        return;
    }
    p->last_wake = now;
    wake_one(p, NULL);
}

/* Before m (NULL: nobody) goes on with goroutines: somebody sleeps towards the earliest timer, or is awake to. */
void watcher_ensure(struct m *m)
{
    int64_t earliest = timers_earliest();
    if (likely(earliest == OS_FOREVER))
        return;
    atomic_fence_full(); /* [WATCH-1] */
    if (earliest < atomic_load_relaxed(&sched.watch_deadline) &&
        !sysmon_looks_before(earliest - WATCH_MARGIN_NS))
        wake(m ? m->p : NULL, NULL, true);
}

/* p has been let go while its M doesn't run goroutines. Another M is woken if there is work for it, or a timer
 * that nobody watches. True: it was wanted. */
bool p_left_wanted(struct p *p)
{
    atomic_fence_after_rmw(); /* [WAKE-2] */
    if (atomic_load_acquire(&p->next) || work_queued()) {
        wake_one(NULL, p);
        return true;
    }
    watcher_ensure(NULL);
    return false;
}

bool m_give_p_away(struct m *m)
{
    struct p *p = m->p;
    m_drop_p(m);
    return p_left_wanted(p);
}

/* ---- sleeping ---- */

/* Become the one who sleeps towards the earliest timer; OS_FOREVER: nothing to watch, or another does. */
static int64_t watch_begin(void)
{
    for (;;) {
        int64_t deadline = timers_earliest();
        int64_t watched = atomic_load_relaxed(&sched.watch_deadline);
        if (deadline >= watched)
            return OS_FOREVER;
        if (!atomic_cas_acq_rel(&sched.watch_deadline, &watched, deadline))
            continue;
        atomic_fence_after_rmw(); /* [WATCH-2] who armed a nearer one before reads us, or we see it */
        if (timers_earliest() >= deadline)
            return deadline;
        atomic_cas_acq_rel(&sched.watch_deadline, &deadline, OS_FOREVER);
    }
}

static void watch_end(int64_t deadline)
{
    if (deadline == OS_FOREVER)
        return;
    atomic_cas_acq_rel(&sched.watch_deadline, &deadline, OS_FOREVER);
    atomic_fence_after_rmw(); /* [WATCH-2] who armed one while we watched for a nearer one, likewise */
}

/* The kernel wakes late by a fairly steady lag: sleep that much less and spin for the rest. It is followed by fixed steps, so
 * that eight of nine are no later, of those that it can make up for: a mean would be at its limit all the time on a machine
 * with much to do, and whoever isn't late spins. */
static int64_t m_futex_sleep(struct m *m, int64_t deadline)
{
    if (deadline == OS_FOREVER) {
        os_futex_wait(&m->park, 0, deadline);
        return 0;
    }
    int64_t until =
        sched.spin_allowed && deadline > m->wake_lag ? deadline - m->wake_lag : deadline;
    int rc = os_futex_wait(&m->park, 0, until);
    int64_t now = os_now();
    if (rc == -ETIMEDOUT && now >= until && now - until <= WAKE_LAG_MAX_NS) {
        m->wake_lag += now - until > m->wake_lag ? WAKE_LAG_MORE_NS : -WAKE_LAG_LESS_NS;
        if (m->wake_lag < 0)
            m->wake_lag = 0;
    }
    return now;
}

/* Standing in idle_ms: sleep until handed something or until a timer is due. */
static bool m_sleep(struct m *m)
{
    bool may_watch = true;
    qsbr_offline();
    for (;;) {
        int64_t deadline = may_watch ? watch_begin() : OS_FOREVER;
        int64_t now = m_futex_sleep(m, deadline);
        watch_end(deadline);
        if (atomic_load_acquire(&m->park)) /* pairs with m_unpark() */
            break;
        if (deadline == OS_FOREVER || now < deadline - m->wake_lag)
            continue;
        if (!idle_m_remove(m)) {
            may_watch = false; /* claimed: what comes with it is on its way */
            continue;
        }
        if (m_take_p(m, NULL)) {
            qsbr_online();
            m->for_timer = true; /* spin_for_timer() sees to the rest */
            return true;
        }
        /* All Ps are running, and look at timers themselves before they go idle. */
        may_watch = false;
        idle_m_add(m);
    }
    qsbr_online();
    if (m->handed)
        m_hold(m, m->handed);
    return m->handed;
}

bool m_idle(struct m *m)
{
    bool spinning = m->spinning;
    m->spinning = m->to_watch = m->for_timer = false;
    m_hunt_ended(m, false);
    for (unsigned rounds = 1;; rounds++) {
        if (rounds % ROUNDS_BEFORE_YIELD == 0)
            os_yield(); /* what we see is another's to do */
        atomic_store_relaxed(&m->park, 0);
        m->handed = NULL;
        idle_m_add(m);
        if (spinning)
            atomic_sub_acq_rel(&sched.word, WORD_SPIN_ONE);
        spinning = false;
        atomic_fence_after_rmw(); /* [WAKE-2] */
        uint64_t word = atomic_load_acquire(&sched.word);
        if ((word & WORD_STOP) || ((word & WORD_IDLE_MASK) && work_visible(m))) {
            if (idle_m_remove(m)) {
                if (word & WORD_STOP)
                    return false;
                if (m_take_p(m, NULL))
                    return true;
                continue; /* the others hold all Ps, and look before they let go */
            }
        }
        if (m_sleep(m))
            return true;
        if (atomic_load_acquire(&sched.word) & WORD_STOP)
            return false;
    }
}

SANITIZE_OWNER_DATA_END
