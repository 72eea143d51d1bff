/* SPDX-License-Identifier: Apache-2.0
 * defer.c - deferred calls: a list of records in the frames that defer, newest first, so that a panic
 * or weft_goexit runs them without an unwinder.
 *
 * A block links its record in and takes it out itself, inline; it keeps in registers what it needs for that. It doesn't look
 * whether the list is as it was: one who left frames without weft's knowing has left their records in it (defer.h forbids
 * that), and they go with the first older one, if nothing looks at the list before. */
#include <weft/go.h>

#include "arch/exception.h"
#include "runtime/fail/fail.h"

SANITIZE_OWNER_DATA_BEGIN

weft_deferred **weft_defer_list(void)
{
    return &sched_flow()->deferred;
}

void fail_run_deferred(struct sched_flow *flow, const weft_deferred *end)
{
    for (weft_deferred *record; (record = flow->deferred) != end;) {
        flow->deferred = record->next_;
        record->fn_(record->arg_);
    }
}

/* Tries are passed by. So are panics that it was called in: they have come to their end. */
_Noreturn void fail_exit(struct sched_flow *flow)
{
    fail_run_deferred(flow, NULL);
    fail_drop(flow->panics, NULL);
    flow->panics = NULL;
    os_exceptions_leave(NULL);
    sched_exit();
}

void weft_goexit(void)
{
    if (!sched_on_goroutine())
        sched_fatal("weft_goexit on a thread that is no goroutine");
    struct sched_flow *flow = sched_flow();
    flow->exits++;
    fail_exit(flow);
}

SANITIZE_OWNER_DATA_END
