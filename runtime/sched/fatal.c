/* SPDX-License-Identifier: Apache-2.0
 * fatal.c - ending the process with a report: who may, in what form, and how much of it.
 *
 * Addresses become names on the thread's own stack, which is large. WEFT_TRACEBACK says how many goroutines are told of,
 * where one of them is to blame: with none of them in sight, as in a deadlock, it is all or none. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "arch/text.h"
#include "runtime/sched/internal.h"

#define STATUS_FATAL 2                   /* Go's */
#define REPORT_BYTES ((size_t)256 << 10) /* nobody touches more of it than a report fills */
#define SECONDS_MAX 30                   /* what takes longer hangs */

SANITIZE_OWNER_DATA_BEGIN

static char report_text[REPORT_BYTES]; /* for on_fatal, which gets it in one piece */
static struct text report;

static _Atomic(int *) dying; /* errno's place tells threads apart */

bool sched_is_dying(void)
{
    return atomic_load_relaxed(&dying) != NULL;
}

bool sched_dies_here(void)
{
    return atomic_load_relaxed(&dying) == os_errno_location();
}

/* ---- WEFT_TRACEBACK ---- */

enum traceback { TRACEBACK_NONE, TRACEBACK_SINGLE, TRACEBACK_ALL, TRACEBACK_CRASH, TRACEBACKS };

static enum traceback traceback(void)
{
    static const char *const names[] = {"none", "single", "all", "crash"};
    const char *text = getenv("WEFT_TRACEBACK");
    for (int i = 0; text && i < TRACEBACKS; i++)
        if (strcmp(text, names[i]) == 0)
            return (enum traceback)i;
    return text && *text ? TRACEBACKS : TRACEBACK_ALL;
}

int traceback_set_up(void)
{
    if (traceback() != TRACEBACKS)
        return 0;
    os_write_stderr("weft: WEFT_TRACEBACK: not one of none, single, all, crash\n");
    return -EINVAL;
}

bool traceback_wants_own(void)
{
    return traceback() != TRACEBACK_NONE;
}

/* ---- the report ---- */

/* What on_fatal hasn't been told, or not to its end, comes out on stderr. */
static void limit_time(void)
{
    os_ending_begin(&(struct os_ending){.seconds = SECONDS_MAX,
                                        .status = STATUS_FATAL,
                                        .text = report_text,
                                        .escape = sched_trace_faulted});
}

/* Of several that die at once the first reports; the others wait for the end. One whose on_fatal dies in
 * turn reports both on stderr. */
void sched_report_begin(void)
{
    int *nobody = NULL;
    if (atomic_cas_acq_rel(&dying, &nobody, os_errno_location())) {
        faults_expect();
        limit_time();
        return;
    }
    while (nobody != os_errno_location())
        os_sleep_until(OS_FOREVER);
    limit_time();
    sched.config.on_fatal = NULL;
    os_write_stderr(report_text);
    report_text[0] = '\0';
}

void sched_report(const char *text)
{
    static const char cut[] = "\n...the rest of the report is cut off...\n";
    if (!sched.config.on_fatal) {
        os_write_stderr(text);
        return;
    }
    if (!report.at)
        report = text_begin(report_text, sizeof report_text);
    text_add(&report, text);
    if (report.at == report.last)
        memcpy(report.last - (sizeof cut - 1), cut, sizeof cut);
}

void sched_report_others(struct sched_trace *trace, const struct g *but)
{
    enum traceback level = traceback();
    if (level == TRACEBACK_NONE || (level == TRACEBACK_SINGLE && but))
        return;
    freeze(true);
    report_others(trace, but, sched_report);
}

_Noreturn void sched_report_end(void)
{
    if (sched_trace_left_locks())
        limit_time(); /* of on_fatal: it may need them */
    else
        os_ending_end(); /* it takes as long as it takes */
    if (sched.config.on_fatal) {
        thaw(true);
        sched.config.on_fatal(report_text);
    }
    if (traceback() == TRACEBACK_CRASH)
        os_crash();
    _exit(STATUS_FATAL);
}

/* ---- what goroutines and threads die of ---- */

/* Where it is made matters: a goroutine's report has its trace. */
struct death {
    const char *text;
    const char *trace; /* NULL: the frames from `from` on */
    uintptr_t from;
    bool own; /* of the calling flow of control */
};

static void add_own(const struct death *d, struct sched_trace *trace, struct g *g)
{
    char header[192];
    struct text t = text_begin(header, sizeof header);
    text_char(&t, '\n');
    if (g)
        report_header_running(&t, g);
    else
        text_add(&t, "foreign thread:\n");
    sched_report(header);
    if (d->trace) {
        sched_report(d->trace);
    } else {
        sched_trace_here(trace, d->from);
        sched_trace_give(trace, sched_report);
    }
    if (g)
        report_origin(trace, g, sched_report);
}

static void *write_report(void *arg)
{
    const struct death *d = arg;
    struct m *m = m_self();
    struct g *g = m && d->own ? m->g : NULL;
    struct sched_trace *trace = sched_trace_begin(true);
    bool has_own = d->own && (g || !m || atomic_load_relaxed(&m->state) == M_CALLING);
    sched_report(d->text); /* whatever comes after it */
    sched_trace_sources(trace);
    if (has_own && traceback_wants_own())
        add_own(d, trace, g);
    sched_report_others(trace, g);
    return NULL;
}

/* What makes a report may die as well, as an allocator's hook does that libdw comes to: its frames, and d, lie on the thread's
 * own stack then, where m_call() would begin anew. */
static _Noreturn void die(struct death d)
{
    static bool writes; /* the only one that dies: on its own stack */
    sched_report_begin();
    struct m *m = m_self();
    if (m && m->g && !writes) {
        writes = true;
        m_call(m, m->g, write_report, &d);
        writes = false;
    } else {
        write_report(&d);
    }
    sched_report_end();
}

_Noreturn void sched_die(const char *text, const char *trace, uintptr_t from)
{
    die((struct death){.text = text, .trace = trace, .from = from, .own = true});
}

static _Noreturn void end_with(const char *before, const char *text, uintptr_t from, bool own)
{
    char message[512];
    struct text t = text_begin(message, sizeof message);
    text_add(&t, before);
    text_add(&t, text);
    text_char(&t, '\n');
    die((struct death){.text = message, .from = from, .own = own});
}

_Noreturn void sched_fatal(const char *text)
{
    end_with("fatal error: ", text, (uintptr_t)__builtin_return_address(0), true);
}

_Noreturn void sched_fatal_of_all(const char *text)
{
    end_with("", text, 0, false);
}

SANITIZE_OWNER_DATA_END
