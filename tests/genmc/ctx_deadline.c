/* SPDX-License-Identifier: Apache-2.0
 * ctx_deadline.c - the timer of a child fires while its parent ends and its last reference is dropped: it is freed, once,
 * by the last of the three who has to do with it.
 *
 * edit: runtime/context/tree.c | s/slab_put(&canceller_class, cache, c);/model_free(c);/
 * bug: a timer that fires isn't waited for | runtime/context/tree.c | s/TIMED_ORPHANED) == TIMED_ARMED)/TIMED_ORPHANED) == 77)/
 * bug: a timer forgets who is orphaned | runtime/context/tree.c | s/if (atomic_swap_acq_rel(&c->node.timed, TIMED_NOT) == TIMED_ORPHANED)/if (atomic_swap_acq_rel(\&c->node.timed, TIMED_NOT) > TIMED_ORPHANED)/
 * bug: a visit forgets who is orphaned | runtime/context/tree.c | s/if (unlikely(set_flag(&c->node, CTX_VISITED) & CTX_ORPHANED))/if (set_flag(\&c->node, CTX_VISITED) == 0)/
 * bug: who has left the ring is taken out of it again | runtime/context/tree.c | s/^    if (next_of(node))$/    if (node)/ */
#include "contexts.h"

static struct canceller *parent, *child;

static void *ends(void *arg)
{
    ctx_end(parent, 0, NULL);
    return arg;
}

static void *drops(void *arg)
{
    ctx_drop(&child->ctx);
    return arg;
}

static void *fires(void *arg)
{
    timer();
    return arg;
}

int main(void)
{
    parent = ctx_canceller_new(&background);
    child = ctx_canceller_new(&parent->ctx);
    REQUIRE(!ctx_arm(child, 1));
    ctx_attach(child);
    pthread_t a = go(ends, NULL), b = go(drops, NULL), c = go(fires, NULL);
    join(a);
    join(b);
    join(c);
    REQUIRE(atomic_load_relaxed(&contexts) == 1);
    ctx_drop(&parent->ctx);
    REQUIRE(atomic_load_relaxed(&contexts) == 0);
    return 0;
}
