/* SPDX-License-Identifier: Apache-2.0
 * find.c - what to run next, from everywhere. Runs on the scheduler's stack, with no goroutine's
 * on_cpu set, so it may wait.
 *
 * Order: due timers, injected goroutines, this P's queues, other Ps' queues (half of one), other Ps'
 * `next`. Normally `next` comes before the queue; at a slow pick after it, so that a pair that
 * hands `next` to and fro can't starve the rest.
 *
 * Another P's `next` is taken only when the same goroutine stood there, with no pick in between,
 * STEAL_NEXT_AFTER_NS before: its waker is computing. A pair that hands over quickly stays on its P.
 *
 * Queues of tiny goroutines are better left to their P: moving one costs several cache lines, and so
 * does whatever they share (10 000 empty goroutines and their WaitGroup on two Ps: 160 ns each when
 * shared out, 20 when not). So a thief whose loot lasted less than STEAL_PAYS_NS leaves queues alone
 * for a while, twice as long each time, and is no reason to be woken again soon (m_hunt_ended). The
 * queue's own M is at it meanwhile; if a goroutine computes there, sysmon finds out. */
#include "runtime/sched/runq.h"

SANITIZE_OWNER_DATA_BEGIN

#define SPIN_NS 100000 /* about twice what a futex wake-up takes */
#define NEAR_NS 50000  /* what one takes */
#define SPIN_RELAX 32
#define SPIN_SCORE_PAYS 64 /* of 256 */
#define SPIN_PROBE_EVERY 16
#define RETRIES_BEFORE_YIELD 16
#define STEAL_ROUNDS 2
#define FRESH_AGE_NS 1000000
#define FRESH_OLD_NS 100000000
#define STEAL_PAYS_NS 20000
#define STEAL_PAUSE_MIN_NS 20000
#define STEAL_PAUSE_MAX_NS 1000000

/* What is loose goes to the wheel, never back: so it isn't missed. */
static inline int64_t timer_slot_earliest(struct sched_timer_slot *slot)
{
    int64_t loose = atomic_load_acquire(&slot->loose);
    int64_t earliest = atomic_load_acquire(&slot->earliest);
    return loose < earliest ? loose : earliest;
}

int64_t timers_earliest(void)
{
    int64_t earliest = OS_FOREVER;
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        struct p *p = sched.ps[i];
        if (unlikely(!p))
            continue; /* the caller has been an orphan for a moment */
        int64_t at = timer_slot_earliest(&p->timer);
        if (at < earliest)
            earliest = at;
    }
    return earliest;
}

static void run_due_timers(struct m *m)
{
    if (timers_earliest() == OS_FOREVER)
        return;
    int64_t now = os_now();
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        struct p *p = sched.ps[(m->p->index + i) % made];
        if (timer_slot_earliest(&p->timer) <= now)
            sched.timer_ops.run_due(p);
    }
}

/* Whether the `next` of v may be taken, by what this M saw of it before. */
static bool next_is_stale(struct m *m, struct p *v, struct g *g)
{
    if (p_is_idle(v))
        return true;
    if (unlikely(v->index >= m->sightings_made) && m_reserve_sightings(m))
        return false;
    struct sighting *s = &m->sightings[v->index];
    uint64_t picks = p_picks(v);
    if (s->g != g || s->picks != picks) {
        *s = (struct sighting){.g = g, .picks = picks, .at = os_now()};
        return false;
    }
    return os_now() - s->at >= STEAL_NEXT_AFTER_NS;
}

/* What stands in the `next` of v, if m may take it. */
static struct g *next_for(struct m *m, struct p *v)
{
    struct g *g = atomic_load_acquire(&v->next);
    return g && !atomic_load_relaxed(&v->taking) && next_is_stale(m, v, g) ? g : NULL;
}

/* Work in a queue, where anybody may take it at once. */
bool work_queued(void)
{
    if (atomic_load_acquire(&sched.injected))
        return true;
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        struct p *p = sched.ps[i]; /* NULL: gone with an orphan */
        if (p && p_queued(p))
            return true;
    }
    return false;
}

