/* SPDX-License-Identifier: Apache-2.0
 * 5_timeout.c - a calculation that can be stopped (chapter 5 of "Concurrency in Go"): each function of a long chain takes the
 * context, and does no more than one step without looking at it. So all of it stops within one step of the cancel. */
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <weft/weft.h>

static atomic_int steps;

/* The smallest piece that isn't interrupted. */
static int step(weft_ctx *ctx, double *value)
{
    int err = weft_ctx_err(ctx);
    if (err)
        return err;
    atomic_fetch_add(&steps, 1);
    for (int i = 0; i < 1000; i++)
        *value = *value / 2 + 1;
    return 0;
}

static int long_calculation(weft_ctx *ctx, double *value)
{
    for (int i = 0; i < 1000; i++) {
        int err = step(ctx, value);
        if (err)
            return err;
    }
    return 0;
}

static int really_long_calculation(weft_ctx *ctx, double *value)
{
    for (;;) { /* as good as */
        int err = long_calculation(ctx, value);
        if (err)
            return err;
    }
}

static weft_waitgroup stopped;
static int result;

static void calculate(void *ctx)
{
    double value = 1;
    result = really_long_calculation(ctx, &value);
    weft_waitgroup_done(&stopped);
}

static void main_goroutine(void *arg)
{
    weft_ctx *ctx = weft_ctx_with_cancel(NULL);
    (void)arg;
    weft_waitgroup_add(&stopped, 1);
    weft_go(calculate, ctx);
    while (atomic_load(&steps) < 5)
        weft_yield();
    weft_ctx_cancel(ctx);
    int at_cancel = atomic_load(&steps);
    weft_waitgroup_wait(&stopped);
    weft_ctx_unref(ctx);
    printf("result: %s\n", result == -ECANCELED ? "canceled" : "?");
    printf("%s\n",
           atomic_load(&steps) - at_cancel <= 1 ? "within one step of the cancel" : "later");
}

int main(void)
{
    return weft_run(main_goroutine, NULL, NULL);
}
