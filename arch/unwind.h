/* SPDX-License-Identifier: Apache-2.0
 * unwind.h - walking the frames of a flow of control. */
#ifndef WEFT_ARCH_UNWIND_H
#define WEFT_ARCH_UNWIND_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/signal.h"

/* What is told of each frame, innermost first. pc is where it stands (called false) or where the call it
 * is in returns to (called true): the call itself is at pc - 1 then. False: enough. */
typedef bool (*os_frame_fn)(uintptr_t pc, bool called, void *arg);

/* The frames of os_unwind_here itself, of its caller, and so on. */
void os_unwind_here(os_frame_fn fn, void *arg);

/* In the handler of a fault, the frames that it interrupted. At least one: where it faulted. Takes no
 * lock unless the program registers frames of code that it generates; may fault where a stack or unwind
 * tables are broken. */
void os_unwind_fault(const struct os_fault *fault, os_frame_fn fn, void *arg);

#endif