/* Work that m may take now. */
bool work_visible(struct m *m)
{
    if (atomic_load_acquire(&sched.injected))
        return true;
    bool paused = m->pause_until != 0 && os_now() < m->pause_until;
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        struct p *p = sched.ps[i];
        if (p_queued(p) && (!paused || p_is_idle(p)))
            return true;
        if (next_for(m, p))
            return true;
    }
    int64_t earliest = timers_earliest();
    return earliest != OS_FOREVER && earliest <= os_now();
}

static uint64_t p_random(struct p *p)
{
    p->rng ^= p->rng << 13;
    p->rng ^= p->rng >> 7;
    p->rng ^= p->rng << 17;
    return p->rng;
}

/* The loot is used up: how long did it last? */
static void judge_loot(struct m *m)
{
    if (m->stole_at == 0)
        return;
    int64_t now = os_now();
    bool paid = now - m->stole_at >= STEAL_PAYS_NS;
    m->stole_at = 0;
    m->pause_ns = paid ? 0 : m->pause_ns ? 2 * m->pause_ns : STEAL_PAUSE_MIN_NS;
    if (m->pause_ns > STEAL_PAUSE_MAX_NS)
        m->pause_ns = STEAL_PAUSE_MAX_NS;
    m->pause_until = paid ? 0 : now + m->pause_ns;
    m_hunt_ended(m, paid);
}

/* Afterwards pause_until is set only while the pause lasts. It doesn't cover the queues of idle Ps, whose
 * M isn't at them. */
static void judge_pause(struct m *m)
{
    judge_loot(m);
    if (m->pause_until != 0 && os_now() >= m->pause_until)
        m->pause_until = 0;
}

/* Up to half of them, one by one, the oldest first. */
static struct g *steal_fresh(struct p *p, struct p *v, unsigned *stolen)
{
    uint64_t wanted = (fresh_size(&v->fresh) + 1) / 2;
    struct g *first = wanted ? fresh_steal(&v->fresh) : NULL, *g = first;
    for (*stolen = 0; g; (*stolen)++) {
        if (*stolen)
            runq_push_tail(p, g);
        g = *stolen + 1 < wanted && *stolen + 1 < DEQUE_STEAL_MAX ? fresh_steal(&v->fresh) : NULL;
    }
    return first;
}

static struct g *steal_queued(struct m *m, struct p *p, struct p *v)
{
    unsigned n;
    if (!p_queued(v) || (m->pause_until != 0 && !p_is_idle(v)))
        return NULL;
    struct g *g = deque_steal_half(&v->runq, &p->runq, &n);
    if (!g)
        g = steal_fresh(p, v, &n);
    if (g) {
        counter_add(&p->steals, n);
        m->stole_at = os_now();
    }
    return g;
}

static struct g *steal_next(struct m *m, struct p *p, struct p *v)
{
    struct g *g = next_for(m, v);
    if (!g)
        return NULL;
    atomic_add_acq_rel(&v->thieves, 1);
    bool got = os_fence_heavy(); /* [NEXT-2] */
    got = got && !atomic_load_acquire(&v->taking) && atomic_cas_acq_rel(&v->next, &g, NULL);
    atomic_sub_acq_rel(&v->thieves, 1);
    if (!got)
        return NULL;
    counter_add(&p->steals, 1);
    return g;
}

/* Nearest tier first, from a random place within it. */
static struct g *steal(struct m *m, bool next_too)
{
    struct p *p = m->p;
    unsigned begin = 0;
    for (unsigned tier = 0; tier < sizeof p->tier_end / sizeof p->tier_end[0]; tier++) {
        unsigned end = p->tier_end[tier], n = end > begin ? end - begin : 0; /* topology_extend */
        unsigned start = n > 1 ? (unsigned)(p_random(p) % n) : 0;
        for (unsigned i = 0; i < n; i++) {
            struct p *v = sched.ps[p->victims[begin + (start + i) % n]];
            struct g *g = next_too ? steal_next(m, p, v) : steal_queued(m, p, v);
            if (g)
                return g;
        }
        begin = end;
    }
    return NULL;
}

