/* SPDX-License-Identifier: Apache-2.0
 * end.c - the end of a run against an M in a blocking section: the section ends just when the run's end has
 * lost patience. Either the M is back in time, and leaves; or it is an orphan, touches nothing of the run
 * any more, and is taken in when it is gone.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * bug: an M may be an orphan before it has let its P go | runtime/sched/blocking.c | s/^    section_open(m);//; s/^    if (p_left_wanted(p))/    section_open(m); if (p_left_wanted(p))/
 * bug: the run's end looks at the state and then sets it | runtime/sched/end.c | /^static bool make_orphan/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: an orphan is buried before it is gone | runtime/sched/end.c | s/== M_GONE)/>= M_ORPHAN)/ */
#include "ending.h"

static void body(void *arg)
{
    struct m *here = arg;
    here->p->id_next++; /* plain: a P with two holders is a race */
    weft_blocking(section, NULL);
    here->p->id_next++;
    sched_abandon();
}

int main(void)
{
    static struct grave grave;
    bool computes = false;
    run_of_one(G_BLOCKING);
    pthread_t t = go(thread, &m);
    atomic_or_acq_rel(&sched.word, WORD_STOP);
    do /* await_ms() */
        AWAIT(atomic_load_acquire(&m.state) != M_RUNNING);
    while (!settle_ms(1, &computes));
    give_up_orphans_ps();
    if (sched.ps[0] == &p)
        p.id_next = 10; /* it is the next run's */
    atomic_store_relaxed(&p.section, 0);
    if (sched.orphans) {
        bury_orphans(&grave); /* at the end of this run, if it is gone */
        AWAIT(!sched.orphans || atomic_load_acquire(&m.state) == M_GONE);
        bury_orphans(&grave); /* or at the end of a later one */
    }
    REQUIRE(atomic_load_relaxed(&m.state) == M_FREE);
    m.g = NULL; /* as m_init() for another thread */
    m.p = NULL;
    m.sightings_made = 1;
    join(t);
    return 0;
}
