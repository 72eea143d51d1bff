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
#include "section.h"

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

static void *injects(void *arg)
{
    sched_inject(&queued);
    return arg;
}

int main(void)
{
    section_init(1);
    go(enters, &ms[0]);
    go(injects, NULL);
    go(comes, &ms[2]);
    return 0;
}
