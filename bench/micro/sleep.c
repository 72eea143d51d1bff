/* SPDX-License-Identifier: Apache-2.0
 * sleep_1us, sleep_50us, sleep_1ms: how long a sleep takes, of an otherwise idle runtime. sleep_1ms_busy: while on each
 * processor a goroutine computes, which reads the clock all the time, so that it can be asked to give way. */
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

struct crowd {
    weft_waitgroup finished;
    bool over;
};

static void compute(void *arg)
{
    struct crowd *crowd = arg;
    while (!__atomic_load_n(&crowd->over, __ATOMIC_RELAXED)) {
        weft_now();
    }
    weft_waitgroup_done(&crowd->finished);
}

static void sleep_1ms_busy_body(struct call *call)
{
    static struct crowd crowd;
    int procs = weft_maxprocs(0);
    crowd = (struct crowd){.over = false};
    weft_waitgroup_add(&crowd.finished, procs);
    for (int i = 0; i < procs; i++) {
        if (!start(call, compute, &crowd)) {
            return;
        }
    }
    sleep_for(call, WEFT_MILLISECOND);
    __atomic_store_n(&crowd.over, true, __ATOMIC_RELAXED);
    weft_waitgroup_wait(&crowd.finished);
}
ROW_IN_WEFT(sleep_1ms_busy)

void add_sleep_rows(void)
{
    static struct bench_row rows[] = {
        {.name = "sleep_1us", .body = sleep_1us_row, .warmup = SMALL, .iterations = 2000},
        {.name = "sleep_50us", .body = sleep_50us_row, .warmup = SMALL, .iterations = 1000},
        {.name = "sleep_1ms", .body = sleep_1ms_row, .warmup = SMALL, .iterations = 200},
        {.name = "sleep_1ms_busy", .body = sleep_1ms_busy_row, .warmup = SMALL, .iterations = 200},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        rows[i].iterations = bench_small() ? SMALL : rows[i].iterations;
        bench_add(&rows[i]);
    }
}
