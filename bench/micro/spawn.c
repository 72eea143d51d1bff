/* SPDX-License-Identifier: Apache-2.0
 * spawn_join: start an empty goroutine and wait for it with a WaitGroup.
 * spawn_many: start many, then wait once.
 * An empty goroutine says that it is done and nothing else. On which Ps they run is seen in a last,
 * untimed batch of goroutines that are not quite empty. */
#include "bench/harness.h"

enum { BATCH = 10000 };

static void empty(void *finished)
{
    weft_waitgroup_done(finished);
}

struct marked {
    struct call *call;
    weft_waitgroup finished;
    int64_t ran; /* atomic */
};

static void marking(void *arg)
{
    struct marked *marked = arg;
    mark_proc(marked->call);
    __atomic_fetch_add(&marked->ran, 1, __ATOMIC_RELAXED);
    weft_waitgroup_done(&marked->finished);
}

/* Goroutines started by main alone, so this is exact. */
static void check_started(struct call *call, uint64_t started_before, int64_t wanted)
{
    weft_stats stats;
    weft_stats_read(&stats);
    int64_t started = (int64_t)(stats.started - started_before);
    if (started != wanted) {
        bench_fail(call->bench, "%lld goroutines started, not %lld", (long long)started,
                   (long long)wanted);
    }
}

static void spawn_join_body(struct call *call)
{
    weft_waitgroup finished = {0};
    weft_stats before;
    weft_stats_read(&before);
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        weft_waitgroup_add(&finished, 1);
        if (weft_go(empty, &finished)) {
            bench_fail(call->bench, "weft_go failed");
            return;
        }
        weft_waitgroup_wait(&finished);
    }
    call->elapsed_ns = weft_now() - begin;
    check_started(call, before.started, call->iterations);

    struct marked marked = {.call = call};
    int64_t rounds = call->iterations < BATCH ? call->iterations : BATCH;
    for (int64_t i = 0; i < rounds; i++) {
        weft_waitgroup_add(&marked.finished, 1);
        if (!start(call, marking, &marked)) {
            return;
        }
        weft_waitgroup_wait(&marked.finished);
        if (__atomic_load_n(&marked.ran, __ATOMIC_RELAXED) != i + 1) {
            bench_fail(call->bench, "wait returned before the goroutine was done");
        }
    }
}
ROW_IN_WEFT(spawn_join)

static void spawn_many_body(struct call *call)
{
    weft_waitgroup finished = {0};
    weft_stats before;
    weft_stats_read(&before);
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        weft_waitgroup_add(&finished, BATCH);
        for (int k = 0; k < BATCH; k++) {
            if (weft_go(empty, &finished)) {
                bench_fail(call->bench, "weft_go failed");
                return;
            }
        }
        weft_waitgroup_wait(&finished);
    }
    call->elapsed_ns = weft_now() - begin;
    check_started(call, before.started, call->iterations * BATCH);

    struct marked marked = {.call = call};
    weft_waitgroup_add(&marked.finished, BATCH);
    for (int k = 0; k < BATCH; k++) {
        if (!start(call, marking, &marked)) {
            return;
        }
    }
    weft_waitgroup_wait(&marked.finished);
    if (__atomic_load_n(&marked.ran, __ATOMIC_RELAXED) != BATCH) {
        bench_fail(call->bench, "%lld of %d ran", (long long)marked.ran, BATCH);
    }
}
ROW_IN_WEFT(spawn_many)

void add_spawn_rows(void)
{
    static const struct bench_row join = {
        .name = "spawn_join", .body = spawn_join_row, .warmup = 10000};
    static const struct bench_row many = {
        .name = "spawn_many", .body = spawn_many_row, .warmup = 2, .ops = BATCH};
    bench_add(&join);
    bench_add(&many);
}
