/* SPDX-License-Identifier: Apache-2.0
 * partial.c - WEFT_DEADLOCK=partial: goroutines that wait for what no other can reach any more, while others go on.
 *
 *   weft: 2 goroutines wait for ever, as nobody else can reach what they wait for:
 *     goroutine 7 (worker) [chan receive] 0x7f3a5c000b40, known to goroutine 9
 *     goroutine 9 [chan send] 0x7f3a5c000c00, known to goroutine 7
 *
 * After GOLF (Saioc et al., ASPLOS 2025): a goroutine that waits is alive only if what could wake it is reachable from those that are,
 * and what is on its stack is reachable from then on. Where GOLF asks a garbage collector, all memory is read here (reach.c), with
 * every word taken for a pointer and the whole heap for reachable. So what it tells is certain, but for addresses that the program
 * keeps in no memory of its own (in the kernel) or not as they are. Much it can't see: docs/reports.md.
 *
 * What could end a wait, where no deadline can:
 *   of a channel       whoever has an address within it
 *   of a Once          the one whose function runs, who has its address in a frame
 *   of other objects   whoever has an address on the stack that the object lies on. One elsewhere counts as reachable: its block's bounds
 *                      aren't known, or the program's code has its address
 *   no channel         nobody
 *
 * That needs a moment in which nobody runs. Goroutines are held (freeze.c), and it is one if each P that isn't idle is held by an M that
 * waits for the end of that, no goroutine is in a blocking section, each that isn't parked is in a queue, and the process has no threads
 * but the Ms and this one. Then all registers of goroutines are on their stacks. It must be so before and after, with no pick in
 * between: an M that is woken meanwhile comes to wait, too, before it runs a timer or a goroutine. Foreign threads that wait
 * inside weft for ever stand against it as well: their registers aren't in memory.
 *
 * One that has been woken, but not run, is still G_PARKED: it is in a queue. What is in waiters' records isn't the program's
 * memory; nor are the stacks of Ms, whose frames are all ours then, and the descriptors of goroutines, but for the arguments.
 *
 * At most a hundredth of the time is spent so. Nothing is looked for again before something has run. Rejected: to go by the
 * reference counts alone, for a call may be covered by another's reference (docs/decisions.md). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/text.h"
#include "runtime/hooks.h"
#include "runtime/sched/internal.h"
#include "runtime/sched/reach.h"

#ifdef WEFT_TEST_BUILD
#define SHARE 4
#define EVERY_NS INT64_C(5000000)
#else
#define SHARE 100 /* of the time */
#define EVERY_NS INT64_C(100000000)
#endif
#define EVERY_MAX_NS INT64_C(5000000000)
#define STILL_NS 2000000
#define TOLD_MAX 50 /* in one report */
#define KNOWN_MAX 8 /* to so many goroutines */

SANITIZE_OWNER_DATA_BEGIN

/* One that is to be told of. */
struct told {
    struct g *g;
    uint32_t index; /* see node_of_life() */
    uint64_t known_to[KNOWN_MAX];
    unsigned n_known;
};

static struct {
    bool on;
    int64_t due, every_ns;
    bool settled; /* all has been told of what there was when that many picks had been made */
    uint64_t picks;
    _Atomic(uint64_t) looks; /* that came to an end */
    size_t n_told;
    struct told told[TOLD_MAX];
} partial;

int partial_set_up(void)
{
    const char *text = getenv("WEFT_DEADLOCK");
    partial.on = text && strcmp(text, "partial") == 0;
    partial.due = 0;
    partial.every_ns = EVERY_NS;
    partial.settled = false;
    if (!text || !*text || partial.on || strcmp(text, "global") == 0)
        return 0;
    os_write_stderr("weft: WEFT_DEADLOCK: not one of global, partial\n");
    return -EINVAL;
}

bool sched_looks_for_partial(void)
{
    return partial.on;
}

uint64_t weft_priv_partial_looks(void)
{
    return atomic_load_acquire(&partial.looks);
}

