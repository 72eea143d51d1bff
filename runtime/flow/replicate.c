/* SPDX-License-Identifier: Apache-2.0
 * replicate.c - several goroutines for one answer. The call waits for all of them, so what they share is in its frame, but
 * for what each has of its own: its number, and the memory that it writes its answer into. */
#include <errno.h>
#include <string.h>
#include <weft/defer.h>
#include <weft/flow.h>
#include <weft/go.h>
#include <weft/sync.h>

#include "alloc/alloc.h"
#include "arch/atomic.h"

struct replica {
    struct replicas *all;
    size_t number;
    _Alignas(16) char answer[];
};

struct replicas {
    weft_ctx *ctx;
    int (*handler)(weft_ctx *ctx, size_t replica, void *out, void *arg);
    void *arg;
    char *each; /* records, so many bytes each */
    size_t stride;
    weft_waitgroup start, running;
    bool cancelled;              /* before they started */
    _Atomic(size_t) winner;      /* 1 + which one; 0: none yet */
    _Atomic(uint64_t) first_end; /* 1 << 32 | the result of the first to return */
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

static struct replica *replica_at(const struct replicas *all, size_t number)
{
    return (struct replica *)(all->each + number * all->stride);
}

static void run_replica(void *arg)
{
    struct replica *self = arg;
    struct replicas *all = self->all;
    WEFT_DEFER(left, all);
    weft_waitgroup_wait(&all->start);
    if (!all->cancelled)
        returned(all, self->number, all->handler(all->ctx, self->number, self->answer, all->arg));
}

/* 0, or -errno and none of them has called the handler. */
static int start_replicas(struct replicas *all, size_t n)
{
    int rc = 0;
    weft_waitgroup_add(&all->start, 1);
    for (size_t i = 0; !rc && i < n; i++) {
        struct replica *r = replica_at(all, i);
        r->all = all;
        r->number = i;
        weft_waitgroup_add(&all->running, 1);
        rc = weft_go_with(&(weft_go_options){.name = "replicate"}, run_replica, r);
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
    struct replicas all = {.handler = handler, .arg = arg};
    size_t bytes;
    if (n == 0 || !handler)
        return -EINVAL;
    if (out_size > SIZE_MAX / 2)
        return -ENOMEM;
    all.stride = sizeof(struct replica) + ((out_size + 15) & ~(size_t)15);
    if (__builtin_mul_overflow(n, all.stride, &bytes) || bytes > SIZE_MAX / 2)
        return -ENOMEM;
    all.each = alloc_zeroed(CACHE_LINE, bytes);
    all.ctx = all.each ? weft_ctx_with_cancel(ctx) : NULL;
    int rc = all.ctx ? start_replicas(&all, n) : -ENOMEM;
    if (all.ctx)
        weft_waitgroup_wait(&all.running);
    size_t winner = atomic_load_acquire(&all.winner);
    if (!rc && winner && out && out_size)
        memcpy(out, replica_at(&all, winner - 1)->answer, out_size);
    uint64_t first_end = atomic_load_acquire(&all.first_end);
    if (!rc && !winner)
        rc = first_end ? (int)(uint32_t)first_end : -ECANCELED; /* all left by weft_goexit */
    weft_ctx_unref(all.ctx);
    alloc_free(all.each);
    return rc;
}

SANITIZE_OWNER_DATA_END
