/* SPDX-License-Identifier: Apache-2.0
 * group.h - goroutines that work on parts of one task, the first failure of which ends the rest (Go:
 * golang.org/x/sync/errgroup).
 *
 *   weft_group *g = weft_group_new(ctx);
 *   for (size_t i = 0; i < n; i++)
 *       weft_group_go(g, fetch, &parts[i]);
 *   int rc = weft_group_wait(g);
 *   weft_group_free(g);
 *
 * All functions may be called from any thread, several at once; starting tasks needs a run in progress. */
#ifndef WEFT_GROUP_H
#define WEFT_GROUP_H

#include <weft/base.h>
#include <weft/ctx.h>

WEFT_BEGIN_DECLS

/* Opaque. */
typedef struct weft_group weft_group;

/* A group whose tasks share a child of the context: it is cancelled by the first task that fails, with an error of that
 * code as its cause, and at the latest when a wait returns. NULL: no context, tasks aren't told of failures; for a group of
 * its own take weft_ctx_background(). NULL and errno ENOMEM. */
WEFT_API weft_group *weft_group_new(weft_ctx *parent);

/* Wait, and free it. NULL is allowed. */
WEFT_API void weft_group_free(weft_group *g);

/* The tasks' context, borrowed; NULL: none. */
WEFT_API weft_ctx *weft_group_ctx(weft_group *g);

/* At most n tasks at a time; 0: none at all; negative: any number, as at first. Panics, unless n is negative, "errgroup: modify
 * limit while N goroutines in the group are still active". Not beside another call that starts a task. */
WEFT_API void weft_group_set_limit(weft_group *g, int n);

/* Run fn(ctx, arg) in a goroutine; wait until the limit allows that. What it returns, if it isn't 0 and the first, is
 * what weft_group_wait gives; weft_goexit is a 0. A panic in it ends the process. 0, -EINVAL (no fn), -ESRCH or -ENOMEM: it
 * wasn't started, which is no failure of the group. */
WEFT_API int weft_group_go(weft_group *g, int (*fn)(weft_ctx *ctx, void *arg), void *arg);

/* The same if the limit allows it now; whether it was started. */
WEFT_API bool weft_group_try_go(weft_group *g, int (*fn)(weft_ctx *ctx, void *arg), void *arg);

/* Wait until all tasks have returned. 0, or what the first that failed returned. Then the group's context has ended. May be
 * called again, and tasks be started again. */
WEFT_API int weft_group_wait(weft_group *g);

WEFT_END_DECLS

#endif
