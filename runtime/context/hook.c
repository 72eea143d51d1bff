/* SPDX-License-Identifier: Apache-2.0
 * hook.c - what is to happen when a context ends: weft_ctx_after_func, and claims of waiters.
 *
 *   HOOK_WAITS --CAS of the visit, its last touch--> HOOK_FIRED    its owner frees it
 *       '-------CAS of a stop, its last touch-----> HOOK_STOPPED   the visit frees it
 *       '-------taken out of the ring, if the context goes on      its owner frees it
 *
 * A hook with a function holds its context. One with a waiter needn't: the call that waits is covered by the caller's reference.
 * Where a run's end takes the owner away it stops the hook for him (acquire.c). */
#include <errno.h>
#include <weft/go.h>

#include "runtime/context/context.h"

SANITIZE_OWNER_DATA_BEGIN

static void start(weft_fn fn, void *arg)
{
    enum run_hold hold = sched_hold_run();
    int rc = hold == RUN_OURS ? sched_go_in_order(fn, arg) : sched_go_without_p(fn, arg);
    sched_release_run(hold);
    if (rc == -ESRCH)
        fn(arg);
    else if (rc)
        sched_fatal("out of memory: a context's function can't be started");
}

static void claim(struct waiter *w, uint64_t token)
{
    enum run_hold hold = sched_hold_run();
    if ((!w->g || hold != RUN_GONE) && waiter_claim(w, token)) {
        w->result = CTX_RESULT_ENDED;
        waiter_wake_in_order(w);
    }
    sched_release_run(hold);
}

static struct weft_ctx_hook *hook_of(struct ctx_node *node)
{
    return container_of(node, struct weft_ctx_hook, node);
}

void ctx_hook_visit(struct ctx_node *node)
{
    struct weft_ctx_hook *hook = hook_of(node);
    weft_fn fn = hook->fn;
    void *arg = hook->arg;
    uint64_t token = hook->token, was = HOOK_WAITS;
    if (!atomic_cas_acq_rel(&node->word, &was, HOOK_FIRED))
        ctx_leaf_put(hook);
    else if (fn)
        start(fn, arg);
    else
        claim(arg, token);
}

struct weft_ctx_hook *ctx_hook_new(void)
{
    struct weft_ctx_hook *hook = ctx_leaf_get();
    if (!hook)
        return NULL;
    hook->on = NULL;
    hook->fn = NULL;
    hook->node.is_hook = true;
    atomic_store_relaxed(&hook->node.next, NULL);
    atomic_store_relaxed(&hook->node.word, HOOK_WAITS);
    return hook;
}

bool ctx_hook_claims(struct weft_ctx_hook *hook, struct canceller *c, struct waiter *w,
                     uint64_t token)
{
    hook->arg = w;
    hook->token = token;
    hook->on = c;
    if (ctx_link(c, &hook->node))
        return true;
    hook->on = NULL;
    return false;
}

bool ctx_hook_stop(struct weft_ctx_hook *hook)
{
    uint64_t was = HOOK_WAITS;
    bool listed = hook->on && !ctx_unlink(hook->on, &hook->node);
    if (listed && atomic_cas_acq_rel(&hook->node.word, &was, HOOK_STOPPED))
        return true;
    bool stopped = atomic_load_acquire(&hook->node.word) == HOOK_WAITS;
    ctx_leaf_put(hook);
    return stopped;
}

weft_ctx_hook *weft_ctx_after_func(weft_ctx *ctx, weft_fn fn, void *arg)
{
    struct canceller *c = ctx ? ctx->ends : NULL;
    struct weft_ctx_hook *hook = fn ? ctx_hook_new() : NULL;
    if (!hook) {
        errno = fn ? ENOMEM : EINVAL;
        return NULL;
    }
    hook->fn = fn;
    hook->arg = arg;
    if (!c)
        return hook;
    hook->on = c;
    ctx_ref(&c->ctx);
    if (!ctx_link(c, &hook->node)) {
        hook->on = NULL;
        ctx_drop(&c->ctx);
        atomic_store_relaxed(&hook->node.word, HOOK_FIRED);
        start(fn, arg);
    }
    return hook;
}

bool weft_ctx_hook_stop(weft_ctx_hook *hook)
{
    sched_checkpoint();
    if (!hook)
        return false;
    struct canceller *c = hook->on;
    bool stopped = ctx_hook_stop(hook);
    ctx_drop(c ? &c->ctx : NULL);
    return stopped;
}

SANITIZE_OWNER_DATA_END