struct g *runq_take_in_turn(struct p *p)
{
    bool queue_first = !p->fresh.passed && deque_size(&p->runq);
    p->fresh.passed = queue_first;
    struct g *g = queue_first ? runq_take_queued(p) : runq_take_fresh(p);
    if (!g)
        g = queue_first ? runq_take_fresh(p) : runq_take_queued(p);
    return g;
}

/* The oldest of the fresh ones goes to the queue, unless a thief is faster. */
static void queue_oldest_fresh(struct p *p)
{
    struct g *oldest = fresh_steal(&p->fresh);
    if (oldest)
        runq_push_tail(p, oldest);
}

/* They all go there. */
void runq_queue_fresh(struct p *p)
{
    while (!fresh_holds_none(&p->fresh))
        queue_oldest_fresh(p);
}

static struct g *take_local(struct p *p, bool queue_first)
{
    struct g *g = queue_first ? runq_take_queued(p) : NULL;
    if (!g)
        g = runq_take_next(p);
    return g ? g : runq_take_waiting(p);
}

/* How many of the fresh ones are to go to the queue: one for each FRESH_AGE_NS, so that a tree isn't gone across; but all that
 * have been there since the last look but one after FRESH_OLD_NS. Those are below old_below, as the newest are taken
 * first. (Where some were taken and others came between two looks it may be younger ones.) */
static uint64_t fresh_too_old(struct fresh *f, int64_t now)
{
    uint64_t bottom = atomic_load_relaxed(&f->bottom), top = atomic_load_relaxed(&f->top);
    f->old_below = bottom < f->old_below ? bottom : f->old_below;
    if (f->aged_at == 0) {
        f->aged_at = f->old_at = now;
        f->old_below = bottom;
    }
    uint64_t n = (uint64_t)(now - f->aged_at) / FRESH_AGE_NS;
    if (n)
        f->aged_at = now;
    if (now - f->old_at < FRESH_OLD_NS)
        return n;
    uint64_t old = f->old_below > top ? f->old_below - top : 0;
    f->old_below = bottom;
    f->old_at = now;
    return n > old ? n : old;
}

static void age_fresh(struct p *p)
{
    if (likely(fresh_holds_none(&p->fresh))) {
        p->fresh.aged_at = 0;
        return;
    }
    for (uint64_t n = fresh_too_old(&p->fresh, os_now()); n && !fresh_holds_none(&p->fresh); n--)
        queue_oldest_fresh(p);
}

/* Begin a new round of picks, or go on with one that p_look_soon() has interrupted. Whether the last one is
 * used up. */
static bool round_begin(struct p *p)
{
    uint32_t put_off = p->picks_put_off;
    bool used_up = atomic_load_relaxed(&p->picks_left) == 0 && put_off == 0;
    age_fresh(p);
    p->picks_put_off = 0;
    atomic_store_relaxed(&p->rounds, atomic_load_relaxed(&p->rounds) + 1);
    atomic_store_release(&p->picks_left,
                         put_off > 1 ? put_off - 1 : SLOW_PICK_EVERY); /* pairs with p_picks() */
    return used_up || put_off == 1;
}

static struct g *take_any(struct m *m)
{
    struct p *p = m->p;
    bool slow = round_begin(p);
    run_due_timers(m);
    injection_take(p);
    struct g *g = take_local(p, slow);
    if (!g)
        judge_pause(m);
    if (!g)
        for (int round = 0; !g && round < STEAL_ROUNDS; round++)
            g = steal(m, false);
    return g ? g : steal(m, true);
}

/* g is still switching out on another M; or, if that is an orphan, it never will. */
static void put_back(struct p *p, struct g *g)
{
    if (likely(!sched.orphans || !g_is_orphans(g)))
        runq_push_tail(p, g);
}

/* g was picked where it can't be switched to. NULL. */
struct g *runq_refuse(struct m *m, struct g *g)
{
    if (atomic_load_relaxed(&g->on_cpu) == ON_CPU_LOCKED) {
        m->refused = g; /* find_runnable is next */
        p_look_soon(m->p);
    } else {
        put_back(m->p, g);
    }
    return NULL;
}

/* A slow pick on the goroutine's own stack: where nothing is due but the deque's precedence, two switches
 * are saved. */
