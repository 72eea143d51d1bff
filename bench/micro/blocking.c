/* SPDX-License-Identifier: Apache-2.0
 * fork_blocking: weft_blocking of a function that comes back at once. */
#include "bench/harness.h"

static void *count_up(void *arg)
{
    ++*(int64_t *)arg;
    return arg;
}

static void fork_blocking_body(struct call *call)
{
    int64_t ran = 0, returned = 0;
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        returned += weft_blocking(count_up, &ran) == &ran;
    }
    call->elapsed_ns = weft_now() - begin;
    if (ran != call->iterations || returned != ran) {
        bench_fail(call->bench, "ran %lld times and returned %lld times, not %lld", (long long)ran,
                   (long long)returned, (long long)call->iterations);
    }
    mark_proc(call);
}
ROW_IN_WEFT(fork_blocking)

void add_blocking_rows(void)
{
    static const struct bench_row row = {
        .name = "fork_blocking", .body = fork_blocking_row, .warmup = 100000};
    bench_add(&row);
}
