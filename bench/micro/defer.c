/* SPDX-License-Identifier: Apache-2.0
 * defer: a function that defers a call. panic_try: a weft_try around a function that panics. */
#include "bench/harness.h"

static void count_up(void *arg)
{
    ++*(int64_t *)arg;
}

/* Something may panic in it, as far as the compiler knows: else nothing would be left of the deferring. */
static __attribute__((noinline)) void defer_once(int64_t *count)
{
    WEFT_DEFER(count_up, count);
    __asm__ volatile("" : : : "memory");
}

static void check_count(struct call *call, int64_t count)
{
    if (count != call->iterations) {
        bench_fail(call->bench, "%lld times, not %lld", (long long)count,
                   (long long)call->iterations);
    }
    mark_proc(call);
}

static void defer_body(struct call *call)
{
    int64_t count = 0;
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        defer_once(&count);
    }
    call->elapsed_ns = weft_now() - begin;
    check_count(call, count);
}
ROW_IN_WEFT(defer)

static void give_up(void *arg)
{
    count_up(arg);
    weft_panic("given up");
}

static void panic_try_body(struct call *call)
{
    int64_t count = 0, caught = 0;
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        caught += weft_try(give_up, &count, NULL);
    }
    call->elapsed_ns = weft_now() - begin;
    check_count(call, count);
    check_count(call, caught);
}
ROW_IN_WEFT(panic_try)

void add_defer_rows(void)
{
    static const struct bench_row rows[] = {
        {.name = "defer", .body = defer_row, .warmup = 100000},
        {.name = "panic_try", .body = panic_try_row, .warmup = 10000},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench_add(&rows[i]);
    }
}
