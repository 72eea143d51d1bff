/* SPDX-License-Identifier: Apache-2.0
 * ctx_births.c - a context ends while one puts a child below it and waits for that child's end, which comes, and finds its
 * channel closed.
 *
 * options: -check-liveness -disable-spin-assume
 * edit: runtime/context/tree.c | s/slab_put(&canceller_class, cache, c);/model_free(c);/
 * bug: a child is put below one that has ended | runtime/context/tree.c | s/^        if (\*word & CTX_ENDED)$/        if (false)/
 * bug: who asks for the channel too late finds it open | runtime/context/tree.c | /^bool ctx_has_ended/,/^}/s/chan_close_inside(&c->done);/;/
 * bug: the ring is taken in two steps | runtime/context/tree.c | s/while (!atomic_cas_acq_rel(&node->word, word, \*word | CTX_BUSY))/while (!bug_cas_in_two_steps(\&node->word, word, *word | CTX_BUSY))/ */
#include "contexts.h"

static struct canceller *parent;

static void *ends(void *arg)
{
    ctx_end(parent, 0, NULL);
    return arg;
}

static void *gives_birth(void *arg)
{
    uint64_t word;
    struct canceller *c = ctx_canceller_new(&parent->ctx);
    ctx_attach(c);
    ctx_ask(c);
    AWAIT(atomic_load_acquire(&c->node.word) & CTX_ENDED);
    REQUIRE(ctx_has_ended(c, &word));
    REQUIRE(atomic_load_relaxed(&c->done.state) & CHAN_CLOSED);
    REQUIRE(ctx_word_node(word) == &parent->node);
    ctx_drop(&c->ctx);
    return arg;
}

int main(void)
{
    parent = ctx_canceller_new(&background);
    pthread_t a = go(ends, NULL), b = go(gives_birth, NULL);
    join(a);
    join(b);
    REQUIRE(atomic_load_relaxed(&contexts) == 1);
    ctx_drop(&parent->ctx);
    REQUIRE(atomic_load_relaxed(&contexts) == 0);
    return 0;
}
