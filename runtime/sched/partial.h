/* SPDX-License-Identifier: Apache-2.0
 * partial.h - one look for partial deadlocks: between partial.c, which decides when and tells, and partial_graph.c. */
#ifndef WEFT_SCHED_PARTIAL_H
#define WEFT_SCHED_PARTIAL_H

#include "runtime/sched/internal.h"
#include "runtime/sched/reach.h"

SANITIZE_OWNER_DATA_BEGIN

struct look {
    struct reach *r;
    struct g **queued; /* sorted */
    size_t n_queued, room;
    size_t objects, goroutines,
        alive;             /* descriptors, those in use, and of these the ones that aren't parked */
    size_t alive_queued;   /* of those, in queues */
    uint32_t index;        /* of the goroutine that a pass is at */
    bool blocking, untold; /* some are in sections; wait and haven't been told of */
    bool elsewhere; /* some aren't on their stacks, but on one that the program switched to */
};

/* How many there are; fn(g, l) for each that is in use, with l->index. */
void look_count(struct look *l);
void look_each(struct look *l, void (*fn)(struct g *g, struct look *l));

/* Make the graph, while nobody runs. 0; -EAGAIN: somebody does, or there is no memory. look_end() anyway. */
int look_gather(struct look *l);
void look_end(struct look *l);

/* Two nodes a goroutine: it may run again; what is on its stack may be used. The former leads to the latter. */
static inline uint32_t node_of_life(uint32_t index)
{
    return 2 * index;
}

static inline uint32_t node_of_stack(uint32_t index)
{
    return 2 * index + 1;
}

static inline enum wait_reason reason_of(struct g *g)
{
    return atomic_load_relaxed(&g_waits_with(g)->reason) & WAIT_REASON;
}

static inline bool was_told(struct g *g)
{
    return atomic_load_relaxed(&g_waits_with(g)->reason) & WAIT_TOLD;
}

SANITIZE_OWNER_DATA_END

#endif
