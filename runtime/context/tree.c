/* SPDX-License-Identifier: Apache-2.0
 * tree.c - how contexts end.
 *
 * Those that can end (cancellers) and hooks hang in a ring below the nearest canceller above. Its word has the first of them,
 * and a bit, CTX_BUSY, whose holder owns the links; all others change the word only by a CAS from a value without it. It is held
 * for some ten instructions, never over a switch, a wake-up or a system call; who finds it set gives way after a few looks.
 *
 *   going on --CAS by cancel, deadline or the visit of the parent's end--> CTX_ENDED
 *
 * The one who makes that step takes the whole ring, which thereby is his alone, and visits all in it: a flat walk, as each one's own ring
 * goes before the rest of the list. One that nobody waits for, with no ring and no timer of its own, is ended by one
 * CAS, its only touch. The cause stays with the one that was ended first: each word names it.
 *
 * A ring doesn't hold what is in it. Who drops the last reference takes it out of the ring; if the one above has ended it is in a
 * visitor's list and stays his until he has set CTX_VISITED, the last he does there: CTX_ORPHANED, set before, tells him to free it. The timer
 * does likewise with `timed`. A child holds what is above it, so all that a visitor walks through is there until he has been there.
 *
 * The channel lies in the canceller, and its references are the canceller's. It is closed after CTX_ENDED is set, and only if it
 * was asked for: who asks for it later, or finds the end before it is closed, closes it himself.
 *
 * Cost: a child 2 RMWs (hold the parent, link), its cancel 2 (end, unlink), its last reference 0 and the parent's 1; ended with its parent 1 in all.
 * Rejected: a lock-free stack of children with lazy unlinking (one that was cancelled must leave at once, or a server's root
 * keeps memory of each request); a pointer to the cause in each child (an RMW on one word for each of a thousand). */
#include <errno.h>
#include <weft/error.h>
#include <weft/time.h>

#include "alloc/alloc.h"
#include "alloc/slab.h"
#include "arch/os.h"
#include "runtime/context/context.h"

#define LOOKS 16 /* at who is busy, before giving the CPU away */

_Static_assert(sizeof(struct canceller) == 4 * CACHE_LINE, "the done channel begins a line");

static struct slab_class canceller_class = {.object_bytes = sizeof(struct canceller)};
static struct slab_class leaf_class = {.object_bytes = 2 * CACHE_LINE};

_Static_assert(sizeof(struct ctx_value) <= 2 * CACHE_LINE &&
                   sizeof(struct weft_ctx_hook) <= 2 * CACHE_LINE,
               "are leaves");

SANITIZE_OWNER_DATA_BEGIN

static struct canceller *canceller_of(struct ctx_node *node)
{
    return container_of(node, struct canceller, node);
}

static struct canceller *above(struct canceller *c)
{
    return c->ctx.parent->ends;
}

static struct ctx_node *next_of(struct ctx_node *node)
{
    return atomic_load_relaxed(&node->next);
}

/* ---- the word ---- */

static void give_way(unsigned *looks)
{
    if ((*looks)++ < LOOKS)
        arch_relax();
    else
        os_yield();
}

/* What it is without CTX_BUSY. */
static uint64_t look(struct ctx_node *node)
{
    unsigned looks = 0;
    uint64_t word;
    while (unlikely((word = atomic_load_acquire(&node->word)) & CTX_BUSY))
        give_way(&looks);
    return word;
}

/* Become busy, unless it has ended. False: it has. */
static bool lock(struct ctx_node *node, uint64_t *word)
{
    do {
        *word = look(node);
        if (*word & CTX_ENDED)
            return false;
    } while (!atomic_cas_acq_rel(&node->word, word, *word | CTX_BUSY));
    return true;
}

static void unlock(struct ctx_node *node, uint64_t word)
{
    atomic_store_release(&node->word, word);
}

/* What it was. */
static uint64_t set_flag(struct ctx_node *node, uint64_t flag)
{
    uint64_t word;
    do
        word = look(node);
    while (!atomic_cas_acq_rel(&node->word, &word, word | flag));
    return word;
}

/* ---- the ring ---- */

static uint64_t append(uint64_t word, struct ctx_node *node)
{
    struct ctx_node *first = ctx_word_node(word), *last = first ? first->prev : node;
    node->prev = last;
    atomic_store_relaxed(&node->next, first ? first : node);
    if (!first)
        return word | (uint64_t)(uintptr_t)node;
    atomic_store_relaxed(&last->next, node);
    first->prev = node;
    return word;
}

static uint64_t take_out(uint64_t word, struct ctx_node *node)
{
    struct ctx_node *next = next_of(node);
    atomic_store_relaxed(&node->next, NULL);
    if (next == node)
        return word & CTX_FLAGS;
    next->prev = node->prev;
    atomic_store_relaxed(&node->prev->next, next);
    return ctx_word_node(word) == node ? (word & CTX_FLAGS) | (uint64_t)(uintptr_t)next : word;
}

