/* SPDX-License-Identifier: Apache-2.0
 * fatal.c - ending the process with a report. */
#include <stdio.h>
#include <unistd.h>

#include "runtime/sched/internal.h"

#define STATUS_FATAL 2 /* Go's */

SANITIZE_OWNER_DATA_BEGIN

/* Of several that die at once the first reports; the others wait for the end. */
_Noreturn void sched_die(const char *report)
{
    static _Atomic(bool) dying;
    if (atomic_swap_acq_rel(&dying, true))
        for (;;)
            os_sleep_until(OS_FOREVER);
    if (sched.config.on_fatal)
        sched.config.on_fatal(report);
    else
        os_write_stderr(report);
    _exit(STATUS_FATAL);
}

_Noreturn void sched_fatal(const char *text)
{
    char report[256];
    uint64_t id = weft_self();
    if (id)
        snprintf(report, sizeof report, "fatal error: %s\n\ngoroutine %llu [running]:\n", text,
                 (unsigned long long)id);
    else
        snprintf(report, sizeof report, "fatal error: %s\n", text);
    sched_die(report);
}

SANITIZE_OWNER_DATA_END
