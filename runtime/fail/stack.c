/* SPDX-License-Identifier: Apache-2.0
 * stack.c - weft_stack: the same text as in a report, of a process that lives on. */
#include <weft/defer.h>

#include "runtime/sched/sched.h"

size_t weft_stack(char *buf, size_t n, bool all)
{
    sched_checkpoint();
    return sched_stack_text(buf, n, all, (uintptr_t)__builtin_return_address(0));
}
