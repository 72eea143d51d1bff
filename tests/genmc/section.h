/* SPDX-License-Identifier: Apache-2.0
 * section.h - a goroutine in a blocking section, for drivers that come here from idling.h. What it does there is the driver's
 * section(). */
#ifndef WEFT_TESTS_GENMC_SECTION_H
#define WEFT_TESTS_GENMC_SECTION_H

#include "runtime/sched/blocking.c"

static struct g blocks = {.id = 1}, queued = {.id = 1};

static void *section(void *arg);

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

/* The spare M gets the P with its start, if it is started. */
__attribute__((unused)) static void *comes(void *arg)
{
    AWAIT(atomic_load_acquire(&started) || all_found());
    if (!atomic_load_acquire(&started))
        return NULL;
    hold_p(arg);
    return m_thread(arg);
}

static void section_init(unsigned procs)
{
    idling_init(procs);
    ms[0].p = &p[0];
    atomic_store_relaxed(&blocks.on_cpu, ON_CPU);
}

#endif
