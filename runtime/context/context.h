/* SPDX-License-Identifier: Apache-2.0
 * context.h - contexts, as the files of this room see them. How they end is told in tree.c. */
#ifndef WEFT_CONTEXT_CONTEXT_H
#define WEFT_CONTEXT_CONTEXT_H

#include <weft/ctx.h>

#include "alloc/depot.h"
#include "runtime/chan/chan.h"
#include "runtime/sched/sched.h"
#include "runtime/time/time.h"

enum ctx_kind {
    CTX_BACKGROUND,
    CTX_PLAIN, /* without cancel */
    CTX_VALUE,
    CTX_TRACE,
    CTX_CANCELLER,
};

/* What all have. Who is below holds a reference of the parent. */
struct weft_ctx {
    struct depot_node free; /* while it is free */
    struct weft_ctx *parent;
    struct canceller *ends;         /* the nearest that can end, itself or above; NULL: none */
    const struct ctx_value *values; /* the nearest with a value, likewise */
    const char *trace;
    uint32_t kind;          /* enum ctx_kind */
    _Atomic(uint32_t) refs; /* of a canceller: those of its channel */
};

struct ctx_value {
    struct weft_ctx ctx;
    const void *key;
    void *value;
    const struct ctx_value *outer;
};

/* What a canceller or a hook is in the ring of the canceller above it. */
struct ctx_node {
    _Atomic(struct ctx_node *) next; /* NULL: in none */
    struct ctx_node *prev;
    _Atomic(uint64_t) word;
    _Atomic(uint32_t) timed; /* enum ctx_timed */
    bool is_hook;
};

enum ctx_timed {
    TIMED_NOT,
    TIMED_ARMED,   /* its timer will fire, be cancelled or be dropped */
    TIMED_ORPHANED /* whoever sees to that frees the canceller, too */
};

/* One that can end. The second cache line is what ending many touches. */
struct canceller {
    struct weft_ctx ctx;
    _Alignas(CACHE_LINE) struct ctx_node node;
    struct timer_ticket ticket;
    weft_error *cause; /* NULL: plain; before it ends */
    int64_t deadline;  /* WEFT_FOREVER: none */
    struct weft_chan done;
};

/* What waits for the end of a context. */
struct weft_ctx_hook {
    struct depot_node free; /* while it is free */
    struct canceller *on;   /* held, if it has a fn; NULL: none that ends */
    weft_fn fn;             /* NULL: the waiter's claim is tried instead */
    void *arg;              /* or the waiter */
    uint64_t token;
    void *waits_with; /* the waiter's: acquire.c */
    _Alignas(CACHE_LINE) struct ctx_node node;
};

/* The word of a canceller before its end: its first child | flags; after it: who gave the cause | CTX_ENDED | flags. */
#define CTX_BUSY UINT64_C(1)
#define CTX_ENDED UINT64_C(2)
#define CTX_TIMEOUT UINT64_C(4)   /* the error is -ETIMEDOUT */
#define CTX_ASKED UINT64_C(8)     /* somebody has the channel */
#define CTX_VISITED UINT64_C(16)  /* its parent's end has been here */
#define CTX_ORPHANED UINT64_C(32) /* no references: the visitor frees it */
#define CTX_FLAGS UINT64_C(63)

/* The word of a hook. */
enum ctx_hook_word { HOOK_WAITS, HOOK_FIRED, HOOK_STOPPED };

/* waiter.result of one that a hook has claimed; else it is 0. */
enum { CTX_RESULT_ENDED = 1 };

/* ---- tree.c ---- */

/* A canceller below parent, in no ring and with no timer yet, with one reference; NULL without memory. */
struct canceller *ctx_canceller_new(struct weft_ctx *parent);

/* Put it where the end of the nearest above reaches it; if that has ended, it ends. */
void ctx_attach(struct canceller *c);

/* Put a canceller or hook below c. False: c has ended. */
bool ctx_link(struct canceller *c, struct ctx_node *node);

/* Take it out. False: c has ended, and a visit has come or will. */
bool ctx_unlink(struct canceller *c, struct ctx_node *node);

/* End it and all below. how: CTX_TIMEOUT or 0. The cause is taken over. Nothing if it has ended. */
void ctx_end(struct canceller *c, uint64_t how, weft_error *cause);

/* Arm its timer. 0 or -ENOMEM. Before it is attached; the run is held. */
int ctx_arm(struct canceller *c, int64_t deadline);

/* Whether it has ended; then the channel, if somebody has it, is closed. */
bool ctx_has_ended(struct canceller *c, uint64_t *word);

/* Somebody asks for its channel. */
void ctx_ask(struct canceller *c);

/* Drop a reference. */
void ctx_drop(struct weft_ctx *ctx);

/* Memory for what is no canceller; NULL: there is none. */
void *ctx_leaf_get(void);
void ctx_leaf_put(void *leaf);

/* ---- hook.c ---- */

/* The end of the context has come to a hook. */
void ctx_hook_visit(struct ctx_node *node);

/* A hook that tries to claim a waiter (sched.h): put below c, and taken away again. NULL: no memory. */
struct weft_ctx_hook *ctx_hook_new(void);
bool ctx_hook_claims(struct weft_ctx_hook *hook, struct canceller *c, struct waiter *w,
                     uint64_t token);           /* false: c has ended */
bool ctx_hook_stop(struct weft_ctx_hook *hook); /* frees it; false: it was visited */

/* ---- error.c: errors that are always there ---- */

weft_error *error_cancelled(void);
weft_error *error_timed_out(void);

SANITIZE_OWNER_DATA_BEGIN

static inline struct ctx_node *ctx_word_node(uint64_t word)
{
    return (struct ctx_node *)(uintptr_t)(word & ~CTX_FLAGS);
}

static inline weft_ctx *ctx_or_background(weft_ctx *ctx)
{
    return ctx ? ctx : weft_ctx_background();
}

static inline weft_ctx *ctx_ref(weft_ctx *ctx)
{
    if (ctx->kind == CTX_CANCELLER)
        atomic_add_relaxed(&((struct canceller *)ctx)->done.refs, 1);
    else if (ctx->kind != CTX_BACKGROUND)
        atomic_add_relaxed(&ctx->refs, 1);
    return ctx;
}

/* What every kind has from its parent. */
static inline void ctx_init(struct weft_ctx *ctx, struct weft_ctx *parent, enum ctx_kind kind)
{
    ctx->parent = ctx_ref(parent);
    ctx->ends = parent->ends;
    ctx->values = parent->values;
    ctx->trace = parent->trace;
    ctx->kind = kind;
    atomic_store_relaxed(&ctx->refs, 1);
}

SANITIZE_OWNER_DATA_END

#endif