/* ---- one look ---- */

struct look {
    struct reach *r;
    struct g **queued; /* sorted */
    size_t n_queued, room;
    size_t objects, goroutines,
        alive_queued; /* descriptors, those in use, and of these in queues */
    size_t alive;
    uint32_t index; /* of the goroutine that a pass is at */
    bool blocking, untold;
};

/* Two nodes a goroutine: it may run again; what is on its stack may be used. The former leads to the latter. */
static uint32_t node_of_life(uint32_t index)
{
    return 2 * index;
}

static uint32_t node_of_stack(uint32_t index)
{
    return 2 * index + 1;
}

static enum wait_reason reason_of(struct g *g)
{
    return atomic_load_relaxed(&g_waits_with(g)->reason) & WAIT_REASON;
}

static bool was_told(struct g *g)
{
    return atomic_load_relaxed(&g_waits_with(g)->reason) & WAIT_TOLD;
}

static void count(void *object, void *arg)
{
    struct look *l = arg;
    struct g *g = object;
    uint8_t state = atomic_load_acquire(&g->state);
    l->objects++;
    l->goroutines += state != G_FREE;
    l->alive += state == G_ALIVE;
    l->blocking |= state == G_BLOCKING;
    l->untold |= state == G_PARKED && !was_told(g);
}

/* ---- a moment in which nobody runs ---- */

/* Its own threads, this one included; or -1: some M is in a blocking section or runs a goroutine, or is an orphan. */
static int threads_at_rest(void)
{
    int n = 1;
    for (unsigned i = 0, made = atomic_load_acquire(&sched.ms_made); i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        uint32_t state = m ? atomic_load_acquire(&m->state) : M_FREE;
        if (state == M_CALLING || state >= M_ORPHAN || (state == M_RUNNING && m->g))
            return -1;
        n += state == M_RUNNING;
    }
    return n;
}

static bool is_still(void)
{
    uint64_t word = atomic_load_acquire(&sched.word);
    for (unsigned i = 0, made = ps_made(); i < made; i++)
        if (p_is_retiring(sched.ps[i]))
            return false;
    int threads = threads_at_rest();
    return !(word & WORD_STOP) && !sched.orphans && threads > 0 &&
           (word & WORD_IDLE_MASK) + freeze_holds() >= atomic_load_relaxed(&sched.procs) &&
           !os_threads_exceed(threads);
}

static bool comes_to_rest(void)
{
    int64_t deadline = os_now() + STILL_NS;
    while (!is_still()) {
        if (os_now() >= deadline)
            return false;
        os_sleep_until(os_now() + STILL_NS / 40);
    }
    return true;
}

/* ---- who is in a queue ---- */

static void add_queued(struct look *l, struct g *g)
{
    if (g && l->n_queued < l->room)
        l->queued[l->n_queued++] = g;
}

