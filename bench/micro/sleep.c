/* SPDX-License-Identifier: Apache-2.0
 * sleep_1us, sleep_50us, sleep_1ms: how long a sleep takes, of an otherwise idle runtime. */
#include "bench/harness.h"

enum { SAMPLES_MAX = 2000, SMALL = 5 };

static void sleep_for(struct call *call, int64_t ns)
{
    static int64_t samples_ns[SAMPLES_MAX];
    int64_t n = call->iterations;
    for (int64_t i = 0; i < n; i++) {
        int64_t begin = weft_now();
        weft_sleep(ns);
        samples_ns[i] = weft_now() - begin;
        call->elapsed_ns += samples_ns[i];
        if (samples_ns[i] < ns) {
            bench_fail(call->bench, "slept %lld ns only", (long long)samples_ns[i]);
        }
    }
    mark_proc(call);
    count_percentiles(call->bench, samples_ns, (size_t)n);
}

static void sleep_1us_body(struct call *call)
{
    sleep_for(call, WEFT_MICROSECOND);
}
ROW_IN_WEFT(sleep_1us)

static void sleep_50us_body(struct call *call)
{
    sleep_for(call, 50 * WEFT_MICROSECOND);
}
ROW_IN_WEFT(sleep_50us)

static void sleep_1ms_body(struct call *call)
{
    sleep_for(call, WEFT_MILLISECOND);
}
ROW_IN_WEFT(sleep_1ms)

void add_sleep_rows(void)
{
    static struct bench_row rows[] = {
        {.name = "sleep_1us", .body = sleep_1us_row, .warmup = SMALL, .iterations = 2000},
        {.name = "sleep_50us", .body = sleep_50us_row, .warmup = SMALL, .iterations = 1000},
        {.name = "sleep_1ms", .body = sleep_1ms_row, .warmup = SMALL, .iterations = 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rows[i].iterations = bench_small() ? SMALL : rows[i].iterations;
        bench_add(&rows[i]);
    }
}
