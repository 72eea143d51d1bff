/* SPDX-License-Identifier: Apache-2.0
 * stall.c - telling of goroutines that keep a processor for long: WEFT_STALL_MS.
 *
 *   weft: P 0 has been held by goroutine 17 (worker) for 230 ms at crunch.c:31, crunch+0x1f (server+0x11ff),
 *   started as serve+0x0 (server+0x1139)
 *
 * That is when there was no pick on the P for so long, by the clock: it computes, or waits in the kernel outside
 * of weft_blocking. One that calls weft isn't told: whoever has had a P from one look of sysmon's to the next is
 * asked to give way, whether others wait or not, and its next call, or the end of its next blocking section,
 * makes a pick.
 *
 * The time begins after sysmon has asked and ends before it sees the same pick again: none is told that was shorter.
 * (One section may be in it, if sysmon missed it all and comes back between its end and the pick.) A stall is told
 * again when it has lasted twice as long, and all together at most LINES_MAX a second.
 *
 * Who it is is read from the M and the goroutine while they run. What is read is used only if the P's picks are still the
 * same afterwards; descriptors are type-stable. Where it is, its thread is asked (arch/probe.h), which may
 * not answer: then the place is left out. What reads the debug information is loaded as the run begins: sysmon must not wait
 * for the loader's lock, which a goroutine may hold for long (dlopen of what has a constructor). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/probe.h"
#include "arch/source.h"
#include "arch/symbol.h"
#include "arch/text.h"
#include "runtime/sched/internal.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)
#define MS_MAX 86400000 /* a day */
#define LINES_MAX 10
#define ANSWER_NS (20 * NS_PER_MS)
#define LINE_BYTES 640

SANITIZE_OWNER_DATA_BEGIN

static struct {
    int64_t second; /* when it began */
    unsigned lines; /* in it */
} told;

int stall_set_up(void)
{
    const char *text = getenv("WEFT_STALL_MS");
    char *end = NULL;
    sched.stall_ns = 0;
    if (!text || !*text)
        return 0;
    long ms = strtol(text, &end, 10);
    if (*end || ms < 0 || ms > MS_MAX) {
        os_write_stderr(
            "weft: WEFT_STALL_MS: not a number of milliseconds from 1 to 86400000 (0: off)\n");
        return -EINVAL;
    }
    sched.stall_ns = ms * NS_PER_MS;
    return 0;
}

void stall_begin(void)
{
    if (!sched.stall_ns)
        return;
    os_source_prepare();
    if (os_probe_begin())
        os_write_stderr("weft: WEFT_STALL_MS: no signal is free: reports are without places\n");
}

void stall_end(void)
{
    if (sched.stall_ns)
        os_probe_end();
}

/* The M that runs a goroutine on p; NULL: none does. */
static struct m *holder_of(struct p *p)
{
    struct m *m = atomic_load_acquire(&p->last_m);
    return m && !p_is_idle(p) && m->p == p && m->g ? m : NULL;
}

/* Who had it, if he still has. */
struct held {
    struct m *m;
    uint64_t id;
    weft_fn fn;
    char name[NAME_BYTES]; /* "": none */
};

static bool still_holds(struct p *p)
{
    atomic_fence_full(); /* what was read before is from before the picks */
    return p_picks(p) == p->stall.picks;
}

static bool read_holder(struct p *p, struct held *h)
{
    h->m = holder_of(p);
    struct g *g = h->m ? h->m->g : NULL;
    if (!g)
        return false;
    h->id = g->id;
    h->fn = g->fn;
    h->name[0] = '\0';
    if (g->flags & G_NAMED)
        memcpy(h->name, g->name, NAME_BYTES);
    h->name[NAME_BYTES - 1] = '\0';
    return still_holds(p);
}

static bool may_tell(int64_t now)
{
    if (now - told.second >= NS_PER_S) {
        told.second = now;
        told.lines = 0;
    }
    return told.lines++ < LINES_MAX;
}

static void add_holder(struct text *t, const struct held *h)
{
    text_decimal(t, h->id);
    if (h->name[0]) {
        text_add(t, " (");
        text_add_printable(t, h->name);
        text_char(t, ')');
    }
}

static void report(struct p *p, int64_t held_ns)
{
    struct held h;
    uintptr_t pc;
    char line[LINE_BYTES];
    if (!read_holder(p, &h))
        return;
    struct text t = text_begin(line, sizeof line);
    text_add(&t, "weft: P ");
    text_decimal(&t, p->index);
    text_add(&t, " has been held by goroutine ");
    add_holder(&t, &h);
    text_add(&t, " for ");
    text_decimal(&t, (uint64_t)(held_ns / NS_PER_MS));
    text_add(&t, " ms");
    if (os_probe(atomic_load_relaxed(&h.m->thread_id), os_now() + ANSWER_NS, &pc) &&
        still_holds(p)) {
        text_add(&t, " at ");
        os_place_add(&t, pc, false);
    }
    text_add(&t, ", started as ");
    if (!os_symbol_add(&t, (uintptr_t)h.fn, false))
        text_hex(&t, (uintptr_t)h.fn);
    text_char(&t, '\n');
    os_source_forget();
    os_symbol_forget();
    if (!sched_is_dying())
        os_write_stderr(line);
}

void stall_look(struct p *p)
{
    struct stall *s = &p->stall;
    int64_t now = os_now(); /* before the look at the picks */
    uint64_t picks = p_picks(p);
    if (!holder_of(p) || picks != s->picks) {
        s->picks = picks;
        s->since = 0;
        return;
    }
    if (s->since == 0) {
        p_ask_holder(p, ASKED_TO_YIELD);
        s->since = os_now();
        s->report_at = s->since + sched.stall_ns;
        return;
    }
    if (now < s->report_at)
        return;
    int64_t held_ns = now - s->since;
    s->report_at = s->since + 2 * held_ns;
    if (may_tell(now))
        report(p, held_ns);
}

SANITIZE_OWNER_DATA_END
