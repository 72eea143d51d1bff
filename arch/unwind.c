/* SPDX-License-Identifier: Apache-2.0
 * unwind.c - arch/unwind.h by the compiler's run-time library: it goes by CFI alone, so it needs no frame
 * pointers, and it knows how to get from a handler's frame to the one that the signal interrupted, and from
 * arch_call_within() to the one that stopped. */
#include "arch/unwind.h"

#include <unwind.h>

#include "arch/arch.h"

struct walk {
    uintptr_t
        begin; /* tell of the frames from this pc on: before it come those that do the walking; 0: of all */
    bool arrived;
    os_frame_fn fn;
    void *arg;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *frame, void *arg)
{
    struct walk *w = arg;
    int stands_here = 0;
    uintptr_t pc = _Unwind_GetIPInfo(frame, &stands_here);
    if (pc == w->begin || !w->begin)
        w->arrived = true;
    if (!w->arrived)
        return _URC_NO_REASON;
    return pc && w->fn(pc, !stands_here, w->arg) ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

void os_unwind_fault(const struct os_fault *fault, os_frame_fn fn, void *arg)
{
    struct walk w = {.begin = fault->pc, .fn = fn, .arg = arg};
    _Unwind_Backtrace(step, &w);
    if (!w.arrived)
        fn(fault->pc, false, arg);
}

__attribute__((noinline)) void os_unwind_here(os_frame_fn fn, void *arg)
{
    struct walk w = {.fn = fn, .arg = arg};
    _Unwind_Backtrace(step, &w);
}

void os_unwind_from(uintptr_t from, os_frame_fn fn, void *arg)
{
    struct walk w = {.begin = from, .fn = fn, .arg = arg};
    _Unwind_Backtrace(step, &w);
    if (w.arrived)
        return;
    w.begin = 0;
    _Unwind_Backtrace(step, &w);
}

static void walk(void *arg)
{
    _Unwind_Backtrace(step, arg);
}

void os_unwind_stopped(const struct arch_context *stopped, os_frame_fn fn, void *arg)
{
    struct walk w = {.begin = (uintptr_t)stopped->pc, .fn = fn, .arg = arg};
    arch_call_within(stopped, walk, &w);
}
