/* SPDX-License-Identifier: Apache-2.0
 * report.c - goroutines as text: what each does or waits for and since when, where it stands, and who started it.
 *
 *   goroutine 7 (worker) [chan receive, 2 minutes, locked to thread]:
 *   0x00007f5a61b0c2d7 waiter_wait+0xf7 (libweft.so.0.1.0+0x132d7)
 *   ...
 *   created by serve+0x2b (server+0x11ab) in goroutine 1
 *
 * Descriptors are type-stable, so all that ever were are passed over. One that doesn't run is unwound from its context; in a
 * blocking section from where that began. Others may go on meanwhile, so its frames count only if neither its
 * state nor its context is another afterwards; a stack that changed under the walk costs at worst a fault, which the trace
 * survives. Of one that runs on another thread there is the header and no trace: the thread would have to make it, in a signal's
 * handler, which may have interrupted whoever holds a lock of the unwinder's. */
#include <string.h>

#include "arch/text.h"
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#define HEADER_BYTES 192
#define LEAVE_NS 100000
#define LEAVE_LOOKS 100

/* What a goroutine is at. */
struct look {
    uint64_t id;
    struct arch_context ctx;
    struct stack *stack;
    uint32_t on_cpu;
    uint8_t state;
};

static struct look look_at(struct g *g)
{
    struct look l = {.id = g->id, .ctx = g->ctx, .stack = g->stack};
    l.on_cpu = atomic_load_acquire(&g->on_cpu);
    l.state = atomic_load_acquire(&g->state);
    return l;
}

/* The same of one that is just about to leave its stack, when it has. */
static struct look look_when_left(struct g *g)
{
    struct look l = look_at(g);
    for (int i = 0; i < LEAVE_LOOKS && l.state == G_PARKED && l.on_cpu == ON_CPU; i++) {
        os_sleep_until(os_now() + LEAVE_NS);
        l = look_at(g);
    }
    return l;
}

/* Whether its stack is nobody's meanwhile. */
static bool stands_still(const struct look *l)
{
    return l->state == G_BLOCKING || l->on_cpu != ON_CPU;
}

static bool same(const struct look *a, const struct look *b)
{
    return a->id == b->id && a->state == b->state && a->on_cpu == b->on_cpu &&
           a->stack == b->stack && memcmp(&a->ctx, &b->ctx, sizeof a->ctx) == 0;
}

static const char *doing(struct g *g, const struct look *l)
{
    unsigned reason = atomic_load_relaxed(&g_waits_with(g)->reason) & WAIT_REASON;
    if (l->state == G_PARKED)
        return sched_debug_reasons[reason < WAIT_REASONS ? reason : WAIT_NONE];
    if (l->state == G_BLOCKING)
        return "blocking";
    return l->on_cpu == ON_CPU ? "running" : "runnable";
}

void report_name(struct text *t, struct g *g)
{
    text_add(t, "goroutine ");
    text_decimal(t, g->id);
    if (g->flags & G_NAMED) {
        text_add(t, " (");
        text_add_printable(t, g->name);
        text_char(t, ')');
    }
}

static void add_header(struct text *t, struct g *g, const char *does, uint64_t minutes)
{
    report_name(t, g);
    text_add(t, " [");
    text_add(t, does);
    if (minutes) {
        text_add(t, ", ");
        text_decimal(t, minutes);
        text_add(t, minutes == 1 ? " minute" : " minutes");
    }
    if (g->flags & G_LOCKED)
        text_add(t, ", locked to thread");
    text_add(t, "]:\n");
}

void report_header_running(struct text *t, struct g *g)
{
    add_header(t, g, "running", 0);
}

struct taking {
    struct sched_trace *trace;
    struct g *g;
    const struct look *look;
    struct stack_origin origin;
};

/* A goroutine gets its stack when it first runs. */
static struct stack_origin origin(const struct g *g, const struct stack *stack)
{
    return stack ? stack->began : g->began;
}

/* Its stack may be unmapped meanwhile, if it is of a size of its own. */
static void take(void *arg)
{
    struct taking *t = arg;
    t->origin = origin(t->g, t->look->stack);
    if (!t->look->stack || t->look->ctx.pc == arch_entry)
        sched_trace_at(t->trace, (uintptr_t)t->g->fn);
    else
        sched_trace_stopped(t->trace, &t->look->ctx);
}

static void give_origin(struct sched_trace *trace, struct stack_origin o, void (*out)(const char *))
{
    if (o.pc)
        sched_trace_give_origin(trace, o.pc, o.id, out);
}

static bool tell(struct sched_trace *trace, struct g *g, bool apart, void (*out)(const char *))
{
    char header[HEADER_BYTES];
    struct look before = look_when_left(g);
    struct taking taking = {.trace = trace, .g = g, .look = &before};
    if (before.state == G_FREE)
        return false;
    uint64_t minutes = before.state == G_PARKED ? g_parked_minutes(g) : 0;
    struct text t = text_begin(header, sizeof header);
    add_header(&t, g, doing(g, &before), minutes);
    bool taken = stands_still(&before) && sched_trace_guard(trace, take, &taking);
    atomic_fence_full(); /* what was read is from before */
    struct look after = look_at(g);
    if (after.state == G_FREE || after.id != before.id)
        return false;
    if (apart)
        out("\n");
    out(header);
    if (taken && same(&before, &after)) {
        sched_trace_give(trace, out);
        give_origin(trace, taking.origin, out);
    } else {
        out("\tgoroutine running on other thread; stack unavailable\n");
    }
    return true;
}

