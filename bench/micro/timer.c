/* SPDX-License-Identifier: Apache-2.0
 * timer_create_stop: make a timer that calls a function, stop it. timers_1m: make a million, stop all; set them
 * again, all due soon, until all have called. ticker_jitter: by how much ticks of a millisecond come late. */
#include <stdlib.h>

#include "bench/harness.h"

enum { MILLION = 1000000, SMALL_TIMERS = 2000, RESET_NS = 300, TICKS = 200, SMALL_TICKS = 5 };

static void nothing(void *arg)
{
    (void)arg;
}

static void timer_create_stop_body(struct call *call)
{
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        weft_timer *t = weft_after_func(WEFT_HOUR, nothing, NULL);
        if (!t || !weft_timer_stop(t)) {
            bench_fail(call->bench, "there was no timer to stop");
        }
        weft_timer_unref(t);
        if (i % MARK_EVERY == 0) {
            mark_proc(call);
        }
    }
    call->elapsed_ns = weft_now() - begin;
}
ROW_IN_WEFT(timer_create_stop)

static void count_one(void *fired)
{
    __atomic_fetch_add((int64_t *)fired, 1, __ATOMIC_RELAXED);
}

/* A second apart at most, no two neighbours near each other. */
static int64_t spread_ns(int64_t i)
{
    return i * 7919 % 1000000 * 1000;
}

static void timers_body(struct call *call)
{
    int64_t n = call->iterations, fired = 0, stopped = 0;
    weft_timer **timers = calloc((size_t)n, sizeof(timers[0]));
    int64_t begin = weft_now();
    for (int64_t i = 0; timers && i < n; i++) {
        timers[i] = weft_after_func(WEFT_HOUR + spread_ns(i), count_one, &fired);
        if (!timers[i]) {
            bench_fail(call->bench, "no memory");
            return;
        }
    }
    int64_t armed = weft_now();
    for (int64_t i = 0; timers && i < n; i++) {
        stopped += weft_timer_stop(timers[i]);
    }
    int64_t end = weft_now();
    /* After the last was set, as far as is known now. */
    int64_t due = end + 2 * (armed - begin) + n * RESET_NS + WEFT_MILLISECOND;
    for (int64_t i = 0; timers && i < n; i++) {
        weft_timer_reset(timers[i], due - weft_now());
    }
    weft_sleep_until(due);
    while (__atomic_load_n(&fired, __ATOMIC_RELAXED) < n) {
        weft_yield();
    }
    int64_t last = weft_now();
    mark_proc(call);
    if (!timers || stopped != n) {
        bench_fail(call->bench, "%lld of %lld stopped", (long long)stopped, (long long)n);
    }
    for (int64_t i = 0; timers && i < n; i++) {
        weft_timer_unref(timers[i]);
    }
    free(timers);
    call->elapsed_ns = end - begin + (last - due);
    bench_count(call->bench, "arm_ns_each", (double)(armed - begin) / (double)n);
    bench_count(call->bench, "stop_ns_each", (double)(end - armed) / (double)n);
    bench_count(call->bench, "fire_ns_each", (double)(last - due) / (double)n);
}
ROW_IN_WEFT(timers)

static void ticker_jitter_body(struct call *call)
{
    static int64_t samples_ns[TICKS];
    int64_t n = call->iterations, due;
    weft_ticker *t = weft_ticker_new(WEFT_MILLISECOND);
    if (!t) {
        bench_fail(call->bench, "no memory");
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        weft_chan_recv(weft_ticker_chan(t), &due);
        samples_ns[i] = weft_now() - due;
        call->elapsed_ns += samples_ns[i];
        if (samples_ns[i] < 0) {
            bench_fail(call->bench, "a tick came early");
        }
    }
    mark_proc(call);
    weft_ticker_unref(t);
    count_percentiles(call->bench, samples_ns, (size_t)n);
}
ROW_IN_WEFT(ticker_jitter)

void add_timer_rows(void)
{
    static const struct bench_row create = {
        .name = "timer_create_stop", .body = timer_create_stop_row, .warmup = 10000};
    static struct bench_row million = {.name = "timers_1m", .body = timers_row, .warmup = 100};
    static struct bench_row jitter = {
        .name = "ticker_jitter", .body = ticker_jitter_row, .warmup = SMALL_TICKS};
    million.iterations = bench_small() ? SMALL_TIMERS : MILLION;
    jitter.iterations = bench_small() ? SMALL_TICKS : TICKS;
    bench_add(&create);
    bench_add(&million);
    bench_add(&jitter);
}