/* A ring that was taken, as a list before another. */
static struct ctx_node *before(struct ctx_node *first, struct ctx_node *list)
{
    if (!first)
        return list;
    atomic_store_relaxed(&first->prev->next, list);
    return first;
}

bool ctx_link(struct canceller *c, struct ctx_node *node)
{
    uint64_t word;
    if (!lock(&c->node, &word))
        return false;
    /* One whose deadline was faster has left already. (If that comes after this look it stays in the ring until its last
     * reference goes.) */
    if (likely(!(atomic_load_acquire(&node->word) & CTX_ENDED)))
        word = append(word, node);
    unlock(&c->node, word);
    return true;
}

bool ctx_unlink(struct canceller *c, struct ctx_node *node)
{
    uint64_t word;
    if (!lock(&c->node, &word))
        return false;
    if (next_of(node))
        word = take_out(word, node);
    unlock(&c->node, word);
    return true;
}

/* ---- the timer ---- */

static struct weft_ctx *dispose(struct canceller *c);

/* True: nothing of it will come. */
static bool stop_timer(struct canceller *c)
{
    if (atomic_load_acquire(&c->node.timed) == TIMED_NOT)
        return true;
    enum run_hold hold = sched_hold_run();
    bool stopped = hold != RUN_GONE && timer_cancel(&c->ticket);
    if (stopped)
        atomic_store_release(&c->node.timed, TIMED_NOT);
    sched_release_run(hold);
    return stopped;
}

static void timer_is_over(void *canceller)
{
    struct canceller *c = canceller;
    if (atomic_swap_acq_rel(&c->node.timed, TIMED_NOT) == TIMED_ORPHANED)
        ctx_drop(dispose(c));
}

static void fire(void *canceller, uint64_t token)
{
    (void)token;
    ctx_end(canceller, CTX_TIMEOUT, NULL);
    timer_is_over(canceller);
}

int ctx_arm(struct canceller *c, int64_t deadline)
{
    atomic_store_relaxed(&c->node.timed, TIMED_ARMED);
    int rc = timer_arm_owned(&c->ticket, deadline, fire, timer_is_over, c, 0);
    if (rc)
        atomic_store_relaxed(&c->node.timed, TIMED_NOT);
    return rc;
}

/* ---- the end ---- */

/* What ends those below a canceller that has ended. */
static uint64_t inherited(uint64_t word)
{
    return word & (~CTX_FLAGS | CTX_ENDED | CTX_TIMEOUT);
}

/* The visit is over. */
static void leave_visited(struct canceller *c)
{
    if (unlikely(set_flag(&c->node, CTX_VISITED) & CTX_ORPHANED))
        ctx_drop(dispose(c));
}

/* One with a ring, a timer, or somebody who has its channel, and now busy. The list with its ring before it. */
static __attribute__((noinline)) struct ctx_node *visit_rich(struct canceller *c, uint64_t word,
                                                             uint64_t end, struct ctx_node *list)
{
    list = before(ctx_word_node(word), list);
    unlock(&c->node, end | (word & (CTX_ASKED | CTX_ORPHANED)));
    if (word & CTX_ASKED)
        chan_close_inside(&c->done);
    stop_timer(c);
    leave_visited(c);
    return list;
}

static struct ctx_node *visit(struct canceller *c, uint64_t end, struct ctx_node *list)
{
    for (;;) {
        uint64_t word = look(&c->node);
        if (unlikely(word & CTX_ENDED)) {
            leave_visited(c);
            return list;
        }
        bool rich = (word & ~CTX_ORPHANED) || atomic_load_relaxed(&c->node.timed) != TIMED_NOT;
        uint64_t to = rich ? word | CTX_BUSY : end | CTX_VISITED;
        if (unlikely(!atomic_cas_acq_rel(&c->node.word, &word, to)))
            continue;
        if (rich)
            return visit_rich(c, word, end, list);
        if (unlikely(word & CTX_ORPHANED))
            ctx_drop(dispose(c));
        return list;
    }
}

static void visit_all(struct ctx_node *list, struct ctx_node *end_of_list, uint64_t end)
{
    while (list != end_of_list) {
        struct ctx_node *node = list;
        list = next_of(node); /* it may go with the visit */
        __builtin_prefetch(list, 1);
        if (node->is_hook)
            ctx_hook_visit(node);
        else
            list = visit(canceller_of(node), end, list);
    }
}

static void leave(struct canceller *c)
{
    struct canceller *up = above(c);
    if (up && next_of(&c->node))
        ctx_unlink(up, &c->node);
}

void ctx_end(struct canceller *c, uint64_t how, weft_error *cause)
{
    uint64_t word, end = (uint64_t)(uintptr_t)&c->node | CTX_ENDED | how;
    if (!lock(&c->node, &word)) {
        ctx_has_ended(c, &word);
        weft_error_unref(cause);
        return;
    }
    c->cause = cause;
    unlock(&c->node, end | (word & (CTX_ASKED | CTX_ORPHANED)));
    if (word & CTX_ASKED)
        chan_close_inside(&c->done);
    stop_timer(c);
    leave(c);
    visit_all(before(ctx_word_node(word), &c->node), &c->node, end);
}

