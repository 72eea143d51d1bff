/* SPDX-License-Identifier: Apache-2.0
 * panic.c - weft_panic: run the deferred calls, report, end the process with status 2. */
#include <stdarg.h>
#include <stdio.h>
#include <weft/go.h>

#include "runtime/fail/fail.h"
#include "runtime/sched/sched.h"

#define MESSAGE_BYTES 256

/* A newline in the message is followed by a tab, so that a message can't forge a trace. */
static void indent(char *out, size_t size, const char *message)
{
    size_t n = 0;
    for (; *message && n + 2 < size; message++) {
        out[n++] = *message;
        if (*message == '\n')
            out[n++] = '\t';
    }
    out[n] = '\0';
}

void weft_panic(const char *format, ...)
{
    char message[MESSAGE_BYTES], indented[MESSAGE_BYTES + 32], report[MESSAGE_BYTES + 96];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    fail_run_deferred();
    indent(indented, sizeof indented, message);
    uint64_t id = weft_self();
    if (id)
        snprintf(report, sizeof report, "panic: %s\n\ngoroutine %llu [running]:\n", indented,
                 (unsigned long long)id);
    else
        snprintf(report, sizeof report, "panic: %s\n\nforeign thread:\n", indented);
    sched_die(report);
}
