/* SPDX-License-Identifier: Apache-2.0
 * blocking_short.c - a blocking section is over just when its P is wanted for a goroutine that was injected:
 * one of the two gets it, and has it for himself.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/idle.c | s/ROUNDS_BEFORE_YIELD 16/ROUNDS_BEFORE_YIELD 2/
 * edit: runtime/sched/find.c | s/RETRIES_BEFORE_YIELD 16/RETRIES_BEFORE_YIELD 2/
 * bug: a P may be taken back while it is being taken | runtime/sched/idle.c | /^bool section_close/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: a P may be taken while it is being taken back | runtime/sched/idle.c | /^static bool p_acquire_section/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/ */
#include "idling.h"

#include "runtime/sched/blocking.c"

static struct g blocks = {.id = 1}, queued = {.id = 1};

/* Whoever has a P runs one goroutine, and will look for more at his next slow pick. */
static bool all_found(void)
{
    return atomic_load_relaxed(&found) >= 1;
}

bool foreign_enter(void)
{
    return true; /* the run goes on */
}

void foreign_exit(void) {}

_Noreturn void sched_abandon(void)
{
    REQUIRE(false);
    __builtin_unreachable();
}

/* To the M's loop, which stops here: the others are to find the goroutine. */
void sched_switch_to_loop(struct m *m, struct g *from, struct g *prev)
{
    (void)m, (void)from;
    atomic_store_release(&prev->on_cpu, 0); /* as arrive() */
    pthread_exit(NULL);
}

static void *section(void *arg)
{
    blocks.arg = arg; /* plain */
    return arg;
}

static void *enters(void *arg)
{
    struct m *m = arg;
    model_m = m;
    m->g = &blocks;
    hold_p(m);
    REQUIRE(weft_blocking(section, &blocks) == &blocks);
    REQUIRE(m->g == &blocks);
    ran(m, &blocks);
    return NULL;
}

static void *injects(void *arg)
{
    sched_inject(&queued);
    return arg;
}

/* Gets the P with its start, if it is started. */
static void *comes(void *arg)
{
    AWAIT(atomic_load_acquire(&started) || all_found());
    if (!atomic_load_acquire(&started))
        return NULL;
    hold_p(arg);
    return m_thread(arg);
}

int main(void)
{
    idling_init(1);
    ms[0].p = &p[0];
    atomic_store_relaxed(&blocks.on_cpu, ON_CPU);
    go(enters, &ms[0]);
    go(injects, NULL);
    go(comes, &ms[2]);
    return 0;
}