struct g *pick_slowly(struct m *m)
{
    struct p *p = m->p;
    if (unlikely(atomic_load_relaxed(&m->asked))) {
        p_look_soon(p); /* find_runnable sees to it, whatever it is */
        return NULL;
    }
    if (atomic_load_relaxed(&sched.injected) || m->locked_g || p_is_retiring(p))
        return NULL;
    int64_t earliest = timers_earliest();
    if (earliest != OS_FOREVER) {
        atomic_fence_full(); /* [WATCH-1] */
        bool watchable = atomic_load_relaxed(&sched.word) & WORD_IDLE_MASK;
        if ((watchable && earliest < atomic_load_relaxed(&sched.watch_deadline)) ||
            earliest <= os_now())
            return NULL;
    }
    if (unlikely(p_is_orphan(p)))
        return NULL;
    qsbr_quiescent();
    return runq_settled(m, take_local(p, round_begin(p)));
}

static unsigned busy_procs(uint64_t word)
{
    unsigned idle = word & WORD_IDLE_MASK, procs = atomic_load_relaxed(&sched.procs);
    return idle < procs ? procs - idle : 0;
}

/* Spinning is for catching work sooner than a futex would: only while some other M runs goroutines,
 * while it has been paying, and never by more than half of the busy. */
static bool may_spin(struct m *m)
{
    uint64_t word = atomic_load_relaxed(&sched.word);
    unsigned spinning = (unsigned)((word & WORD_SPIN_MASK) / WORD_SPIN_ONE);
    unsigned busy = busy_procs(word);
    if (!sched.spin_allowed || busy < 2 || busy > sched.cpus || 2 * spinning >= busy)
        return false;
    return m->spin_score >= SPIN_SCORE_PAYS || ++m->spins_skipped % SPIN_PROBE_EVERY == 0;
}

bool sched_may_spin_here(void)
{
    struct m *m = m_self();
    if (!m || !m->g || p_is_solo(m->p) || !sched.spin_allowed)
        return false;
    uint64_t word = atomic_load_relaxed(&sched.word);
    unsigned others = (word & WORD_IDLE_MASK) + (unsigned)((word & WORD_SPIN_MASK) / WORD_SPIN_ONE);
    return others + 1 < atomic_load_relaxed(&sched.procs) && !atomic_load_relaxed(&m->p->next) &&
           !p_queued(m->p);
}

static void spin_paid(struct m *m, bool paid)
{
    m->spin_score += paid ? (256 - m->spin_score) / 8 : 0;
    m->spin_score -= paid ? 0 : m->spin_score / 8;
}

/* Not where another M is awake already, or sleeps towards that timer; nor on the CPU of one that runs goroutines. Who has
 * slept towards it himself does in any case: going back to sleep would be no sleep. */
static bool may_spin_for(struct m *m, int64_t due)
{
    uint64_t word = atomic_load_relaxed(&sched.word);
    if (m->spinning || m->for_timer)
        return true;
    return !(word & WORD_SPIN_MASK) && atomic_load_relaxed(&sched.watch_deadline) > due &&
           busy_procs(word) <= sched.cpus;
}

/* Where the next timer is nearer than a wake-up from the kernel: one M stays awake for it, and goes on looking for work.
 * True: look again. */
static bool spin_for_timer(struct m *m)
{
    int64_t due = timers_earliest(), near = m->wake_lag > NEAR_NS ? m->wake_lag : NEAR_NS;
    if (due == OS_FOREVER || due - os_now() > near || !sched.spin_allowed || !may_spin_for(m, due))
        return false;
    if (!m->spinning)
        m_start_spinning(m);
    for (int i = 0; i < SPIN_RELAX && os_now() < due; i++)
        arch_relax();
    return true;
}

/* Nothing found: true to look again, false to go to sleep. */
static bool spin_on(struct m *m, int64_t *until)
{
    if (!m->spinning) {
        if (!may_spin(m))
            return false;
        m_start_spinning(m);
    }
    if (m->to_watch)
        return false; /* what it came for takes place asleep */
    int64_t now = os_now();
    if (*until == 0) {
        *until = now + (sched.spin_allowed ? SPIN_NS : STEAL_NEXT_AFTER_NS);
    } else if (now >= *until) {
        spin_paid(m, false);
        return false;
    }
    if (!sched.spin_allowed)
        os_yield(); /* woken to look: the one CPU is for those who have work */
    for (int i = 0; i < SPIN_RELAX; i++)
        arch_relax();
    return true;
}

