/* SPDX-License-Identifier: Apache-2.0
 * replicate.c - several goroutines for one answer. The call waits for all of them, so what they share is in its frame, but
 * for the memory that they write their answers into. */
#include <errno.h>
#include <string.h>
#include <weft/defer.h>
#include <weft/flow.h>
#include <weft/go.h>
#include <weft/sync.h>

#include "alloc/alloc.h"
#include "arch/atomic.h"

struct replicas {
    weft_ctx *ctx;
    int (*handler)(weft_ctx *ctx, size_t replica, void *out, void *arg);
    void *arg;
    char *answers;
    size_t stride;
    weft_waitgroup start, running;
    bool cancelled;              /* before they started */
    _Atomic(size_t) winner;      /* 1 + which one; 0: none yet */
    _Atomic(uint64_t) first_end; /* 1 << 32 | the result of the first to return */
};

struct replica {
    struct replicas *all;
    size_t number;
};

SANITIZE_OWNER_DATA_BEGIN

static void returned(struct replicas *all, size_t number, int result)
{
    size_t nobody = 0;
    uint64_t none = 0;
    atomic_cas_acq_rel(&all->first_end, &none, UINT64_C(1) << 32 | (uint32_t)result);
    if (result == 0 && atomic_cas_acq_rel(&all->winner, &nobody, number + 1))
        weft_ctx_cancel(all->ctx);
}

static void left(void *arg)
{
    struct replicas *all = arg;
    weft_waitgroup_done(&all->running);
}

static void run_replica(void *arg)
{
    struct replica self = *(struct replica *)arg;
    struct replicas *all = self.all;
    WEFT_DEFER(left, all);
    weft_waitgroup_wait(&all->start);
    if (!all->cancelled)
        returned(all, self.number,
                 all->handler(all->ctx, self.number, all->answers + self.number * all->stride,
                              all->arg));
}

/* 0, or -errno and none of them has called the handler. */
static int start_replicas(struct replicas *all, size_t n)
{
    int rc = 0;
    weft_waitgroup_add(&all->start, 1);
    for (size_t i = 0; !rc && i < n; i++) {
        struct replica r = {.all = all, .number = i};
        weft_waitgroup_add(&all->running, 1);
        rc = weft_go_copy(run_replica, &r, sizeof r);
        if (rc)
            weft_waitgroup_done(&all->running);
    }
    all->cancelled = rc != 0;
    weft_waitgroup_done(&all->start);
    return rc;
}

int weft_replicate(weft_ctx *ctx, size_t n,
                   int (*handler)(weft_ctx *ctx, size_t replica, void *out, void *arg), void *out,
                   size_t out_size, void *arg)
{
    struct replicas all = {.handler = handler, .arg = arg, .stride = (out_size + 15) & ~(size_t)15};
    size_t bytes;
    if (n == 0 || !handler)
        return -EINVAL;
    if (out_size > SIZE_MAX / 2 || __builtin_mul_overflow(n, all.stride, &bytes) ||
        bytes > SIZE_MAX / 2)
        return -ENOMEM;
    all.answers = alloc_zeroed(CACHE_LINE, bytes ? bytes : 1);
    all.ctx = all.answers ? weft_ctx_with_cancel(ctx) : NULL;
    int rc = all.ctx ? start_replicas(&all, n) : -ENOMEM;
    if (all.ctx)
        weft_waitgroup_wait(&all.running);
    size_t winner = atomic_load_acquire(&all.winner);
    if (!rc && winner && out && out_size)
        memcpy(out, all.answers + (winner - 1) * all.stride, out_size);
    uint64_t first_end = atomic_load_acquire(&all.first_end);
    if (!rc && !winner)
        rc = first_end ? (int)(uint32_t)first_end : -ECANCELED; /* all left by weft_goexit */
    weft_ctx_unref(all.ctx);
    alloc_free(all.answers);
    return rc;
}

SANITIZE_OWNER_DATA_END
