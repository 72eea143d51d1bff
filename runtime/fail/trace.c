/* SPDX-License-Identifier: Apache-2.0
 * trace.c - the frames of a goroutine as text, for reports.
 *
 * It is made in a process that is broken, maybe in a signal handler, or of a stack that somebody may still be using:
 * walking the frames may fault, and so may a symbol table that makes no sense. So the addresses are taken first, and
 * given out line by line then. A fault costs the frames that are left, or the names from then on, and nothing else: the
 * handler jumps back to where the work was begun.
 *
 * What looks for names may also never come back, or abort: a table may have no end, the heap be damaged, and its lock be held, by
 * the thread that dies itself, if it panicked in an allocator's hook. So in the trace of who dies the same way out is taken
 * when that aborts, or takes too long (os_ending): loading libdw, and asking it for sources, have NAMING_NS together, names have
 * as much, and addresses need nobody. Time runs only in there, as a report of a million goroutines may take its own.
 *   - A time that is up in between is found at the next begin: at least a moment is left, and is up at once.
 *   - Who jumps away leaves all locks as they are. Our two are given back (_cut_short), if this thread has them. libdw's, the
 *     loader's, and the heap's aren't: so nothing that a report does afterwards allocates or loads, and the unwinder finds its
 *     tables without a lock, or with the loader's, which its owner may take again. config.on_fatal may want the heap: it is asked
 *     under a limit then (fatal.c).
 *   - Signals of the living are the program's. Their traces have no limit, but weft_stack's, which asks libdw for nothing.
 * Rejected: a helper thread or a forked child that names things. The heap's lock is held for these just as well, and the child
 * would have everybody else's locks, too.
 *
 * There are two traces, for the thread that ends the process and for all that live on: the former waits for nobody.
 * A line is made once and remembered, as a thousand goroutines wait at the same place. */
#include <setjmp.h>

#include "arch/arch.h"
#include "arch/os.h"
#include "arch/source.h"
#include "arch/symbol.h"
#include "arch/text.h"
#include "arch/unwind.h"
#include "runtime/sched/sched.h"

/* Of a deep recursion both ends are shown. */
#define FRAMES_INNER 50
#define FRAMES_OUTER 50
#define FRAMES_MAX 10000000 /* a ring of frames in a damaged stack has no end */
#define LINE_BYTES 224
#define LINES 256     /* remembered */
#define LINE_PLACES 4 /* where one may be */
#define NAMING_NS INT64_C(5000000000)

SANITIZE_OWNER_DATA_BEGIN

struct frame {
    uintptr_t pc;
    bool called;
};

struct line {
    struct frame frame; /* pc 0: none */
    char text[LINE_BYTES];
};

struct sched_trace {
    _Atomic(int *) thread; /* whose it is, by errno's place; NULL: nobody's */
    sigjmp_buf
        *volatile escape; /* where that goes on should the work at hand fault; NULL: there is none */
    bool dies, names, sources;
    bool left_locks;   /* maybe: something was cut short */
    int64_t naming_ns; /* that are left for it */
    size_t frames;
    struct frame inner[FRAMES_INNER], outer[FRAMES_OUTER]; /* the latter a ring */
    struct line lines[LINES];
};

static struct sched_trace living, dying;

struct sched_trace *sched_trace_begin(bool dies)
{
    struct sched_trace *t = dies ? &dying : &living;
    int *nobody = NULL;
    if (!atomic_cas_acq_rel(&t->thread, &nobody, os_errno_location()) && !dies)
        return NULL;
    t->escape = NULL;
    t->dies = dies;
    t->names = true;
    t->sources = false;
    t->naming_ns = NAMING_NS;
    t->frames = 0;
    if (dies) { /* where it was */
        os_source_cut_short();
        os_symbol_cut_short();
    }
    for (size_t i = 0; i < LINES; i++)
        t->lines[i].frame.pc = 0; /* another file may be there by now */
    return t;
}

void sched_trace_end(struct sched_trace *t)
{
    if (t->sources)
        os_source_forget();
    os_symbol_forget();
    atomic_store_release(&t->thread, NULL); /* pairs with sched_trace_begin() */
}

bool sched_trace_guard(struct sched_trace *t, void (*fn)(void *arg), void *arg)
{
    sigjmp_buf here, *volatile outside = t->escape;
    volatile bool went_well = false;
    if (sigsetjmp(here, 1) == 0) {
        t->escape = &here;
        fn(arg);
        went_well = true;
    }
    t->escape = outside;
    return went_well;
}

void sched_trace_faulted(void)
{
    struct sched_trace *both[] = {&dying, &living};
    for (int i = 0; i < 2; i++)
        if (atomic_load_relaxed(&both[i]->thread) == os_errno_location() && both[i]->escape)
            siglongjmp(*both[i]->escape, 1);
}

bool sched_trace_left_locks(void)
{
    return dying.left_locks;
}

/* ---- what others' code may hang or abort in ---- */

struct timely {
    struct sched_trace *t;
    void (*fn)(void *arg);
    void *arg;
};

static void run_timely(void *arg)
{
    const struct timely *what = arg;
    os_time_run(what->t->naming_ns); /* there is an escape by now */
    what->fn(what->arg);
}

