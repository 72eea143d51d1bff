/* SPDX-License-Identifier: Apache-2.0
 * group.c - weft_group: a WaitGroup, a semaphore for the limit, and a context.
 *
 * Without a limit the semaphore has more units than there can be goroutines; so it always says how many are active.
 * Cost of a task beside its goroutine: 2 RMWs each for semaphore and WaitGroup. */
#include <errno.h>
#include <weft/defer.h>
#include <weft/go.h>
#include <weft/group.h>
#include <weft/sync.h>

#include "alloc/alloc.h"
#include "runtime/context/context.h"
#include "runtime/sync/sync.h"

#define NO_LIMIT INT32_MAX

struct weft_group {
    weft_ctx *ctx; /* NULL: none */
    weft_waitgroup tasks;
    weft_sem slots; /* taken by active tasks */
    _Atomic(int) result;
};

struct task {
    weft_group *group;
    int (*fn)(weft_ctx *ctx, void *arg);
    void *arg;
};

SANITIZE_OWNER_DATA_BEGIN

weft_group *weft_group_new(weft_ctx *parent)
{
    weft_group *g = alloc_zeroed(CACHE_LINE, sizeof *g);
    if (g && parent && !(g->ctx = weft_ctx_with_cancel(parent))) {
        alloc_free(g);
        g = NULL;
    }
    if (g)
        g->slots = (weft_sem)WEFT_SEM_INIT(NO_LIMIT);
    else
        errno = ENOMEM;
    return g;
}

weft_ctx *weft_group_ctx(weft_group *g)
{
    return g->ctx;
}

void weft_group_set_limit(weft_group *g, int n)
{
    if (n < 0) {
        g->slots.size_ = NO_LIMIT; /* also while some are active, as in Go */
        return;
    }
    int64_t active = sem_taken(&g->slots);
    if (active)
        weft_panic("errgroup: modify limit while %lld goroutines in the group are still active",
                   (long long)active);
    g->slots = (weft_sem)WEFT_SEM_INIT(n);
}

/* ---- tasks ---- */

static void task_done(void *group)
{
    weft_group *g = group;
    weft_sem_release(&g->slots, 1);
    weft_waitgroup_done(&g->tasks);
}

static void failed(weft_group *g, int rc)
{
    int none = 0;
    if (!atomic_cas_acq_rel(&g->result, &none, rc) || !g->ctx)
        return;
    weft_ctx_cancel_cause(g->ctx, weft_error_new_ctx(g->ctx, rc, "a task of the group failed"));
}

static void task_run(void *arg)
{
    struct task *task = arg;
    weft_group *g = task->group;
    WEFT_DEFER(task_done, g);
    WEFT_DEFER(sched_untried,
               NULL); /* or who waits could go on before a panic has ended the process */
    int rc = task->fn(g->ctx, task->arg);
    if (rc)
        failed(g, rc);
}

/* Has a slot. */
static int start(weft_group *g, int (*fn)(weft_ctx *ctx, void *arg), void *arg)
{
    weft_waitgroup_add(&g->tasks, 1);
    int rc = WEFT_GO(task_run, struct task, g, fn, arg);
    if (rc)
        task_done(g);
    return rc;
}

int weft_group_go(weft_group *g, int (*fn)(weft_ctx *ctx, void *arg), void *arg)
{
    if (!fn)
        return -EINVAL;
    weft_sem_acquire(&g->slots, 1);
    return start(g, fn, arg);
}

bool weft_group_try_go(weft_group *g, int (*fn)(weft_ctx *ctx, void *arg), void *arg)
{
    return fn && weft_sem_try_acquire(&g->slots, 1) && !start(g, fn, arg);
}

/* ---- the end ---- */

int weft_group_wait(weft_group *g)
{
    weft_waitgroup_wait(&g->tasks);
    weft_ctx_cancel(g->ctx);
    return atomic_load_acquire(&g->result);
}

void weft_group_free(weft_group *g)
{
    if (!g)
        return;
    weft_group_wait(g);
    weft_ctx_unref(g->ctx);
    alloc_free(g);
}

SANITIZE_OWNER_DATA_END
