/* SPDX-License-Identifier: Apache-2.0
 * syncing.h - what drivers of sync.h's objects need besides waiting.h: goroutines of a run that goes on, where nobody
 * spins, and whoever yields goes on at once. */
#ifndef WEFT_TESTS_GENMC_SYNCING_H
#define WEFT_TESTS_GENMC_SYNCING_H

#include "waiting.h"

#include <weft/defer.h>
#include <weft/go.h>

#include "runtime/sync/queue.c"

enum run_hold sched_hold_run_without_p(void)
{
    return RUN_OURS;
}

void sched_release_run_without_p(enum run_hold hold)
{
    (void)hold;
    REQUIRE(false);
}

bool sched_is_orphan(void)
{
    return false;
}

bool sched_on_goroutine(void)
{
    return true;
}

_Noreturn void sched_fatal(const char *text)
{
    (void)text;
    __VERIFIER_assert_fail("sched_fatal", __FILE__, __LINE__);
    __builtin_unreachable();
}

_Noreturn void weft_panic(const char *format, ...)
{
    (void)format;
    __VERIFIER_assert_fail("weft_panic", __FILE__, __LINE__);
    __builtin_unreachable();
}

bool sched_may_spin_here(void)
{
    return false;
}

void weft_yield(void) {}
void sched_go_on_for_now(void) {}
void os_yield(void) {}

#endif
