/* SPDX-License-Identifier: Apache-2.0
 * panic.c - raising a panic: run the deferred calls; then go on at a weft_try, in the goroutine whose weft_blocking this
 * is, or report it and end the process with status 2.
 *
 * Nothing is unwound before that: the deferred calls run on top of the frame that panics, so that a trace of its place can
 * be taken at the end. The message is made at the beginning, as they may free what it is made of, and only
 * if somebody can ask for it: who tries without an info pays for neither.
 *
 * A panic in a deferred call is the inner one of a chain, which a report shows from the outside in. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/go.h>

#include "arch/exception.h"
#include "arch/fail.h"
#include "arch/text.h"
#include "runtime/fail/fail.h"

#define PANIC_BYTES (2 * sizeof((struct sched_panic *)0)->message + sizeof "\tpanic: \n")

SANITIZE_OWNER_DATA_BEGIN

/* ---- reporting ---- */

/* A newline in the message is followed by a tab, so that a message can't forge a trace. */
static void add_indented(struct text *t, const char *message)
{
    for (; *message; message++) {
        text_char(t, *message);
        if (*message == '\n')
            text_char(t, '\t');
    }
}

/* The outermost first, each the next one's inner: the other way round. */
static struct sched_panic *turn(struct sched_panic *p)
{
    struct sched_panic *inner = NULL;
    while (p) {
        struct sched_panic *outer = p->outer;
        p->outer = inner;
        inner = p;
        p = outer;
    }
    return inner;
}

static size_t text_bytes(const struct sched_panic *p)
{
    size_t bytes = 1;
    for (; p; p = p->outer)
        bytes += PANIC_BYTES;
    return bytes;
}

/* Where there is no memory for the whole chain, the last one. */
static _Noreturn void die(struct sched_panic *last, uintptr_t from)
{
    char short_of_memory[PANIC_BYTES];
    size_t bytes = text_bytes(last);
    char *whole = os_fails(FAIL_MEMORY) ? NULL : malloc(bytes);
    struct text t =
        whole ? text_begin(whole, bytes) : text_begin(short_of_memory, sizeof short_of_memory);
    struct sched_panic *p = whole ? turn(last) : last;
    for (bool first = true; p && (whole || first); p = p->outer) {
        if (!p->told) /* weft_goexit ended it before it came to the try that didn't ask */
            continue;
        text_add(&t, first ? "panic: " : "\tpanic: ");
        add_indented(&t, p->message);
        text_char(&t, '\n');
        first = false;
    }
    sched_die(whole ? whole : short_of_memory, last->trace, from);
}

/* ---- raising ---- */

void fail_drop(struct sched_panic *newest, const struct sched_panic *end)
{
    for (struct sched_panic *p = newest; p != end; p = p->outer) {
        if (p->exception)
            os_exception_drop(p->exception, p->caught);
        free(p->trace);
    }
}

/* Whether a try or the report may ask what it says; a try that gave no info won't. */
static inline bool is_wanted(weft_deferred *barrier)
{
    const struct try *t = fail_try(barrier);
    return !t || t->info;
}

/* In a section's function, nothing in that tries it: leave it, with a trace of its frames if somebody will ask, and without
 * the exceptions, which lie among what the thread handles there. */
static _Noreturn void leave_section(struct sched_panic *p, const struct sched_flow *caller,
                                    uintptr_t from)
{
    char *trace = NULL;
    if (is_wanted(fail_barrier(caller)))
        trace = fail_place(from);
    fail_drop(p, NULL);
    p->exception = NULL;
    p->trace = trace;
    sched_leave_section(p);
}

static _Noreturn void raise(struct sched_panic *p, struct sched_flow *flow, weft_deferred *barrier,
                            uintptr_t from)
{
    struct try *t = fail_try(barrier);
    p->outer = flow->panics;
    flow->panics = p;
    fail_run_deferred(flow, barrier);
    if (t) {
        if (t->info && !p->trace)
            p->trace = fail_place(from);
        fail_land(t, p);
    }
    struct sched_flow *caller = barrier ? NULL : sched_section_flow();
    if (!caller)
        die(p, from);
    flow->panics = NULL;
    leave_section(p, caller, from);
}

void sched_raise(struct sched_panic *panic)
{
    struct sched_flow *flow = sched_flow();
    raise(panic, flow, fail_barrier(flow), (uintptr_t)__builtin_return_address(0));
}

void weft_panic(const char *format, ...)
{
    struct sched_flow *flow = sched_flow();
    weft_deferred *barrier = fail_barrier(flow);
    struct sched_panic p;
    p.exception = NULL;
    p.trace = NULL;
    p.told = is_wanted(barrier);
    if (p.told) {
        va_list args;
        va_start(args, format);
        vsnprintf(p.message, sizeof p.message, format, args);
        va_end(args);
    }
    raise(&p, flow, barrier, (uintptr_t)__builtin_return_address(0));
}

void os_exception_escapes(struct _Unwind_Exception *e)
{
    struct sched_flow *flow = sched_flow();
    weft_deferred *barrier = fail_barrier(flow);
    struct sched_panic p = {
        .exception = e, .caught = os_exceptions_caught(), .told = is_wanted(barrier)};
    if (p.told)
        os_exception_text(e, p.message, sizeof p.message);
    raise(&p, flow, barrier, 0);
}

SANITIZE_OWNER_DATA_END
