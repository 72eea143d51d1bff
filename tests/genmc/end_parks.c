/* SPDX-License-Identifier: Apache-2.0
 * end_parks.c - a goroutine parks while the run ends without its M: it has lined up at an object that outlives the run, and is
 * taken out once, by the run's end or by itself, whenever it sees that it is an orphan.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * bug: it looks whether it is an orphan without a fence | arch/atomic.h | /^static inline void atomic_fence_light/,/^}/s/atomic_fence_full();/;/
 * bug: the run's end looks for those that parked without a fence | runtime/sched/end.c | /^static void bury_all/,/^}/s/!os_fence_heavy()/false/
 * bug: the run's end passes an orphan's goroutine over | runtime/sched/end.c | /^static bool is_left_parked/,/^}/s/return !g_is_orphans(g) .*$/return !g_is_orphans(g);/
 * bug: who has ended is buried before it is taken out | runtime/sched/end.c | /^static void bury_all/,/^}/{s/^    bury_orphans(grave);//; s/^    const void \*last = NULL;/    const void *last = NULL; bury_orphans(grave);/}
 * bug: both may take it out | runtime/sched/end.c | /^void orphan_unlink/,/^}/s/if (!atomic_cas_acq_rel(&g->state, &parked, G_ALIVE))/if (parked == G_ALIVE)/ */
#include "ending.h"
#include "fence.h"

static int object;
static _Atomic(int) taken_out;
static _Atomic(uint32_t) inside;

static void take_out(void *from)
{
    REQUIRE(from == &object);
    atomic_add_relaxed(&taken_out, 1);
}

bool stack_class_contains(struct stack_class *class, const void *at)
{
    (void)class, (void)at;
    return false;
}

/* Turns are hold.c's driver's: here none takes place. */
enum run_hold sched_hold_run_without_p(void)
{
    return RUN_GONE;
}

void sched_release_run_without_p(enum run_hold hold)
{
    (void)hold;
}

void waiter_kill(struct waiter *w)
{
    REQUIRE(w == &g.waiter);
}

void slab_for_each(struct slab_class *class, void (*fn)(void *object, void *arg), void *arg)
{
    (void)class;
    fn(&g, arg);
}

/* As park() does where there is nothing to run. */
static void body(void *arg)
{
    struct m *here = arg;
    atomic_store_release(&inside, 1);
    g.waiter.object = &object;
    g.waiter.unlink = take_out;
    atomic_store_release(&g.state, G_PARKED);
    atomic_fence_light(); /* [ORPHAN-1] */
    bool orphan = m_is_orphan(here);
    if (orphan)
        orphan_unlink(&g);
    sched_switch_to_loop(here, &g, orphan ? NULL : &g);
}

int main(void)
{
    static struct grave grave;
    uint32_t running = M_RUNNING;
    run_of_one(G_ALIVE);
    pthread_t t = go(thread, &m);
    AWAIT(atomic_load_acquire(&inside));
    m.orphan_g = &g; /* as make_orphan() does, whose look at m->g the checker takes for a race */
    REQUIRE(atomic_cas_acq_rel(&m.state, &running, M_ORPHAN));
    sched.orphans = 1;
    bury_all(&grave);
    join(t);
    REQUIRE(atomic_load_relaxed(&taken_out) == 1);
    return 0;
}
