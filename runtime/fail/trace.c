/* SPDX-License-Identifier: Apache-2.0
 * trace.c - the trace in a fault's report.
 *
 * It is made in a signal handler of a process that is broken: the handler's own code may fault, in a
 * damaged stack or a symbol table that makes no sense. So each line is given out when it is done,
 * and a fault in making one costs the names from then on, a fault in walking the rest of the frames. */
#include "runtime/fail/trace.h"

#include <setjmp.h>

#include "arch/symbol.h"
#include "arch/text.h"
#include "arch/unwind.h"
#include "runtime/sched/sched.h"

/* Of a deep recursion both ends are shown. */
#define FRAMES_INNER 50
#define FRAMES_OUTER 50
#define FRAMES_MAX 10000000 /* a ring of frames in a damaged stack has no end */

struct trace {
    void (*out)(const char *text);
    bool names;
    uintptr_t pc; /* of the line below: a recursion has it again and again */
    char line[TRACE_LINE_BYTES];
    size_t frames;
    uintptr_t outer[FRAMES_OUTER]; /* a ring */
};

/* Where to go on should the work at hand fault. */
static sigjmp_buf *escape;

void trace_line(char line[TRACE_LINE_BYTES], uintptr_t pc, bool called, bool names)
{
    struct text t = text_begin(line, TRACE_LINE_BYTES);
    text_add(&t, "0x");
    text_number(&t, pc, 16, 12);
    if (names) {
        struct text bare = t;
        text_char(&t, ' ');
        if (!os_symbol_add(&t, pc, called))
            t = bare;
    }
    text_char(&t, '\n');
}

static void put(struct trace *t, uintptr_t pc, bool called)
{
    sigjmp_buf here, *outside = escape;
    if (pc == t->pc) {
        t->out(t->line);
        return;
    }
    if (t->names && sigsetjmp(here, 1) == 0) {
        escape = &here;
        trace_line(t->line, pc, called, true);
    } else {
        t->names = false;
        trace_line(t->line, pc, called, false);
    }
    t->pc = pc;
    escape = outside;
    t->out(t->line);
}

static bool frame(uintptr_t pc, bool called, void *arg)
{
    struct trace *t = arg;
    if (t->frames < FRAMES_INNER)
        put(t, pc, called);
    else
        t->outer[t->frames % FRAMES_OUTER] = pc;
    return ++t->frames < FRAMES_MAX;
}

static void put_outer(struct trace *t)
{
    size_t i = FRAMES_INNER;
    if (t->frames > FRAMES_INNER + FRAMES_OUTER) {
        char line[64];
        struct text elided = text_begin(line, sizeof line);
        i = t->frames - FRAMES_OUTER;
        text_add(&elided, "...");
        text_decimal(&elided, i - FRAMES_INNER);
        text_add(&elided, " frames elided...\n");
        t->out(line);
    }
    for (; i < t->frames; i++)
        put(t, t->outer[i % FRAMES_OUTER], true);
}

void sched_trace_fault(const struct os_fault *fault, void (*out)(const char *text))
{
    static struct trace trace;
    sigjmp_buf here;
    trace = (struct trace){.out = out, .names = true};
    if (sigsetjmp(here, 1) == 0) {
        escape = &here;
        os_unwind_fault(fault, frame, &trace);
    }
    escape = NULL;
    put_outer(&trace);
}

void sched_trace_faulted(void)
{
    if (escape)
        siglongjmp(*escape, 1);
}