/* ---- all of them, in the order of their ids ----
 * There is no memory to sort a million in, so the next BATCH are taken in each pass over the descriptors. */

#define BATCH 4096

struct entry {
    uint64_t id;
    struct g *g;
};

/* A heap, the last in order on top. */
struct batch {
    size_t n;
    struct entry of[BATCH];
};

static struct batch batch_of_living, batch_of_dying;

struct round {
    struct sched_trace *trace;
    void (*out)(const char *text);
    const struct g *but;
    bool (*wanted)(struct g *g); /* NULL: all */
    bool apart;                  /* a blank line before the next */
    struct batch *batch;
    struct entry told; /* last */
};

static bool comes_before(struct entry a, struct entry b)
{
    return a.id < b.id || (a.id == b.id && a.g < b.g);
}

static void sift_up(struct batch *b, struct entry e)
{
    size_t at = b->n++;
    for (; at > 0 && comes_before(b->of[(at - 1) / 2], e); at = (at - 1) / 2)
        b->of[at] = b->of[(at - 1) / 2];
    b->of[at] = e;
}

/* e takes the place of the top. */
static void sift_down(struct batch *b, struct entry e)
{
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < b->n; at = child) {
        if (child + 1 < b->n && comes_before(b->of[child], b->of[child + 1]))
            child++;
        if (!comes_before(e, b->of[child]))
            break;
        b->of[at] = b->of[child];
    }
    b->of[at] = e;
}

static void gather(void *object, void *arg)
{
    struct round *r = arg;
    struct g *g = object;
    struct entry e = {.id = g->id, .g = g};
    if (atomic_load_relaxed(&g->state) == G_FREE || g == r->but || !comes_before(r->told, e) ||
        (r->wanted && !r->wanted(g)))
        return;
    if (r->batch->n < BATCH)
        sift_up(r->batch, e);
    else if (comes_before(e, r->batch->of[0]))
        sift_down(r->batch, e);
}

static void sort(struct batch *b)
{
    size_t n = b->n;
    while (b->n > 1) {
        struct entry last = b->of[0], e = b->of[--b->n];
        sift_down(b, e);
        b->of[b->n] = last;
    }
    b->n = n;
}

static void tell_all(struct round r)
{
    do {
        r.batch->n = 0;
        slab_for_each(&sched.g_class, gather, &r);
        sort(r.batch);
        for (size_t i = 0; i < r.batch->n; i++) {
            r.told = r.batch->of[i];
            r.apart |= tell(r.trace, r.told.g, r.apart, r.out);
        }
    } while (r.batch->n == BATCH);
}

void report_others(struct sched_trace *trace, const struct g *but, void (*out)(const char *text))
{
    tell_all((struct round){.trace = trace,
                            .out = out,
                            .but = but,
                            .apart = true,
                            .batch = sched_dies_here() ? &batch_of_dying : &batch_of_living});
}

void report_origin(struct sched_trace *trace, struct g *g, void (*out)(const char *text))
{
    give_origin(trace, origin(g, g->stack), out);
}

void report_some(struct sched_trace *trace, bool (*wanted)(struct g *g))
{
    sched_trace_sources(trace);
    tell_all((struct round){
        .trace = trace, .out = os_write_stderr, .wanted = wanted, .batch = &batch_of_living});
}

/* What is left of a run that has ended. */
void report_left(bool (*wanted)(struct g *g))
{
    struct sched_trace *trace;
    while (!(trace = sched_trace_begin(false)))
        os_yield(); /* a foreign thread asks for its own */
    report_some(trace, wanted);
    sched_trace_end(trace);
}

/* ---- weft_stack ---- */

struct asking {
    char *buf;
    size_t n, used;
    bool all;
    uintptr_t from;
    struct sched_trace *trace;
};

static struct text stack_text; /* of who has the trace of the living */

static void add_to_stack_text(const char *text)
{
    text_add(&stack_text, text);
}

static void *answer(void *arg)
{
    struct asking *a = arg;
    struct m *m = m_self();
    struct g *g = m ? m->g : NULL;
    stack_text = text_begin(a->buf, a->n);
    sched_trace_here(a->trace, a->from);
    if (g)
        report_header_running(&stack_text, g);
    else
        text_add(&stack_text, "foreign thread:\n");
    sched_trace_give(a->trace, add_to_stack_text);
    if (g)
        report_origin(a->trace, g, add_to_stack_text);
    if (a->all)
        report_others(a->trace, g, add_to_stack_text);
    a->used = (size_t)(stack_text.at - a->buf);
    return NULL;
}

/* Whoever has it keeps his thread. */
static struct sched_trace *trace_of_living(void)
{
    struct sched_trace *t;
    while (!(t = sched_trace_begin(false)))
        weft_yield();
    return t;
}

size_t sched_stack_text(char *buf, size_t n, bool all, uintptr_t from)
{
    struct asking asking = {.buf = buf, .n = n, .all = all, .from = from};
    if (n == 0)
        return 0;
    asking.trace = trace_of_living(); /* before the hold: an orphan may not come back from it */
    enum run_hold hold = all ? sched_hold_run() : RUN_UNASKED;
    asking.all = hold == RUN_OURS || hold == RUN_HELD;
    if (asking.all)
        freeze(false);
    struct m *m = m_self();
    if (m && m->g)
        m_call(m, m->g, answer, &asking);
    else
        answer(&asking);
    if (asking.all)
        thaw(false);
    sched_release_run(hold);
    sched_trace_end(asking.trace);
    return asking.used;
}

SANITIZE_OWNER_DATA_END
