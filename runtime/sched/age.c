/* SPDX-License-Identifier: Apache-2.0
 * age.c - for how many minutes goroutines have been waiting.
 *
 * To park reads no clock. Sysmon passes over all goroutines now and then, with the time: one that it finds parked gets
 * that as parked_since, and then WAIT_SEEN beside its reason. To park again stores a reason without it, so what is told
 * is never more than the truth, and less by AGE_EVERY_NS at most, or by what sysmon was late. It costs parking
 * nothing: the reason is stored anyway. (Go's garbage collector notes the time in passing.)
 *
 * Nobody ages while everything is idle, and needs to: sysmon sleeps only when it has passed once since. */
#include "runtime/sched/internal.h"

SANITIZE_OWNER_DATA_BEGIN

#define MINUTE_NS (INT64_C(60) * 1000000000)

static void pass(void *object, void *arg)
{
    struct g *g = object;
    const int64_t *now = arg;
    if (atomic_load_relaxed(&g->state) != G_PARKED)
        return;
    struct waiter *w = g_waits_with(g);
    uint8_t reason = atomic_load_relaxed(&w->reason);
    if (reason & WAIT_SEEN)
        return;
    atomic_store_relaxed(&g->parked_since, *now);
    uint8_t seen = reason | WAIT_SEEN;
    bool marked = atomic_cas_acq_rel(&w->reason, &reason, seen); /* pairs with g_parked_minutes() */
    if (marked && g_waits_with(g) != w) /* a record that is another's by now */
        atomic_cas_acq_rel(&w->reason, &seen, reason);
}

void age_pass(int64_t now)
{
    slab_for_each(&sched.g_class, pass, &now);
}

/* Of one that is parked. */
uint64_t g_parked_minutes(struct g *g)
{
    if (!(atomic_load_acquire(&g_waits_with(g)->reason) & WAIT_SEEN)) /* pairs with pass() */
        return 0;
    int64_t ns = os_now() - atomic_load_relaxed(&g->parked_since);
    return ns > 0 ? (uint64_t)(ns / MINUTE_NS) : 0;
}

SANITIZE_OWNER_DATA_END