bool ctx_has_ended(struct canceller *c, uint64_t *word)
{
    *word = atomic_load_acquire(&c->node.word);
    if (likely(!(*word & CTX_ENDED)))
        return false;
    if ((*word & CTX_ASKED) && !(atomic_load_acquire(&c->done.state) & CHAN_CLOSED))
        chan_close_inside(&c->done);
    return true;
}

void ctx_ask(struct canceller *c)
{
    set_flag(&c->node, CTX_ASKED);
}

void ctx_attach(struct canceller *c)
{
    struct canceller *up = above(c);
    if (!up || ctx_link(up, &c->node))
        return;
    uint64_t none = 0;
    uint64_t end = inherited(atomic_load_acquire(&up->node.word));
    if (atomic_cas_acq_rel(&c->node.word, &none, end))
        stop_timer(c);
}

/* ---- beginning and going ---- */

/* The last reference is gone. What has lost one thereby. */
static struct weft_ctx *let_go(struct canceller *c)
{
    leave(c);
    if (next_of(&c->node) && !(set_flag(&c->node, CTX_ORPHANED) & CTX_VISITED))
        return NULL; /* in a list still: its visitor's */
    return dispose(c);
}

static void unowned(struct weft_chan *done)
{
    ctx_drop(let_go(container_of(done, struct canceller, done)));
}

struct canceller *ctx_canceller_new(struct weft_ctx *parent)
{
    struct slab_cache *cache = sched_cache(SCHED_CACHE_CONTEXTS);
    struct canceller *c = cache ? slab_get(&canceller_class, cache) : NULL;
    if (!c)
        return NULL;
    ctx_init(&c->ctx, parent, CTX_CANCELLER);
    c->ctx.ends = c;
    c->deadline = parent->ends ? parent->ends->deadline : WEFT_FOREVER;
    c->cause = NULL;
    atomic_store_relaxed(&c->node.next, NULL);
    atomic_store_relaxed(&c->node.word, 0);
    atomic_store_relaxed(&c->node.timed, TIMED_NOT);
    c->node.is_hook = false;
    chan_init_inside(&c->done, unowned);
    return c;
}

/* In no list any more, without references: it goes when its timer lets it. What has lost a reference thereby. */
static struct weft_ctx *dispose(struct canceller *c)
{
    if (!stop_timer(c) && atomic_swap_acq_rel(&c->node.timed, TIMED_ORPHANED) == TIMED_ARMED)
        return NULL;
    struct weft_ctx *parent = c->ctx.parent;
    uint64_t word = look(&c->node);
    if (unlikely(!(word & CTX_ENDED) && ctx_word_node(word))) /* the hook of a call that waits */
        sched_fatal("weft: context freed while in use");
    if (word & CTX_ASKED)
        chan_fini_inside(&c->done);
    weft_error_unref(c->cause);
    struct slab_cache *cache = sched_cache(SCHED_CACHE_CONTEXTS);
    if (likely(cache))
        slab_put(&canceller_class, cache, c);
    return parent;
}

/* Whether it was the last: of one who has the only reference nobody else gets one. */
static bool is_last(_Atomic(uint32_t) *refs)
{
    return atomic_load_acquire(refs) == 1 || atomic_sub_acq_rel(refs, 1) == 1;
}

/* The same for what is no canceller. */
static struct weft_ctx *free_leaf(struct weft_ctx *ctx)
{
    struct weft_ctx *parent = ctx->parent;
    if (ctx->kind == CTX_TRACE)
        alloc_free(ctx);
    else
        ctx_leaf_put(ctx);
    return parent;
}

void ctx_drop(struct weft_ctx *ctx)
{
    while (ctx && ctx->kind != CTX_BACKGROUND) {
        struct canceller *c = ctx->kind == CTX_CANCELLER ? (struct canceller *)ctx : NULL;
        if (!is_last(c ? &c->done.refs : &ctx->refs))
            return;
        ctx = c ? let_go(c) : free_leaf(ctx);
    }
}

void *ctx_leaf_get(void)
{
    struct slab_cache *cache = sched_cache(SCHED_CACHE_CONTEXT_LEAVES);
    return cache ? slab_get(&leaf_class, cache) : NULL;
}

void ctx_leaf_put(void *leaf)
{
    struct slab_cache *cache = sched_cache(SCHED_CACHE_CONTEXT_LEAVES);
    if (likely(cache))
        slab_put(&leaf_class, cache, leaf);
}

__attribute__((constructor)) static void install(void)
{
    sched_set_cache_class(SCHED_CACHE_CONTEXTS, &canceller_class);
    sched_set_cache_class(SCHED_CACHE_CONTEXT_LEAVES, &leaf_class);
}

SANITIZE_OWNER_DATA_END
