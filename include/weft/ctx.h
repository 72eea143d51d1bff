/* SPDX-License-Identifier: Apache-2.0
 * ctx.h - contexts: how long a piece of work may go on, and what it should know (Go: context).
 *
 *   weft_ctx *ctx = weft_ctx_with_timeout(parent, WEFT_SECOND);
 *   switch (WEFT_SELECT(WEFT_RECV(in, &x), WEFT_DONE(ctx))) { case 1: return weft_ctx_err(ctx); ... }
 *   weft_ctx_cancel(ctx);
 *   weft_ctx_unref(ctx);
 *
 * Contexts form a tree: one that ends ends all below it, with its error and its cause, and nothing else. The first to end one
 * wins, its error and cause never change. Where a context is taken NULL is the background, the root, which never ends.
 *
 * Contexts are reference counted, and a child holds its parent. A context that nobody has any more leaves the tree by itself and
 * takes its timer along; cancelled it does so at once. No context has a goroutine, and waiting for one costs what waiting on a
 * channel does. All functions may be called from any thread, with or without a run in progress, several at once. Only
 * contexts with deadlines belong to a run: with none in progress there are no new ones (NULL and errno ESRCH), and what
 * is left when it ends is never ended by its deadline any more.
 *
 * Constructors give one reference, or NULL and errno ENOMEM. */
#ifndef WEFT_CTX_H
#define WEFT_CTX_H

#include <weft/base.h>
#include <weft/chan.h>
#include <weft/error.h>
#include <weft/select.h>

WEFT_BEGIN_DECLS

/* Opaque. */
typedef struct weft_ctx weft_ctx;
typedef struct weft_ctx_hook weft_ctx_hook;

/* The root: it never ends, has no deadline and no values, and its references cost nothing. */
WEFT_API weft_ctx *weft_ctx_background(void);

/* Add a reference and give ctx; drop one. NULL is allowed. */
WEFT_API weft_ctx *weft_ctx_ref(weft_ctx *ctx);
WEFT_API void weft_ctx_unref(weft_ctx *ctx);

/* A child that weft_ctx_cancel can end. If its parent has ended it is born so. */
WEFT_API weft_ctx *weft_ctx_with_cancel(weft_ctx *parent);

/* One that also ends at a deadline (a value of weft_now(); past already: it is born ended) or after ns nanoseconds, with
 * -ETIMEDOUT. A deadline that isn't before the parent's changes nothing, and costs no timer; unless the parent's is one of a run
 * that has ended. */
WEFT_API weft_ctx *weft_ctx_with_deadline(weft_ctx *parent, int64_t deadline);
WEFT_API weft_ctx *weft_ctx_with_timeout(weft_ctx *parent, int64_t ns);

/* A child with the parent's values that doesn't end with it, and has no deadline. */
WEFT_API weft_ctx *weft_ctx_without_cancel(weft_ctx *parent);

/* A child in which key has this value. Keys are compared as addresses: take that of a static variable of your own. The value
 * stays the caller's, and must live as long as the context. Panics "nil key". */
WEFT_API weft_ctx *weft_ctx_with_value(weft_ctx *parent, const void *key, void *value);

/* The value that key has in ctx or in the nearest above it; NULL: none. */
WEFT_API void *weft_ctx_value(weft_ctx *ctx, const void *key);

/* A child whose trace id is a copy of this text; weft_error_new_ctx puts it into errors. NULL: no trace id. */
WEFT_API weft_ctx *weft_ctx_with_trace(weft_ctx *parent, const char *trace_id);

/* The trace id of ctx or of the nearest above it, as long as ctx lives; NULL: none. */
WEFT_API const char *weft_ctx_trace(weft_ctx *ctx);

/* End ctx with -ECANCELED, and all below it. Nothing if it has ended, or is none that can be cancelled: the background, or one with
 * a value, a trace id or without cancel. When this returns all below have ended too, unless another call that ended one of them is
 * still on its way down from there. What the caller wrote before is seen by who finds it ended. */
WEFT_API void weft_ctx_cancel(weft_ctx *ctx);

/* The same with a reason, whose reference is taken over. NULL: plain. */
WEFT_API void weft_ctx_cancel_cause(weft_ctx *ctx, weft_error *cause);

/* A channel that is closed when ctx ends, always the same, which never fails: it lies in the context. Borrowed: whoever wants
 * to keep it longer than ctx takes a reference (weft_chan_ref), which keeps all of ctx. Not to be sent to, nor closed. NULL: ctx
 * never ends. */
WEFT_API weft_chan *weft_ctx_done(weft_ctx *ctx);

/* 0 while ctx goes on, -ECANCELED, or -ETIMEDOUT. When it isn't 0 the channel is closed. */
WEFT_API int weft_ctx_err(weft_ctx *ctx);

/* Why ctx ended: what the one was given that ended first, ctx or one above it; a plain error of the code that weft_ctx_err gives
 * if that was nothing. NULL while it goes on. Borrowed as long as ctx lives. */
WEFT_API weft_error *weft_ctx_cause(weft_ctx *ctx);

/* Whether ctx has a deadline, of its own or from above, and which. deadline may be NULL. */
WEFT_API bool weft_ctx_deadline(weft_ctx *ctx, int64_t *deadline);

/* Call fn(arg) when ctx ends (at once if it has), in a goroutine of its own, for which lack of memory is fatal; if no run is in
 * progress then, in the thread that ends it. NULL and errno ENOMEM or EINVAL (no fn). What came before the end is visible to
 * fn. */
WEFT_API weft_ctx_hook *weft_ctx_after_func(weft_ctx *ctx, weft_fn fn, void *arg);

/* Let fn not be called. True: it is not and never will be. False: it was started before. To be called once, then the hook is
 * gone; also after fn ran. It doesn't wait for fn. NULL: false. */
WEFT_API bool weft_ctx_hook_stop(weft_ctx_hook *hook);

WEFT_END_DECLS

#endif
