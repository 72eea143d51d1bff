/* SPDX-License-Identifier: Apache-2.0
 * defer.c - deferred calls: a list of records in the frames that defer, newest first, so that a panic
 * or weft_goexit runs them without an unwinder. */
#include "runtime/fail/fail.h"

#include <weft/go.h>

#include "runtime/sched/sched.h"

SANITIZE_OWNER_DATA_BEGIN

void weft_defer_push(weft_deferred *record, weft_fn fn, void *arg)
{
    weft_deferred **list = sched_deferred();
    record->fn_ = fn;
    record->arg_ = arg;
    record->next_ = *list;
    *list = record;
}

/* On leaving the block: its calls may park, so the list is looked up before and not kept. It gives way when the call has
 * been made, which may give a lock back; not when it is pushed, just after that was taken. */
void weft_defer_pop(weft_deferred *record)
{
    weft_deferred **list = sched_deferred();
    WEFT_ASSERT(*list == record);
    *list = record->next_;
    record->fn_(record->arg_);
    sched_checkpoint();
}

void fail_run_deferred(void)
{
    for (weft_deferred *record; (record = *sched_deferred());)
        weft_defer_pop(record);
}

void weft_goexit(void)
{
    if (!sched_on_goroutine())
        sched_fatal("weft_goexit on a thread that is no goroutine");
    fail_run_deferred();
    sched_exit();
}

SANITIZE_OWNER_DATA_END