/* fn(arg); false: it was cut short. */
static bool try(struct sched_trace *t, void (*fn)(void *arg), void *arg)
{
    struct timely what = {.t = t, .fn = fn, .arg = arg};
    bool went_well = sched_trace_guard(t, t->dies ? run_timely : fn, t->dies ? &what : arg);
    if (t->dies)
        t->naming_ns = os_time_stop();
    if (went_well)
        return true;
    os_source_cut_short();
    os_symbol_cut_short();
    t->left_locks = true;
    t->naming_ns = NAMING_NS;
    return false;
}

static void prepare(void *arg)
{
    (void)arg;
    os_source_prepare();
}

void sched_trace_sources(struct sched_trace *t)
{
    t->sources = try(t, prepare, NULL);
}

/* ---- taking ---- */

static bool note(uintptr_t pc, bool called, void *arg)
{
    struct sched_trace *t = arg;
    struct frame f = {.pc = pc, .called = called};
    if (t->frames < FRAMES_INNER)
        t->inner[t->frames] = f;
    else
        t->outer[t->frames % FRAMES_OUTER] = f;
    return ++t->frames < FRAMES_MAX;
}

struct task {
    struct sched_trace *t;
    const struct os_fault *fault;
    const struct arch_context *stopped;
    uintptr_t from;
};

static void walk(void *arg)
{
    const struct task *task = arg;
    if (task->fault)
        os_unwind_fault(task->fault, note, task->t);
    else if (task->stopped)
        os_unwind_stopped(task->stopped, note, task->t);
    else
        os_unwind_from(task->from, note, task->t);
}

static void take(struct task task)
{
    task.t->frames = 0;
    sched_trace_guard(task.t, walk, &task);
}

void sched_trace_fault(struct sched_trace *t, const struct os_fault *fault)
{
    take((struct task){.t = t, .fault = fault});
}

void sched_trace_here(struct sched_trace *t, uintptr_t from)
{
    take((struct task){.t = t, .from = from});
}

void sched_trace_stopped(struct sched_trace *t, const struct arch_context *stopped)
{
    take((struct task){.t = t, .stopped = stopped});
}

void sched_trace_at(struct sched_trace *t, uintptr_t pc)
{
    t->frames = 0;
    note(pc, false, t);
}

/* ---- giving ---- */

struct naming {
    struct text text;
    struct frame frame;
    bool known;
};

static void name(void *arg)
{
    struct naming *n = arg;
    n->known = os_symbol_add(&n->text, n->frame.pc, n->frame.called);
}

static void locate(void *arg)
{
    struct naming *n = arg;
    text_add(&n->text, " at ");
    n->known = os_source_add(&n->text, n->frame.pc, n->frame.called);
}

/* And where that is in the source. */
static void add_source(struct sched_trace *t, struct text *text, struct frame f)
{
    struct naming n = {.text = *text, .frame = f};
    if (!t->sources)
        return;
    t->sources = try(t, locate, &n);
    if (t->sources && n.known)
        *text = n.text;
}

/* Put its name behind the text, where it has one. */
static bool add_name(struct sched_trace *t, struct text *text, struct frame f)
{
    struct naming n = {.text = *text, .frame = f};
    if (!t->names)
        return false;
    if (!try(t, name, &n))
        t->names = n.known = false;
    if (n.known) {
        *text = n.text;
        add_source(t, text, f);
        *text->at = '\0';
    }
    return n.known;
}

/* The line that is remembered for it, or (pc 0) one to be made. */
static struct line *find_line(struct sched_trace *t, struct frame f)
{
    size_t at = (size_t)(f.pc * UINT64_C(0x9e3779b97f4a7c15) >> 32);
    struct line *line = NULL;
    for (size_t i = 0; i < LINE_PLACES; i++) {
        line = &t->lines[(at + i) % LINES];
        if (!line->frame.pc || (line->frame.pc == f.pc && line->frame.called == f.called))
            return line;
    }
    line->frame.pc = 0;
    return line;
}

static const char *line_of(struct sched_trace *t, struct frame f)
{
    struct line *line = find_line(t, f);
    if (line->frame.pc)
        return line->text;
    line->frame = f;
    struct text text = text_begin(line->text, sizeof line->text - 1); /* room for the newline */
    text_add(&text, "0x");
    text_number(&text, f.pc, 16, 12);
    struct text bare = text;
    text_char(&text, ' ');
    if (!add_name(t, &text, f))
        text = bare;
    text.last++;
    text_char(&text, '\n');
    return line->text;
}

void sched_trace_give(struct sched_trace *t, void (*out)(const char *text))
{
    size_t i = 0, n = t->frames;
    for (; i < n && i < FRAMES_INNER; i++)
        out(line_of(t, t->inner[i]));
    if (n > FRAMES_INNER + FRAMES_OUTER) {
        char line[64];
        struct text elided = text_begin(line, sizeof line);
        i = n - FRAMES_OUTER;
        text_add(&elided, "...");
        text_decimal(&elided, i - FRAMES_INNER);
        text_add(&elided, " frames elided...\n");
        out(line);
    }
    for (; i < n; i++)
        out(line_of(t, t->outer[i % FRAMES_OUTER]));
}

void sched_trace_give_origin(struct sched_trace *t, uintptr_t pc, uint64_t id,
                             void (*out)(const char *text))
{
    char line[LINE_BYTES + 64];
    struct text text = text_begin(line, sizeof line);
    text_add(&text, "created by ");
    if (!add_name(t, &text, (struct frame){.pc = pc, .called = true}))
        text_hex(&text, pc);
    if (id) {
        text_add(&text, " in goroutine ");
        text_decimal(&text, id);
    }
    text_char(&text, '\n');
    out(line);
}

SANITIZE_OWNER_DATA_END
