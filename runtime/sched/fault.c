/* SPDX-License-Identifier: Apache-2.0
 * fault.c - a goroutine that has run over its stack: told from all other faults, and reported.
 *
 * Each M has a signal stack, since the goroutine's own has no room left. A fault is an overflow when what
 * was touched lies in the guard page of the stack that this M stands on, and the stack pointer is
 * there too: a wild pointer from far away into a guard is the program's fault, in both senses. Every other
 * fault, and every one on a foreign thread or in a blocking section (the thread's own stack),
 * goes on to whoever handled the signal before (arch/signal_linux.c).
 *
 * A frame larger than the guard page can jump over it. In code compiled with -fstack-clash-protection it
 * can't, and that is what protects; without, it is recognised only where it hits the guard of another
 * stack of the default size.
 *
 * All of this is async-signal-safe: no lock, no allocation, no stdio. */
#include "arch/text.h"
#include "runtime/sched/internal.h"

#define PROBE_BYTES                                                                                \
    ((size_t)16 << 10) /* how far below itself code touches its stack: red zones, probes */

#define JUMP_BYTES ((size_t)1 << 30) /* a frame that is larger is none, but another stack */

SANITIZE_OWNER_DATA_BEGIN

static bool touches_guard(const struct stack *s, const struct os_fault *f)
{
    uintptr_t low = (uintptr_t)s->low, usable = low + os_page();
    if (f->located)
        return f->address >= low && f->address < usable && f->sp < usable + PROBE_BYTES &&
               f->sp + JUMP_BYTES >= low;
    /* The kernel found no room for another signal's frame. */
    return !f->raised && f->sp >= low && f->sp < usable + os_signal_frame_bytes();
}

/* A switch names its goroutines before it moves the stack pointer, so the one that stands here may not
 * be m->g but the one that gives way: m->prev, or who begins or ends a blocking section. These two may also
 * be long gone, with their stacks; descriptors are type-stable. */
static struct g *overflowing(struct m *m, const struct os_fault *f)
{
    struct g *here[] = {m->g, atomic_load_relaxed(&m->calling), m->prev};
    for (size_t i = 0; i < sizeof here / sizeof here[0]; i++)
        if (here[i] && here[i]->stack && os_readable(&here[i]->stack->low) &&
            touches_guard(here[i]->stack, f))
            return here[i];
    if (m->g && m->g->stack && f->located && f->sp < (uintptr_t)m->g->stack->low + os_page() &&
        stack_class_guards(&sched.stack_class, f->address))
        return m->g;
    return NULL;
}

static void report_what(struct g *g, const struct os_fault *f)
{
    char text[256];
    struct text t = text_begin(text, sizeof text);
    uintptr_t low = (uintptr_t)g->stack->low;
    text_add(&t, "runtime: goroutine stack exceeds ");
    text_decimal(&t, g->stack->bytes);
    text_add(&t, "-byte limit\nruntime: sp=");
    text_hex(&t, f->sp);
    text_add(&t, " stack=[");
    text_hex(&t, low);
    text_add(&t, ", ");
    text_hex(&t, low + g->stack->bytes);
    text_add(&t, "]\nfatal error: stack overflow\n");
    sched_report(text);
}

static void report_own(struct sched_trace *trace, struct g *g, const struct os_fault *f)
{
    char header[192];
    struct text t = text_begin(header, sizeof header);
    text_char(&t, '\n');
    report_header_running(&t, g);
    sched_report(header);
    sched_trace_fault(trace, f);
    sched_trace_give(trace, sched_report);
    report_origin(trace, g, sched_report);
}

static _Noreturn void report_overflow(struct g *g, const struct os_fault *f)
{
    sched_report_begin();
    struct sched_trace *trace = sched_trace_begin(true);
    report_what(g, f);
    if (traceback_wants_own())
        report_own(trace, g, f);
    sched_report_others(trace, g);
    sched_report_end();
}

/* g has ended, on a stack without a guard. What it ran over is another's by now, and its own frames are gone. */
void bare_stack_left(const struct g *g)
{
    char text[512];
    if (!stack_overran(g->stack))
        return;
    struct text t = text_begin(text, sizeof text);
    text_add(&t, "runtime: goroutine stack exceeds ");
    text_decimal(&t, g->stack->bytes);
    text_add(&t, "-byte limit\nfatal error: stack overflow\n\ngoroutine ");
    text_decimal(&t, g->id);
    if (g->flags & G_NAMED) {
        text_add(&t, " (");
        text_add_printable(&t, g->name);
        text_char(&t, ')');
    }
    text_add(&t, " [ended]: its stack had no guard page");
    sched_fatal_of_all(text);
}

static void on_fault(const struct os_fault *f)
{
    sched_trace_faulted(); /* back to the trace, if it was that */
    struct m *m = m_self();
    struct g *g = m ? overflowing(m, f) : NULL;
    if (g)
        report_overflow(g, f);
    if (sched_dies_here()) {
        sched_report_begin();
        sched_report("weft: on_fatal faulted\n");
        sched_report_end();
    }
}

void faults_expect(void)
{
    if (atomic_load_acquire(&sched.state) == RUN_NONE)
        os_faults_catch(on_fault);
    os_faults_unblock();
}

void faults_catch(void)
{
    os_faults_catch(on_fault);
}

void faults_release(void)
{
    os_faults_release();
}

SANITIZE_OWNER_DATA_END
