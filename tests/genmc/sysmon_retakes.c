/* SPDX-License-Identifier: Apache-2.0
 * sysmon_retakes.c - sysmon finds work beside an idle P whose M is in a blocking section, and takes that P for another M, just when
 * the section is over: one of the two gets it, and has it for himself.
 * The work waits in the queue of a P that is held by nobody here: its goroutine computes.
 *
 * options: -check-liveness -disable-spin-assume -disable-load-annotation
 * edit: runtime/sched/idle.c | s/ROUNDS_BEFORE_YIELD 16/ROUNDS_BEFORE_YIELD 2/
 * edit: runtime/sched/find.c | s/RETRIES_BEFORE_YIELD 16/RETRIES_BEFORE_YIELD 2/
 * bug: a P may be taken back while it is being taken | runtime/sched/idle.c | /^bool section_close/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: a P may be taken while it is being taken back | runtime/sched/idle.c | /^static bool p_acquire_section/,/^}/s/atomic_cas_acq_rel/bug_cas_in_two_steps/
 * bug: who finds the P taken goes on without | runtime/sched/blocking.c | s/bool took_it = section_close(m, p);/bool took_it = section_close(m, p) || (m->p = p);/ */
#define IDLING_SYSMON
#include "idling.h"
#include "section.h"

#include "runtime/sched/sysmon.c"

/* Whoever has a P runs one goroutine, and will look for more at his next slow pick. */
static bool all_found(void)
{
    return atomic_load_relaxed(&found) >= 1;
}

static void *section(void *arg)
{
    blocks.arg = arg; /* plain */
    return arg;
}

static void *watches(void *arg)
{
    if (work_visible(arg))
        REQUIRE(!starves());
    return NULL;
}

int main(void)
{
    section_init(2);
    REQUIRE(deque_push(&p[1].runq, &queued) == 0);
    go(enters, &ms[0]);
    go(watches, &ms[1]);
    go(comes, &ms[2]);
    return 0;
}
