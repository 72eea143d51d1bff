/* SPDX-License-Identifier: Apache-2.0
 * tree.h - what tests of contexts share: looking into a context. */
#ifndef WEFT_TESTS_CONTEXT_TREE_H
#define WEFT_TESTS_CONTEXT_TREE_H

#include "../test.h"

#include "runtime/context/context.h"

/* How many contexts and hooks hang below; nobody may change that meanwhile. */
static inline int tree_children(weft_ctx *ctx)
{
    uint64_t word = atomic_load(&ctx->ends->node.word);
    struct ctx_node *first = word & CTX_ENDED ? NULL : ctx_word_node(word), *node = first;
    int n = 0;
    for (; node && (n == 0 || node != first); node = atomic_load(&node->next))
        n++;
    return n;
}

/* A context that the test needs. */
static inline weft_ctx *tree_need(weft_ctx *ctx)
{
    REQUIRE(ctx);
    return ctx;
}

static inline bool tree_done(weft_ctx *ctx)
{
    return weft_chan_try_recv(weft_ctx_done(ctx), NULL) == -EPIPE;
}

/* Wait for its end. */
static inline void tree_await(weft_ctx *ctx)
{
    weft_chan_recv(weft_ctx_done(ctx), NULL);
}

#endif
