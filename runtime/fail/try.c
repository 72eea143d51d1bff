/* SPDX-License-Identifier: Apache-2.0
 * try.c - weft_try: a mark in the list of deferred calls, at which a panic stops.
 *
 *   weft_try        links a mark in, and calls fn where arch/leave.h can come back to
 *   weft_panic      runs the deferred calls before the mark, on top of the frame that panics: all of them are there still
 *   fail_land       tells what it was, and leaves those frames
 *
 * So a try in a deferred call catches what is raised in that call and nothing else, and a panic in a deferred call takes the
 * place of the one that it runs for, as both stop at the same mark. weft_goexit runs all deferred calls, marks
 * included, which do nothing. When it is called below a try, and a panic in a deferred call comes back to
 * that, the goroutine goes on to exit: flow.exits tells.
 *
 * Cost where nothing is raised: no RMW, some 40 instructions. */
#include <stdlib.h>
#include <string.h>
#include <weft/go.h>

#include "arch/exception.h"
#include "runtime/fail/fail.h"

SANITIZE_OWNER_DATA_BEGIN

void fail_pass_try(void *arg)
{
    (void)arg;
}

void sched_untried(void *arg)
{
    (void)arg;
}

_Noreturn void fail_land(struct try *t, struct sched_panic *panic)
{
    if (t->info) {
        memcpy(t->info->message, panic->message, sizeof panic->message);
        t->info->goroutine = weft_self();
        t->info->trace = panic->trace;
        panic->trace = NULL;
    }
    fail_drop(panic, t->panics);
    leave_to(&t->point, t);
}

static void *call_tried(void *arg)
{
    struct try *t = arg;
    t->fn(t->arg);
    return NULL;
}

/* As fn's caller may expect it: control words belong to the caller, and C++ code that was left handles nothing any more. */
static void restore(uint16_t fp_control, const struct os_exceptions *handled)
{
    uint16_t now;
    arch_fp_save(&now);
    if (now != fp_control)
        arch_set_fp_control(fp_control);
    os_exceptions_leave(handled->caught);
    struct os_exceptions *here = os_exceptions_here();
    if (here)
        *here = *handled;
}

bool weft_try(weft_fn fn, void *arg, weft_panic_info *info)
{
    struct sched_flow *flow = sched_flow();
    uint32_t exits = flow->exits;
    const struct os_exceptions *here = os_exceptions_here();
    struct os_exceptions handled = {0};
    uint16_t fp_control;
    struct try t;
    t.fn = fn;
    t.arg = arg;
    t.info = info;
    t.panics = flow->panics;
    t.mark = (weft_deferred){.next_ = flow->deferred, .fn_ = fail_pass_try, .arg_ = &t};
    arch_fp_save(&fp_control);
    if (unlikely(here))
        handled = *here;
    if (info)
        *info = (weft_panic_info){0};
    flow->deferred = &t.mark;
    bool caught = leave_call(&t.point, call_tried, &t);
    flow->deferred = t.mark.next_;
    if (unlikely(caught)) {
        flow->panics = t.panics;
        restore(fp_control, &handled);
        if (unlikely(flow->exits != exits)) {
            weft_panic_clear(info);
            fail_exit(flow);
        }
    }
    sched_checkpoint();
    return caught;
}

void weft_panic_clear(weft_panic_info *info)
{
    if (!info)
        return;
    free(info->trace);
    info->trace = NULL;
}

SANITIZE_OWNER_DATA_END
