/* SPDX-License-Identifier: Apache-2.0
 * fail.h - within runtime/fail/. */
#ifndef WEFT_FAIL_FAIL_H
#define WEFT_FAIL_FAIL_H

#include <weft/defer.h>

#include "arch/leave.h"
#include "runtime/sched/sched.h"

/* A weft_try, in its frame. */
struct
try {
    weft_deferred mark;
    weft_fn fn;
    void *arg;
    weft_panic_info *info;
    struct sched_panic *panics; /* around it */
    struct leave_point point;
};

SANITIZE_OWNER_DATA_BEGIN

/* Run the deferred calls of this flow of control, last in first out, until none is left or the next is `end`. */
void fail_run_deferred(struct sched_flow *flow, const weft_deferred *end);

/* Run them all and end this goroutine. */
_Noreturn void fail_exit(struct sched_flow *flow);

/* The function of a try's mark; it does nothing. */
void fail_pass_try(void *arg);

/* The nearest record beyond which no panic goes: a try's mark, or one of sched_untried; NULL: there is none. */
static inline weft_deferred *fail_barrier(const struct sched_flow *flow)
{
    weft_deferred *record = flow->deferred;
    while (record && record->fn_ != fail_pass_try && record->fn_ != sched_untried)
        record = record->next_;
    return record;
}

/* The try that it is of, or NULL. */
static inline struct try *fail_try(weft_deferred *barrier)
{
    return barrier && barrier->fn_ == fail_pass_try ? barrier->arg_ : NULL;
}

/* These panics are over, the newest first, up to `end`: what they hold is freed. The frames that raised them are there still. */
void fail_drop(struct sched_panic *newest, const struct sched_panic *end);

/* Go on where that weft_try was called. Its deferred calls have run. */
_Noreturn void fail_land(struct try *t, struct sched_panic *panic);

/* Where the caller stands, from the call on that returns to `from`: a line a frame, malloc's. NULL without memory. */
char *fail_place(uintptr_t from);

SANITIZE_OWNER_DATA_END

#endif
