/* SPDX-License-Identifier: Apache-2.0
 * tree.h - what tests of contexts share: making contexts, and looking into them. */
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

static inline weft_ctx *with_cancel(weft_ctx *parent)
{
    return tree_need(weft_ctx_with_cancel(parent));
}

static inline weft_ctx *with_timeout(weft_ctx *parent, int64_t ns)
{
    return tree_need(weft_ctx_with_timeout(parent, ns));
}

static inline bool tree_done(weft_ctx *ctx)
{
    return weft_chan_try_recv(weft_ctx_done(ctx), NULL) == -EPIPE;
}

static inline void check_goes_on(weft_ctx *ctx)
{
    CHECK_EQ(weft_ctx_err(ctx), 0);
    CHECK_PTR_EQ(weft_ctx_cause(ctx), NULL);
    CHECK_EQ(weft_chan_try_recv(weft_ctx_done(ctx), NULL), -EAGAIN);
}

static inline void check_ended(weft_ctx *ctx, int err, int cause)
{
    CHECK_EQ(weft_ctx_err(ctx), err);
    CHECK_EQ(weft_error_code(weft_ctx_cause(ctx)), cause);
    CHECK(tree_done(ctx));
}

/* Wait for its end. */
static inline void tree_await(weft_ctx *ctx)
{
    weft_chan_recv(weft_ctx_done(ctx), NULL);
}

#endif