/* After weft_goexit in main the last to let its P go sees, by way of sched.word, that all have ended. */
static void check_gone(void)
{
    if (unlikely(atomic_load_relaxed(&sched.main_gone)) && sched_alive() == 0 &&
        !atomic_load_acquire(&sched.outside))
        sched_fatal("no goroutines (main called runtime.Goexit) - deadlock!");
}

/* The same for an M that may run one goroutine only. */
static struct g *find_locked(struct m *m)
{
    if (m->p) {
        struct g *g = take_any(m);
        if (g == m->locked_g) {
            watcher_ensure(m);
            return g;
        }
        if (g)
            runq_push_next(m->p, g); /* for whoever gets the P */
    }
    return locked_wait(m) ? m->locked_g : NULL;
}

/* Let go of a P that is wanted no more, and of whatever m has picked from it. */
static void retire_own_p(struct m *m)
{
    if (m->refused) {
        runq_push_next(m->p, m->refused);
        m->refused = NULL;
    }
    if (p_retire(m->p)) {
        alloc_bind(NULL);
        m_set_p(m, NULL);
    }
}

/* What others asked of m. That is before the next pick: who sees that one asks anew. */
static void answer(struct m *m)
{
    uint32_t asked = atomic_and_acq_rel(&m->asked, ASKED_TO_STOP);
    if ((asked & ASKED_TO_SHARE) && m->p)
        p_share(m->p);
    if (unlikely(asked & ASKED_TO_WAIT))
        freeze_wait();
}

/* Behind all that can run by now, or it would be the next again. */
static void queue_who_gives_way(struct m *m)
{
    struct g *g = m->gives_way;
    m->gives_way = NULL;
    run_due_timers(m);
    runq_push_tail(m->p, g);
}

struct g *find_runnable(struct m *m)
{
    int64_t spin_until = 0;
    unsigned retries = 0;
    for (;;) {
        if (unlikely(atomic_load_relaxed(&m->asked)))
            answer(m); /* before the look at WORD_STOP, which came before ASKED_TO_STOP */
        if (unlikely(m_is_orphan(m) || (atomic_load_acquire(&sched.word) & WORD_STOP)))
            return NULL;
        if (m->gives_way)
            queue_who_gives_way(m);
        if (unlikely(m->p && p_is_retiring(m->p)))
            retire_own_p(m);
        if (unlikely(m->ends)) {
            if (m->p)
                m_give_p_away(m);
            check_gone();
            return NULL;
        }
        if (unlikely(m->locked_g))
            return find_locked(m);
        if (unlikely(!m->p)) {
            if (!m_idle(m))
                return NULL;
            spin_until = 0;
            continue; /* who wanted something of the P's holder may have found the last one */
        }
        qsbr_quiescent();
        struct g *g = m->refused ? m->refused : take_any(m);
        m->refused = NULL;
        if (!g) {
            if (!spin_for_timer(m) && !spin_on(m, &spin_until)) {
                m_drop_p(m);
                check_gone();
            }
            continue;
        }
        uint32_t on_cpu = atomic_load_acquire(&g->on_cpu); /* pairs with arrive() */
        if (unlikely(on_cpu == ON_CPU_LOCKED)) {
            locked_hand_over(m, g);
            continue;
        }
        if (unlikely(on_cpu)) {
            put_back(m->p, g);
            if (++retries % RETRIES_BEFORE_YIELD == 0)
                os_yield();
            arch_relax();
            continue;
        }
        if (spin_until)
            spin_paid(m, true);
        spin_until = 0;
        if (m->stole_at == 0)
            m_hunt_ended(m, true); /* else judge_loot says whether it was worth it */
        if (m->spinning)
            m_stop_spinning(m);
        watcher_ensure(m);
        return g;
    }
}

SANITIZE_OWNER_DATA_END
