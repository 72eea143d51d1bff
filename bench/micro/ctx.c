/* SPDX-License-Identifier: Apache-2.0
 * ctx_cancel_1000: cancel a context with 1000 children; making and freeing them is not timed. ctx_timeout_cancel: make a context with
 * a timeout of an hour, cancel it, drop it. ctx_value_10: look up the value that is 10 layers up. */
#include "bench/harness.h"

enum { CHILDREN = 1000, LAYERS = 10 };

static void ctx_cancel_1000_body(struct call *call)
{
    static weft_ctx *children[CHILDREN];
    for (int64_t i = 0; i < call->iterations; i++) {
        weft_ctx *root = weft_ctx_with_cancel(NULL);
        for (int k = 0; k < CHILDREN; k++) {
            children[k] = weft_ctx_with_cancel(root);
        }
        int64_t begin = weft_now();
        weft_ctx_cancel(root);
        call->elapsed_ns += weft_now() - begin;
        for (int k = 0; k < CHILDREN; k++) {
            if (!weft_ctx_err(children[k])) {
                bench_fail(call->bench, "a child goes on");
            }
            weft_ctx_unref(children[k]);
        }
        weft_ctx_unref(root);
        mark_proc(call);
    }
}
ROW_IN_WEFT(ctx_cancel_1000)

static void ctx_timeout_cancel_body(struct call *call)
{
    weft_ctx *root = weft_ctx_with_cancel(NULL);
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        weft_ctx *ctx = weft_ctx_with_timeout(root, WEFT_HOUR);
        weft_ctx_cancel(ctx);
        if (!weft_ctx_err(ctx)) {
            bench_fail(call->bench, "it goes on");
        }
        weft_ctx_unref(ctx);
        if (i % MARK_EVERY == 0) {
            mark_proc(call);
        }
    }
    call->elapsed_ns = weft_now() - begin;
    weft_ctx_unref(root);
}
ROW_IN_WEFT(ctx_timeout_cancel)

static void ctx_value_10_body(struct call *call)
{
    static char keys[LAYERS];
    weft_ctx *layers[LAYERS], *ctx = NULL;
    for (int i = 0; i < LAYERS; i++) {
        ctx = layers[i] = weft_ctx_with_value(ctx, &keys[i], &keys[i]);
    }
    int64_t begin = weft_now(), found = 0;
    for (int64_t i = 0; i < call->iterations; i++) {
        found += weft_ctx_value(ctx, &keys[0]) == &keys[0];
        if (i % MARK_EVERY == 0) {
            mark_proc(call);
        }
    }
    call->elapsed_ns = weft_now() - begin;
    if (found != call->iterations) {
        bench_fail(call->bench, "not found");
    }
    for (int i = 0; i < LAYERS; i++) {
        weft_ctx_unref(layers[i]);
    }
}
ROW_IN_WEFT(ctx_value_10)

void add_ctx_rows(void)
{
    static const struct bench_row cancel = {
        .name = "ctx_cancel_1000", .body = ctx_cancel_1000_row, .warmup = 10};
    static const struct bench_row timeout = {
        .name = "ctx_timeout_cancel", .body = ctx_timeout_cancel_row, .warmup = 10000};
    static const struct bench_row value = {
        .name = "ctx_value_10", .body = ctx_value_10_row, .warmup = 100000};
    bench_add(&cancel);
    bench_add(&timeout);
    bench_add(&value);
}
