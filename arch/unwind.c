/* SPDX-License-Identifier: Apache-2.0
 * unwind.c - arch/unwind.h by the compiler's run-time library: it goes by CFI alone, so it needs no frame
 * pointers, and it knows how to get from a handler's frame to the one that the signal interrupted. */
#include "arch/unwind.h"

#include <unwind.h>

struct walk {
    const struct os_fault *fault; /* NULL: there is none */
    bool arrived;                 /* at the frame that faulted: before it come the handler's own */
    os_frame_fn fn;
    void *arg;
};

static _Unwind_Reason_Code step(struct _Unwind_Context *frame, void *arg)
{
    struct walk *w = arg;
    int stands_here = 0;
    uintptr_t pc = _Unwind_GetIPInfo(frame, &stands_here);
    if (w->fault && pc == w->fault->pc)
        w->arrived = true;
    if (!w->arrived)
        return _URC_NO_REASON;
    return pc && w->fn(pc, !stands_here, w->arg) ? _URC_NO_REASON : _URC_NORMAL_STOP;
}

void os_unwind_fault(const struct os_fault *fault, os_frame_fn fn, void *arg)
{
    struct walk w = {.fault = fault, .fn = fn, .arg = arg};
    _Unwind_Backtrace(step, &w);
    if (!w.arrived)
        fn(fault->pc, false, arg);
}

__attribute__((noinline)) void os_unwind_here(os_frame_fn fn, void *arg)
{
    struct walk w = {.arrived = true, .fn = fn, .arg = arg};
    _Unwind_Backtrace(step, &w);
}
