/* SPDX-License-Identifier: Apache-2.0
 * parked_1m: a million goroutines wait on one channel until it is closed. Its warm-up is small: the memory and the time of
 * the first million are what is asked for, and they would come from caches the second time. */
#include "bench/harness.h"

enum { MILLION = 1000000, SMALL = 2000 };

struct parked {
    struct call *call;
    int64_t arrived; /* atomic */
    weft_chan *gate; /* nothing is ever sent */
    int64_t woken;   /* by the close; atomic */
    weft_waitgroup finished;
};

static void wait_at_gate(void *arg)
{
    struct parked *parked = arg;
    if (__atomic_fetch_add(&parked->arrived, 1, __ATOMIC_RELAXED) % MARK_EVERY == 0) {
        mark_proc(parked->call);
    }
    if (!weft_chan_recv(parked->gate, NULL)) {
        __atomic_fetch_add(&parked->woken, 1, __ATOMIC_RELAXED);
    }
    weft_waitgroup_done(&parked->finished);
}

/* Yield until all are parked, not just on their way. */
static void until_parked(const struct parked *parked, int64_t n)
{
    weft_stats stats = {0};
    do {
        weft_yield();
        if (__atomic_load_n(&parked->arrived, __ATOMIC_RELAXED) == n) {
            weft_stats_read(&stats);
        }
    } while ((int64_t)stats.parked < n);
}

static void parked_body(struct call *call)
{
    struct parked parked = {.call = call, .gate = weft_chan_new(0, 0)};
    if (!parked.gate) {
        bench_fail(call->bench, "out of memory");
        return;
    }
    int64_t n = call->iterations;
    int64_t memory_before = memory_bytes();
    int64_t begin = weft_now();
    weft_waitgroup_add(&parked.finished, (int)n);
    for (int64_t i = 0; i < n; i++) {
        if (!start(call, wait_at_gate, &parked)) {
            return;
        }
    }
    until_parked(&parked, n);
    int64_t create_ns = weft_now() - begin;
    int64_t memory_grown = memory_bytes() - memory_before;

    begin = weft_now();
    weft_chan_close(parked.gate);
    weft_waitgroup_wait(&parked.finished);
    int64_t wake_ns = weft_now() - begin;

    if (parked.woken != n) {
        bench_fail(call->bench, "%lld of %lld saw the close", (long long)parked.woken,
                   (long long)n);
    }
    weft_chan_unref(parked.gate);
    call->elapsed_ns = create_ns + wake_ns;
    bench_count(call->bench, "bytes_each", (double)memory_grown / (double)n);
    bench_count(call->bench, "create_ns_each", (double)create_ns / (double)n);
    bench_count(call->bench, "wake_ns_each", (double)wake_ns / (double)n);
    bench_count(call->bench, "total_ns", (double)call->elapsed_ns);
}
ROW_IN_WEFT(parked)

void add_parked_rows(void)
{
    static struct bench_row row = {.name = "parked_1m", .body = parked_row, .warmup = 100};
    row.iterations = bench_small() ? SMALL : MILLION;
    bench_add(&row);
}
