/* SPDX-License-Identifier: Apache-2.0
 * acquire.c - weft_sem_acquire_ctx: two try to claim the waiter, a release and a hook of the context. */
#include <errno.h>
#include <weft/sync.h>

#include "runtime/context/context.h"
#include "runtime/sync/sync.h"

SANITIZE_OWNER_DATA_BEGIN

/* The hook is what a run's end knows the wait by: it isn't in a stack. */
static void unlink_dead(void *object)
{
    struct weft_ctx_hook *hook = object;
    sem_wait_unlink_dead(hook->waits_with);
    ctx_hook_stop(hook);
}

/* False: the context has ended first. */
static bool acquire_before_end(weft_sem *s, int64_t n, struct canceller *c,
                               struct weft_ctx_hook *hook)
{
    struct sem_wait wait;
    hook->waits_with = &wait;
    if (sem_wait_begin(&wait, s, n, hook, unlink_dead))
        return true;
    struct waiter *w = wait.node.w;
    bool ended = !ctx_hook_claims(hook, c, w, wait.token) && waiter_claim(w, wait.token);
    if (likely(!ended)) {
        waiter_wait(w, WAIT_SEM);
        ended = w->result == CTX_RESULT_ENDED;
    }
    if (ended)
        sem_wait_leave(&wait);
    sem_wait_end(&wait);
    return !ended;
}

int weft_sem_acquire_ctx(weft_sem *s, int64_t n, struct weft_ctx *ctx)
{
    struct canceller *c = ctx ? ctx->ends : NULL;
    uint64_t word;
    sched_checkpoint();
    if (c && ctx_has_ended(c, &word))
        return weft_ctx_err(ctx);
    if (weft_sem_try_acquire(s, n))
        return 0;
    if (!c) {
        weft_sem_acquire(s, n);
        return 0;
    }
    struct weft_ctx_hook *hook = ctx_hook_new();
    if (!hook)
        return -ENOMEM;
    bool acquired = acquire_before_end(s, n, c, hook);
    ctx_hook_stop(hook);
    return acquired ? 0 : weft_ctx_err(ctx);
}

SANITIZE_OWNER_DATA_END
