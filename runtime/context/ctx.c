/* SPDX-License-Identifier: Apache-2.0
 * ctx.c - contexts: making them, and what they tell. */
#include <errno.h>
#include <string.h>
#include <weft/defer.h>
#include <weft/time.h>

#include "alloc/alloc.h"
#include "arch/os.h"
#include "runtime/context/context.h"

/* The text follows. */
struct ctx_trace {
    struct weft_ctx ctx;
    char text[];
};

static struct weft_ctx background = {.kind = CTX_BACKGROUND};

SANITIZE_OWNER_DATA_BEGIN

weft_ctx *weft_ctx_background(void)
{
    return &background;
}

weft_ctx *weft_ctx_ref(weft_ctx *ctx)
{
    return ctx ? ctx_ref(ctx) : NULL;
}

void weft_ctx_unref(weft_ctx *ctx)
{
    ctx_drop(ctx);
    sched_checkpoint();
}

/* ---- those that can end ---- */

weft_ctx *weft_ctx_with_cancel(weft_ctx *parent)
{
    struct canceller *c = ctx_canceller_new(ctx_or_background(parent));
    if (!c) {
        errno = ENOMEM;
        return NULL;
    }
    ctx_attach(c);
    return &c->ctx;
}

/* Whether a timer will end c at its deadline, its own or that of one above: the end of a run takes the timers and leaves
 * the deadlines. (One that an orphan has is the context's still, but armed no more.) */
static bool will_time_out(struct canceller *c)
{
    int64_t deadline = c->deadline;
    for (; c && c->deadline == deadline; c = c->ctx.parent->ends)
        if (atomic_load_acquire(&c->node.timed) == TIMED_ARMED &&
            timer_is_armed(&c->ticket, deadline))
            return true;
    return false;
}

/* past: the deadline is. The run is held. 0 or -errno. */
static int with_deadline(weft_ctx *parent, int64_t deadline, bool past, struct canceller **out)
{
    struct canceller *c = *out = ctx_canceller_new(parent), *up = parent->ends;
    uint64_t word;
    if (!c)
        return -ENOMEM;
    bool matters = deadline < c->deadline ||
                   (deadline != WEFT_FOREVER && !will_time_out(up) && !ctx_has_ended(up, &word));
    if (matters)
        c->deadline = deadline;
    if (matters && (!up || !ctx_has_ended(up, &word))) {
        int rc = 0;
        if (past)
            ctx_end(c, CTX_TIMEOUT, NULL);
        else
            rc = ctx_arm(c, deadline);
        if (rc) {
            ctx_drop(&c->ctx);
            return rc;
        }
    }
    ctx_attach(c);
    return 0;
}

static weft_ctx *in_run(weft_ctx *parent, int64_t deadline, bool past)
{
    struct canceller *c = NULL;
    enum run_hold hold = sched_hold_run();
    int rc =
        hold == RUN_GONE ? -ESRCH : with_deadline(ctx_or_background(parent), deadline, past, &c);
    sched_release_run(hold);
    if (rc) {
        errno = -rc;
        return NULL;
    }
    return &c->ctx;
}

weft_ctx *weft_ctx_with_deadline(weft_ctx *parent, int64_t deadline)
{
    return in_run(parent, deadline, deadline <= os_now());
}

weft_ctx *weft_ctx_with_timeout(weft_ctx *parent, int64_t ns)
{
    return in_run(parent, time_after(ns), ns <= 0);
}

void weft_ctx_cancel(weft_ctx *ctx)
{
    weft_ctx_cancel_cause(ctx, NULL);
}

void weft_ctx_cancel_cause(weft_ctx *ctx, weft_error *cause)
{
    sched_checkpoint();
    if (ctx && ctx->kind == CTX_CANCELLER)
        ctx_end((struct canceller *)ctx, 0, cause);
    else
        weft_error_unref(cause);
}

weft_chan *weft_ctx_done(weft_ctx *ctx)
{
    struct canceller *c = ctx ? ctx->ends : NULL;
    uint64_t word;
    if (!c)
        return NULL;
    if (unlikely(!(atomic_load_relaxed(&c->node.word) & CTX_ASKED)))
        ctx_ask(c);
    ctx_has_ended(c, &word); /* then it is closed */
    return &c->done;
}

static int error_of(uint64_t word)
{
    return word & CTX_TIMEOUT ? -ETIMEDOUT : -ECANCELED;
}

int weft_ctx_err(weft_ctx *ctx)
{
    struct canceller *c = ctx ? ctx->ends : NULL;
    uint64_t word;
    sched_checkpoint();
    return c && ctx_has_ended(c, &word) ? error_of(word) : 0;
}

weft_error *weft_ctx_cause(weft_ctx *ctx)
{
    struct canceller *c = ctx ? ctx->ends : NULL;
    uint64_t word;
    sched_checkpoint();
    if (!c || !ctx_has_ended(c, &word))
        return NULL;
    weft_error *cause = container_of(ctx_word_node(word), struct canceller, node)->cause;
    return cause ? cause : word & CTX_TIMEOUT ? error_timed_out() : error_cancelled();
}

bool weft_ctx_deadline(weft_ctx *ctx, int64_t *deadline)
{
    if (!ctx || !ctx->ends || ctx->ends->deadline == WEFT_FOREVER)
        return false;
    if (deadline)
        *deadline = ctx->ends->deadline;
    return true;
}

/* ---- the others ---- */

/* A leaf; NULL and errno without memory. */
static void *leaf_new(weft_ctx *parent, enum ctx_kind kind)
{
    struct weft_ctx *ctx = ctx_leaf_get();
    if (ctx)
        ctx_init(ctx, ctx_or_background(parent), kind);
    else
        errno = ENOMEM;
    return ctx;
}

weft_ctx *weft_ctx_without_cancel(weft_ctx *parent)
{
    struct weft_ctx *ctx = leaf_new(parent, CTX_PLAIN);
    if (ctx)
        ctx->ends = NULL;
    return ctx;
}

weft_ctx *weft_ctx_with_value(weft_ctx *parent, const void *key, void *value)
{
    if (!key)
        weft_panic("nil key");
    struct ctx_value *v = leaf_new(parent, CTX_VALUE);
    if (!v)
        return NULL;
    v->key = key;
    v->value = value;
    v->outer = v->ctx.values;
    v->ctx.values = v;
    return &v->ctx;
}

void *weft_ctx_value(weft_ctx *ctx, const void *key)
{
    sched_checkpoint();
    for (const struct ctx_value *v = ctx ? ctx->values : NULL; v; v = v->outer)
        if (v->key == key)
            return v->value;
    return NULL;
}

weft_ctx *weft_ctx_with_trace(weft_ctx *parent, const char *trace_id)
{
    size_t bytes = trace_id ? strlen(trace_id) + 1 : 0;
    struct ctx_trace *t = alloc_aligned(_Alignof(struct ctx_trace), sizeof *t + bytes);
    if (!t) {
        errno = ENOMEM;
        return NULL;
    }
    ctx_init(&t->ctx, ctx_or_background(parent), CTX_TRACE);
    if (bytes)
        memcpy(t->text, trace_id, bytes);
    t->ctx.trace = bytes ? t->text : NULL;
    return &t->ctx;
}

const char *weft_ctx_trace(weft_ctx *ctx)
{
    return ctx ? ctx->trace : NULL;
}

SANITIZE_OWNER_DATA_END
