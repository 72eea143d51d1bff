/* SPDX-License-Identifier: Apache-2.0
 * held.c - a goroutine that waits while it holds a pthread mutex is told of, in the test build (docs/debugging.md).
 *
 * The mutex is its thread's: the goroutine may go on on another one, which then unlocks what it hasn't locked; and who asks for
 * the mutex in the meantime stops a whole processor, maybe the one that would have to wake it. Nothing is told of a goroutine that is
 * locked to its thread, as long as it is. Each place that locks is told once. A yield isn't told, but may bring the goroutine to another
 * thread; who unlocks there has still left the first one with the entry, so it is told when it waits on that. */
#include "arch/held.h"

#include <weft/go.h>

#include "arch/source.h"
#include "arch/text.h"
#include "runtime/sched/internal.h"

#define PLACES 256

struct telling {
    struct g *g;
    const struct os_held *held;
    uintptr_t from;
};

static bool is_first(uintptr_t site)
{
    static _Atomic(uintptr_t) told[PLACES];
    for (unsigned i = 0; i < PLACES; i++) {
        uintptr_t other = 0;
        if (atomic_cas_acq_rel(&told[i], &other, site))
            return true;
        if (other == site)
            return false;
    }
    return false;
}

/* On the thread's own stack: what reads debug information needs a large one. */
static void *tell(void *arg)
{
    const struct telling *what = arg;
    char line[512];
    struct text t = text_begin(line, sizeof line);
    struct sched_trace *trace;
    while (!(trace = sched_trace_begin(false)))
        os_yield();
    sched_trace_sources(trace);
    text_add(&t,
             "weft: a goroutine waits with a pthread mutex held (or unlocked on another thread), ");
    text_hex(&t, (uintptr_t)what->held->mutex);
    text_add(&t, ", taken at ");
    os_place_add(&t, what->held->site, true);
    text_char(&t, '\n');
    report_header_running(&t, what->g);
    os_write_stderr(line);
    sched_trace_here(trace, what->from);
    sched_trace_give(trace, os_write_stderr);
    sched_trace_end(trace);
    return NULL;
}

__attribute__((noinline)) void held_check(struct m *m, struct g *g)
{
    struct os_held held;
    struct telling what = {.g = g, .held = &held, .from = (uintptr_t)__builtin_return_address(0)};
    if (g->flags & G_LOCKED)
        return;
    int error = *m->errno_location;
    while (os_held_take(g->id, &held))
        if (is_first(held.site))
            m_call(m, g, tell, &what);
    *m->errno_location = error;
}

__attribute__((constructor)) static void install(void)
{
    atomic_store_relaxed(&os_held_owner, weft_self);
}
