/* SPDX-License-Identifier: Apache-2.0
 * debugger.c - where a debugger finds goroutines in a process or core file, in a library without debug
 * information too: scripts/weft-gdb.py looks these tables up by their symbols. Entries that it doesn't know
 * don't disturb it, and what it misses it reports, so fields may come and go. */
#include "runtime/sched/internal.h"

#define FIELD(type, field)                                                                         \
    {#type "." #field, offsetof(struct type, field), sizeof(__typeof__(((struct type *)0)->field))}
#define CONSTANT(name) {#name, name, 0}

__attribute__((used)) const struct sched_layout sched_debug_layout[] = {
    FIELD(g, ctx.sp),
    FIELD(g, ctx.pc),
    FIELD(g, ctx.fp),
    FIELD(g, on_cpu),
    FIELD(g, state),
    FIELD(g, flags),
    FIELD(g, stack),
    FIELD(g, fn),
    FIELD(g, id),
    FIELD(g, waiter.reason),
    FIELD(g, waiting),
    FIELD(g, name),
    FIELD(waiter, reason),
    FIELD(slab, next),
    FIELD(slab, carved),
    FIELD(m, g),
    FIELD(m, thread),
    FIELD(m, calling),
    FIELD(m, state),
    FIELD(sched, g_class.slabs),
    FIELD(sched, g_class.object_bytes),
    FIELD(sched, ms),
    FIELD(sched, ms_made),
    CONSTANT(CACHE_LINE), /* a slab's header */
    CONSTANT(G_FREE),
    CONSTANT(G_PARKED),
    CONSTANT(G_BLOCKING),
    CONSTANT(G_NAMED),
    CONSTANT(M_CALLING),
    CONSTANT(WAIT_REASON),
    {"", 0, 0},
};

__attribute__((used)) struct sched *const sched_debug_root = &sched;

/* By enum wait_reason. */
__attribute__((used)) const char sched_debug_reasons[][32] = {
    [WAIT_NONE] = "?",
    [WAIT_SLEEP] = "sleep",
    [WAIT_WAITGROUP] = "sync.WaitGroup.Wait",
    [WAIT_GATE] = "gate",
    [WAIT_CHAN_RECV] = "chan receive",
    [WAIT_CHAN_SEND] = "chan send",
    [WAIT_CHAN_RECV_NIL] = "chan receive (nil chan)",
    [WAIT_CHAN_SEND_NIL] = "chan send (nil chan)",
    [WAIT_SELECT] = "select",
    [WAIT_SELECT_NONE] = "select (no cases)",
    [WAIT_MUTEX_LOCK] = "sync.Mutex.Lock",
    [WAIT_RWMUTEX_RLOCK] = "sync.RWMutex.RLock",
    [WAIT_RWMUTEX_LOCK] = "sync.RWMutex.Lock",
    [WAIT_COND] = "sync.Cond.Wait",
    [WAIT_SEM] = "semacquire",
    [WAIT_SELECT_UNTIL] = "select",
};

__attribute__((used)) const uint32_t sched_debug_reason_count =
    sizeof sched_debug_reasons / sizeof sched_debug_reasons[0];
