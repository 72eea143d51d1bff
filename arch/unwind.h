/* SPDX-License-Identifier: Apache-2.0
 * unwind.h - walking the frames of a flow of control. */
#ifndef WEFT_ARCH_UNWIND_H
#define WEFT_ARCH_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/context.h"
#include "arch/signal.h"

/* What is told of each frame, innermost first. pc is where it stands (called false) or where the call it
 * is in returns to (called true): the call itself is at pc - 1 then. False: enough. */
typedef bool (*os_frame_fn)(uintptr_t pc, bool called, void *arg);

/* All of these take no lock unless the program registers frames of code that it generates, and may fault where
 * a stack or unwind tables are broken. */

/* The frames of os_unwind_here itself, of its caller, and so on. */
void os_unwind_here(os_frame_fn fn, void *arg);

/* In the handler of a fault, the frames that it interrupted. At least one: where it faulted. */
void os_unwind_fault(const struct os_fault *fault, os_frame_fn fn, void *arg);

/* The caller's, beginning with the one that a call returns to at `from`; all, where there is none. */
void os_unwind_from(uintptr_t from, os_frame_fn fn, void *arg);

/* Those of a flow of control that has stopped there. Should it go on meanwhile, what comes is wrong, or a fault. */
void os_unwind_stopped(const struct arch_context *stopped, os_frame_fn fn, void *arg);

#endif
