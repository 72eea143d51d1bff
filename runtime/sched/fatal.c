/* SPDX-License-Identifier: Apache-2.0
 * fatal.c - ending the process with a report. */
#include <stdio.h>
#include <unistd.h>

#include "arch/text.h"
#include "runtime/sched/internal.h"

#define STATUS_FATAL 2 /* Go's */
#define REPORT_BYTES ((size_t)32 << 10)

SANITIZE_OWNER_DATA_BEGIN

static char report_text[REPORT_BYTES]; /* for on_fatal, which gets it in one piece */
static struct text report;

static _Atomic(int *) dying; /* errno's place tells threads apart */

bool sched_is_dying(void)
{
    return atomic_load_relaxed(&dying) != NULL;
}

/* Of several that die at once the first reports; the others wait for the end. One whose on_fatal dies in
 * turn reports both on stderr. */
void sched_report_begin(void)
{
    int *nobody = NULL;
    if (atomic_cas_acq_rel(&dying, &nobody, os_errno_location()))
        return;
    while (nobody != os_errno_location())
        os_sleep_until(OS_FOREVER);
    sched.config.on_fatal = NULL;
    os_write_stderr(report_text);
}

void sched_report(const char *text)
{
    if (!sched.config.on_fatal) {
        os_write_stderr(text);
        return;
    }
    if (!report.at)
        report = text_begin(report_text, sizeof report_text);
    text_add(&report, text);
}

_Noreturn void sched_report_end(void)
{
    if (sched.config.on_fatal)
        sched.config.on_fatal(report_text);
    _exit(STATUS_FATAL);
}

_Noreturn void sched_die(const char *text)
{
    sched_report_begin();
    sched_report(text);
    sched_report_end();
}

_Noreturn void sched_fatal(const char *text)
{
    char message[256];
    uint64_t id = weft_self();
    if (id)
        snprintf(message, sizeof message, "fatal error: %s\n\ngoroutine %llu [running]:\n", text,
                 (unsigned long long)id);
    else
        snprintf(message, sizeof message, "fatal error: %s\n", text);
    sched_die(message);
}

SANITIZE_OWNER_DATA_END