static int by_address(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_queued(const struct look *l, struct g *g)
{
    return bsearch(&g, l->queued, l->n_queued, sizeof(struct g *), by_address);
}

/* More than there can be, if each is in one. */
static bool make_room_for_queued(struct look *l)
{
    l->room = l->objects + 1;
    l->queued = os_map(l->room * sizeof(struct g *));
    return l->queued;
}

static void note_queued(struct look *l)
{
    for (unsigned i = 0, made = ps_made(); i < made; i++) {
        struct p *p = sched.ps[i];
        struct deque_array *a = atomic_load_acquire(&p->runq.array);
        uint64_t head = atomic_load_acquire(&p->runq.head), n = deque_size(&p->runq);
        for (uint64_t at = head; at < head + n; at++)
            add_queued(l, atomic_load_relaxed(&a->slots[at & a->mask]));
        add_queued(l, atomic_load_acquire(&p->next));
    }
    for (struct g *g = atomic_load_acquire(&sched.injected); g; g = g->next)
        add_queued(l, g);
    for (unsigned i = 0, made = atomic_load_acquire(&sched.ms_made); i < made; i++)
        add_queued(l, atomic_load_acquire(&sched.ms[i]) ? sched.ms[i]->refused : NULL);
    qsort(l->queued, l->n_queued, sizeof(struct g *), by_address);
}

/* ---- what there is to be reached ---- */

static void skip(const void *block, size_t bytes, void *arg)
{
    reach_skip(arg, block, bytes);
}

static void skip_runtime(struct reach *r)
{
    slab_each_block(&sched.g_class, skip, r);
    waiter_each_block(skip, r);
    stack_each_block(&sched.stack_class, skip, r);
    for (unsigned i = 0, made = atomic_load_acquire(&sched.ms_made); i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        if (m)
            reach_skip(r, m, sizeof *m); /* in which contexts are that are over */
        if (m && atomic_load_acquire(&m->state) == M_RUNNING && m->stack_low)
            reach_skip(r, m->stack_low, (size_t)(m->stack_used - m->stack_low));
    }
    if (sched.main_stack)
        reach_skip(r, sched.main_stack->low, sched.main_stack->bytes); /* main may have left it */
}

static void add_goroutine(void *object, void *arg)
{
    struct look *l = arg;
    struct g *g = object;
    uint8_t state = atomic_load_acquire(&g->state);
    if (state == G_FREE)
        return;
    uint32_t life = reach_node(l->r), stack = reach_node(l->r);
    reach_edge(l->r, life, stack);
    reach_key(l->r, stack, g->inline_arg, sizeof g->inline_arg);
    reach_area(l->r, stack, g->inline_arg, sizeof g->inline_arg);
    if (g->stack) {
        char *sp = (char *)g->ctx.sp;
        size_t used = (size_t)((char *)stack_top(g->stack) - sp);
        reach_key(l->r, stack, sp, used);
        reach_area(l->r, stack, sp, used);
        reach_area(l->r, stack, &g->ctx, sizeof g->ctx);
        reach_skip(l->r, g->stack->low, g->stack->bytes);
    }
    if (state != G_PARKED)
        reach_area(l->r, life, &g->arg, sizeof g->arg); /* it may not have begun */
    l->alive_queued += state == G_ALIVE && is_queued(l, g);
}

/* ---- what they wait for ---- */

static void add_chan(const void *chan, size_t bytes, void *arg)
{
    struct look *l = arg;
    uint32_t node = reach_node(l->r);
    reach_key_and_area(l->r, node, chan, bytes);
    reach_edge(l->r, node, node_of_life(l->index));
}

/* False: by what it may be woken isn't known. */
static bool add_object(struct look *l, const void *object)
{
    uint32_t stack = reach_node_at(l->r, object);
    if (stack != REACH_NONE)
        reach_edge(l->r, stack, node_of_life(l->index));
    return stack != REACH_NONE;
}

static void add_once(struct look *l, const void *once)
{
    if (add_object(l, once))
        return;
    uint32_t node = reach_node(l->r);
    reach_skip(l->r, once, sizeof(uint64_t)); /* it leads to those who wait */
    reach_key(l->r, node, once, sizeof(uint64_t));
    reach_edge(l->r, node, node_of_life(l->index));
}

/* Of one that is parked. False: by what it may be woken isn't known. */
static bool add_wait(struct look *l, struct g *g)
{
    struct waiter *w = g_waits_with(g);
    enum wait_reason reason = reason_of(g);
    const void *once = reason == WAIT_MUTEX_LOCK ? once_waits_for(w) : NULL;
    switch (reason) {
    case WAIT_WAITGROUP:
    case WAIT_MUTEX_LOCK:
    case WAIT_RWMUTEX_RLOCK:
    case WAIT_RWMUTEX_LOCK:
    case WAIT_COND:
    case WAIT_SEM:
        if (w != &g->waiter || w->cancellable)
            return false;
        if (once)
            add_once(l, once);
        if (once || (reason == WAIT_SEM && !w->unlink)) /* for more units than there are */
            return true;
        return w->unlink && add_object(l, w->object);
    default:
        return chan_waits_for(w, reason, add_chan, l);
    }
}

static bool may_be_stuck(const struct look *l, struct g *g)
{
    return atomic_load_acquire(&g->state) == G_PARKED && !(g->flags & G_LOCKED) &&
           g_waits_with(g)->g == g && atomic_load_acquire(&g->on_cpu) != ON_CPU && !is_queued(l, g);
}

static void add_its_wait(void *object, void *arg)
{
    struct look *l = arg;
    struct g *g = object;
    if (atomic_load_acquire(&g->state) == G_FREE)
        return;
    if (!may_be_stuck(l, g) || !add_wait(l, g))
        reach_root(l->r, node_of_life(l->index));
    l->index++;
}

static void each_goroutine(struct look *l, void (*fn)(void *object, void *arg))
{
    l->index = 0;
    slab_for_each(&sched.g_class, fn, l);
}

/* ---- what has been found ---- */

/* That no channel is there is often meant: main, or a server's, that waits in a select of no cases. */
static void find_stuck(void *object, void *arg)
{
    struct look *l = arg;
    struct g *g = object;
    if (atomic_load_acquire(&g->state) == G_FREE)
        return;
    uint32_t index = l->index++;
    l->alive += reach_is_reached(l->r, node_of_life(index));
    if (!reach_is_reached(l->r, node_of_life(index)) && reason_of(g) != WAIT_SELECT_NONE &&
        !was_told(g) && partial.n_told < TOLD_MAX)
        partial.told[partial.n_told++] = (struct told){.g = g, .index = index};
}

static void note_known(uint32_t life, void *arg)
{
    const struct g *knows = arg;
    for (size_t i = 0; i < partial.n_told; i++) {
        struct told *t = &partial.told[i];
        bool noted = t->g == knows || node_of_life(t->index) != life || t->n_known == KNOWN_MAX;
        for (unsigned j = 0; !noted && j < t->n_known; j++)
            noted = t->known_to[j] == knows->id;
        if (!noted)
            t->known_to[t->n_known++] = knows->id;
    }
}

static void note_who_knows(struct reach *r)
{
    for (size_t i = 0; i < partial.n_told; i++)
        reach_each_by(r, node_of_stack(partial.told[i].index), note_known, partial.told[i].g);
}

static void mark_told(struct g *g)
{
    struct waiter *w = g_waits_with(g);
    atomic_or_acq_rel(&w->reason, WAIT_TOLD);
}

/* ---- telling ---- */

static bool is_told_now(struct g *g)
{
    for (size_t i = 0; i < partial.n_told; i++)
        if (partial.told[i].g == g)
            return true;
    return false;
}

static void add_chan_to_text(const void *chan, size_t bytes, void *arg)
{
    struct text *t = arg;
    (void)bytes;
    text_char(t, ' ');
    text_hex(t, (uintptr_t)chan);
}

static void add_objects(struct text *t, struct g *g)
{
    struct waiter *w = g_waits_with(g);
    enum wait_reason reason = reason_of(g);
    if (chan_waits_for(w, reason, add_chan_to_text, t) || !w->unlink)
        return;
    text_char(t, ' ');
    text_hex(t, (uintptr_t)w->object);
}

static void tell_one(const struct told *told)
{
    char line[512];
    struct text t = text_begin(line, sizeof line - 1);
    text_add(&t, "  ");
    report_name(&t, told->g);
    text_add(&t, " [");
    text_add(&t, sched_debug_reasons[reason_of(told->g)]);
    text_char(&t, ']');
    add_objects(&t, told->g);
    if (told->n_known)
        text_add(&t, told->n_known == 1 ? ", known to goroutine " : ", known to goroutines ");
    for (unsigned i = 0; i < told->n_known; i++) {
        text_add(&t, i ? ", " : "");
        text_decimal(&t, told->known_to[i]);
    }
    t.last++;
    text_char(&t, '\n');
    os_write_stderr(line);
}

static void tell(struct sched_trace *trace)
{
    char line[128];
    bool one = partial.n_told == 1;
    struct text t = text_begin(line, sizeof line);
    text_add(&t, "weft: ");
    text_decimal(&t, partial.n_told);
    text_add(&t, one ? " goroutine waits for ever, as nobody else can reach what it waits for:\n"
                     : " goroutines wait for ever, as nobody else can reach what they wait for:\n");
    os_write_stderr(line);
    for (size_t i = 0; i < partial.n_told; i++)
        tell_one(&partial.told[i]);
    os_write_stderr("\n");
    report_some(trace, is_told_now);
    os_write_stderr("\n");
}

/* ---- all of it ---- */

/* What is found is told when the others go on. */
static __attribute__((noinline)) int look_while_still(struct look *l)
{
    uint64_t picks = sched_picks();
    l->objects = l->alive = 0;
    l->blocking = false;
    each_goroutine(l, count);
    size_t alive = l->alive;
    l->r = l->blocking || !make_room_for_queued(l) ? NULL : reach_begin(l->objects);
    if (!l->r)
        return -EAGAIN;
    note_queued(l);
    skip_runtime(l->r);
    reach_skip(l->r, l->queued, l->room * sizeof(struct g *));
    each_goroutine(l, add_goroutine);
    if (l->alive_queued != alive)
        return -EAGAIN; /* somebody is on the way, where it isn't seen */
    each_goroutine(l, add_its_wait);
    int rc = reach_all(l->r, __builtin_frame_address(0));
    if (rc || !is_still() || sched_picks() != picks)
        return rc ? rc : -EAGAIN;
    l->alive = 0;
    each_goroutine(l, find_stuck);
    if (l->alive == 0)
        partial.n_told = 0; /* it is everybody: deadlock.c sees that, or there is hope */
    note_who_knows(l->r);
    for (size_t i = 0; i < partial.n_told; i++)
        mark_told(partial.told[i].g);
    partial.picks = picks;
    return 0;
}

/* Registers that the callers want back are in this frame then. */
static __attribute__((noinline)) int look_from_here(struct look *l)
{
    __builtin_unwind_init();
    int rc = look_while_still(l);
    __asm__ volatile("" : "+r"(rc) : : "memory"); /* the call is no jump */
    return rc;
}

static int look(void)
{
    struct look l = {0};
    int threads = threads_known();
    partial.n_told = 0;
    partial.picks = sched_picks();
    each_goroutine(&l, count);
    if (!l.untold)
        return 0;
    struct sched_trace *trace =
        l.blocking || os_threads_exceed(threads) ? NULL : sched_trace_begin(false);
    if (!trace)
        return -EAGAIN;
    freeze(false);
    int rc = freeze_is_on() && comes_to_rest() ? look_from_here(&l) : -EAGAIN;
    thaw(false);
    if (l.r)
        reach_end(l.r);
    if (l.queued)
        os_unmap(l.queued, l.room * sizeof(struct g *));
    if (!rc && partial.n_told)
        tell(trace);
    sched_trace_end(trace);
    return rc;
}

int64_t partial_due(void)
{
    return partial.on ? partial.due : OS_FOREVER;
}

void partial_step(int64_t now)
{
    if (likely(!partial.on))
        return;
    if (partial.settled && sched_picks() == partial.picks) {
        partial.due = OS_FOREVER;
        return;
    }
    if (partial.due == OS_FOREVER)
        partial.due = now + partial.every_ns;
    if (now < partial.due)
        return;
    int rc = look();
    int64_t end = os_now(), share = SHARE * (end - now);
    bool more = partial.n_told == TOLD_MAX;
    partial.settled = !rc && !more;
    partial.every_ns = !rc ? EVERY_NS : 2 * partial.every_ns;
    if (partial.every_ns > EVERY_MAX_NS)
        partial.every_ns = EVERY_MAX_NS;
    partial.due = end + (share > partial.every_ns ? share : partial.every_ns);
    if (!rc)
        atomic_add_acq_rel(&partial.looks, 1);
}

SANITIZE_OWNER_DATA_END
