/* SPDX-License-Identifier: Apache-2.0
 * acquire.c - weft_sem_acquire_ctx: two try to claim the waiter, a release and a hook of the context. */
#include <errno.h>
#include <weft/sync.h>

#include "runtime/context/context.h"
#include "runtime/sync/sync.h"

struct acquire {
    struct sem_wait wait;
    struct weft_ctx_hook *hook;
};

SANITIZE_OWNER_DATA_BEGIN

static void unlink_dead(void *wait)
{
    struct acquire *a = container_of(wait, struct acquire, wait);
    sem_wait_unlink_dead(&a->wait);
    ctx_hook_stop(a->hook);
}

/* False: the context has ended first. */
static bool acquire_before_end(struct acquire *a, weft_sem *s, int64_t n, struct canceller *c)
{
    if (sem_wait_begin(&a->wait, s, n, unlink_dead))
        return true;
    struct waiter *w = a->wait.node.w;
    bool ended = !ctx_hook_claims(a->hook, c, w, a->wait.token) && waiter_claim(w, a->wait.token);
    if (likely(!ended)) {
        waiter_wait(w, WAIT_SEM);
        ended = w->result == CTX_RESULT_ENDED;
    }
    if (ended)
        sem_wait_leave(&a->wait);
    sem_wait_end(&a->wait);
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
    struct acquire a = {.hook = ctx_hook_new()};
    if (!a.hook)
        return -ENOMEM;
    bool acquired = acquire_before_end(&a, s, n, c);
    ctx_hook_stop(a.hook);
    return acquired ? 0 : weft_ctx_err(ctx);
}

SANITIZE_OWNER_DATA_END
