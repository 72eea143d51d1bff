/* SPDX-License-Identifier: Apache-2.0
 * sleep_1ms: how long sleeping a millisecond takes, of an otherwise idle runtime. */
#include "bench/harness.h"

enum { SAMPLES = 200, SMALL = 5 };

static void sleep_1ms_body(struct call *call)
{
    static int64_t samples_ns[SAMPLES];
    int64_t n = call->iterations;
    for (int64_t i = 0; i < n; i++) {
        int64_t begin = weft_now();
        weft_sleep(WEFT_MILLISECOND);
        samples_ns[i] = weft_now() - begin;
        call->elapsed_ns += samples_ns[i];
        if (samples_ns[i] < WEFT_MILLISECOND) {
            bench_fail(call->bench, "slept %lld ns only", (long long)samples_ns[i]);
        }
    }
    mark_proc(call);
    count_percentiles(call->bench, samples_ns, (size_t)n);
}
ROW_IN_WEFT(sleep_1ms)

void add_sleep_rows(void)
{
    static struct bench_row row = {.name = "sleep_1ms", .body = sleep_1ms_row, .warmup = SMALL};
    row.iterations = bench_small() ? SMALL : SAMPLES;
    bench_add(&row);
}
