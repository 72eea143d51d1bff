/* SPDX-License-Identifier: Apache-2.0
 * next.c - a P's `next`: its holder fills it twice, displacing who still stands there, and picks, while a thief looks
 * twice and takes who has stood there for long. Each goroutine is had once, with what was written before it became
 * runnable. Fences are the full ones.
 *
 * options: -check-liveness
 * bug: the holder looks for thieves without a fence | runtime/sched/runq.h | /\[NEXT-1\]/s/atomic_fence_light();//
 * bug: a thief looks for the holder without a fence | runtime/sched/find.c | /\[NEXT-2\]/s/os_fence_heavy()/true/
 * bug: the holder doesn't look for thieves | runtime/sched/runq.h | s/unlikely(atomic_load_acquire(&p->thieves))/false/
 * bug: a thief doesn't look for the holder | runtime/sched/find.c | s/got \&\& !atomic_load_acquire(&v->taking)/got/
 * bug: the holder is done before he has taken it | runtime/sched/runq.h | s/atomic_store_release(&p->taking, 0)/atomic_store_relaxed(\&p->taking, 0)/
 * bug: who is displaced is taken without winning it | runtime/sched/runq.h | s/if (displaced && !p_is_solo(p))/if (false)/
 * bug: a goroutine in next publishes nothing | runtime/sched/runq.h | s/atomic_store_release(&p->next, g);/atomic_store_relaxed(\&p->next, g);/ */
#include "fence.h"

#include "runtime/sched/deque.c"
#include "runtime/sched/find.c"

struct sched sched;
_Thread_local struct m *tls_m; /* model_m stands for it */

static struct p p[2];
static struct m holder, thief;
static struct g g[2];
static struct sighting sightings[2];
static int written[2]; /* plain */
static _Atomic(uint32_t) had[2];

int64_t os_now(void)
{
    static int64_t now; /* the thief's */
    return now += STEAL_NEXT_AFTER_NS;
}

bool p_is_idle(struct p *here)
{
    (void)here;
    return false;
}

void wake_slow(struct p *here)
{
    (void)here;
}

static void has(struct g *got)
{
    if (!got)
        return;
    REQUIRE(written[got - g] == 1);
    REQUIRE(atomic_add_acq_rel(&had[got - g], 1) == 0);
}

static void *holds(void *arg)
{
    for (int i = 0; i < 2; i++) {
        written[i] = 1;
        runq_push_next(&p[0], &g[i]);
    }
    for (int i = 0; i < 2; i++)
        has(runq_pick(&holder));
    return arg;
}

static void *steals(void *arg)
{
    for (int i = 0; i < 3; i++)
        has(steal_next(&thief, &p[1], &p[0]));
    return arg;
}

static void retire(struct deque_array *a)
{
    alloc_free(a);
}

int main(void)
{
    holder.p = &p[0];
    thief.p = &p[1];
    thief.sightings = sightings;
    thief.sightings_made = 2;
    deque_init(&p[0].runq, retire);
    atomic_store_relaxed(&p[0].picks_left, SLOW_PICK_EVERY);
    pthread_t a = go(holds, NULL), b = go(steals, NULL);
    join(a);
    join(b);
    REQUIRE(atomic_load_relaxed(&had[0]) == 1 && atomic_load_relaxed(&had[1]) == 1);
    return 0;
}
