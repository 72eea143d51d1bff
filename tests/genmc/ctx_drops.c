/* SPDX-License-Identifier: Apache-2.0
 * ctx_drops.c - a context ends while the last reference of one of its children is dropped and another child is cancelled.
 * Each is freed, once, and nobody looks at it afterwards.
 *
 * edit: runtime/context/tree.c | s/slab_put(&canceller_class, cache, c);/model_free(c);/
 * bug: who is in a visitor's list is freed at once | runtime/context/tree.c | /^static struct weft_ctx .let_go/,/^}/s/return NULL;/;/
 * bug: a visitor forgets who is orphaned | runtime/context/tree.c | s/if (unlikely(word & CTX_ORPHANED))/if (false)/
 * bug: a visitor looks at who has been visited | runtime/context/tree.c | s/list = visit(canceller_of(node), end, list);/{ (void)visit(canceller_of(node), end, list); list = next_of(node); }/ */
#include "contexts.h"

static struct canceller *parent, *dropped, *cancelled;

static void *ends(void *arg)
{
    ctx_end(parent, 0, NULL);
    return arg;
}

static void *drops(void *arg)
{
    ctx_drop(&dropped->ctx);
    return arg;
}

static void *cancels(void *arg)
{
    uint64_t word;
    ctx_end(cancelled, 0, NULL);
    REQUIRE(ctx_has_ended(cancelled, &word));
    ctx_drop(&cancelled->ctx);
    return arg;
}

static struct canceller *child(void)
{
    struct canceller *c = ctx_canceller_new(&parent->ctx);
    ctx_attach(c);
    return c;
}

int main(void)
{
    parent = ctx_canceller_new(&background);
    dropped = child();
    cancelled = child();
    pthread_t a = go(ends, NULL), b = go(drops, NULL), c = go(cancels, NULL);
    join(a);
    join(b);
    join(c);
    REQUIRE(atomic_load_relaxed(&contexts) == 1);
    ctx_drop(&parent->ctx);
    REQUIRE(atomic_load_relaxed(&contexts) == 0);
    return 0;
}
