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
 * Signal handlers run all the same, and other processes that share memory, and may move an address from where it hasn't been read yet
 * to where it has. So only what two looks find alike is told: it makes that less likely, not impossible.
 *
 * At most a hundredth of the time is spent so. Nothing is looked for again before something has run. Rejected: to go by the
 * reference counts alone, for a call may be covered by another's reference (docs/decisions.md). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "arch/text.h"
#include "runtime/hooks.h"
#include "runtime/sched/partial.h"

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
    size_t n_told, n_found;
    struct told told[TOLD_MAX];
    struct g *found[TOLD_MAX]; /* by the first of two looks */
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

/* ---- a moment in which nobody runs ---- */

/* Its own threads, this one included; or -1: some M is in a blocking section or runs a goroutine, is an orphan, or its thread has not
 * begun or is about to end, and runs the program's destructors then. */
static int threads_at_rest(void)
{
    int n = 1;
    for (unsigned i = 0, made = atomic_load_acquire(&sched.ms_made); i < made; i++) {
        struct m *m = atomic_load_acquire(&sched.ms[i]);
        uint32_t state = m ? atomic_load_acquire(&m->state) : M_FREE;
        if (state == M_CALLING || state >= M_ORPHAN)
            return -1;
        if (state == M_RUNNING && (m->g || m->ends || !atomic_load_relaxed(&m->thread_id)))
            return -1;
        n += state == M_RUNNING;
    }
    return n;
}

static bool is_still(void)
{
    for (unsigned i = 0, made = ps_made(); i < made; i++)
        if (p_is_retiring(sched.ps[i]))
            return false;
    int threads = threads_at_rest();
    if (sched.orphans || threads < 0 || os_threads_exceed(threads))
        return false;
    uint64_t word = atomic_load_acquire(&sched.word); /* last: who is held then does nothing more */
    return !(word & WORD_STOP) &&
           (word & WORD_IDLE_MASK) + freeze_holds() >= atomic_load_relaxed(&sched.procs);
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

/* ---- what has been found ---- */

/* That no channel is there is often meant: main, or a server's, that waits in a select of no cases. */
static void find_stuck(struct g *g, struct look *l)
{
    bool lives = reach_is_reached(l->r, node_of_life(l->index));
    l->alive += lives;
    if (!lives && reason_of(g) != WAIT_SELECT_NONE && !was_told(g) && partial.n_told < TOLD_MAX)
        partial.told[partial.n_told++] = (struct told){.g = g, .index = l->index};
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
    int rc = look_gather(l);
    if (!rc)
        rc = reach_all(l->r, __builtin_frame_address(0));
    if (!rc && (!is_still() || sched_picks() != picks))
        rc = -EAGAIN;
    if (rc)
        return rc;
    l->alive = 0;
    look_each(l, find_stuck);
    if (l->alive == 0)
        partial.n_told = 0; /* it is everybody: deadlock.c sees that, or there is hope */
    note_who_knows(l->r);
    partial.picks = picks;
    return 0;
}

/* The registers that callers want back are in this frame then, which is read. */
static __attribute__((noinline)) int look_from_here(struct look *l)
{
    __builtin_unwind_init();
    int rc = look_while_still(l);
    look_end(l); /* so the call is no jump */
    return rc;
}

static bool found_alike(void)
{
    bool alike = partial.n_told == partial.n_found;
    for (size_t i = 0; alike && i < partial.n_told; i++)
        alike = partial.told[i].g == partial.found[i];
    return alike;
}

static int look_twice(struct look *l)
{
    int rc = look_from_here(l);
    if (rc || !partial.n_told)
        return rc;
    partial.n_found = partial.n_told;
    for (size_t i = 0; i < partial.n_found; i++)
        partial.found[i] = partial.told[i].g;
    partial.n_told = 0;
    *l = (struct look){0};
    rc = look_from_here(l);
    if (!rc && !found_alike())
        rc = -EAGAIN;
    for (size_t i = 0; !rc && i < partial.n_told; i++)
        mark_told(partial.told[i].g);
    return rc;
}

static int look(void)
{
    struct look l = {0};
    int threads = threads_known(), rc = -EAGAIN;
    partial.n_told = 0;
    partial.picks = sched_picks();
    look_count(&l);
    if (!l.untold)
        return 0;
    struct sched_trace *trace =
        l.blocking || os_threads_exceed(threads) ? NULL : sched_trace_begin(false);
    if (!trace)
        return rc;
    freeze(false);
    if (freeze_is_on() && comes_to_rest())
        rc = look_twice(&l);
    thaw(false);
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
