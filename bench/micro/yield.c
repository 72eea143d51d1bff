/* SPDX-License-Identifier: Apache-2.0
 * yield: two goroutines yield in turn. */
#include "bench/harness.h"

/* Each counts on a cache line of its own, so that the check costs two Ps nothing. */
struct yielder {
    _Alignas(64) int64_t turns; /* written by its goroutine, read by the other one at its end */
    int64_t turns_wanted;
    int64_t other_turns;
    struct yielder *other;
    weft_waitgroup *finished;
    struct call *call;
};

static void yield_in_turn(void *arg)
{
    struct yielder *self = arg;
    for (int64_t i = 0; i < self->turns_wanted; i++) {
        if (i % MARK_EVERY == 0) {
            mark_proc(self->call);
        }
        __atomic_store_n(&self->turns, i + 1, __ATOMIC_RELAXED);
        weft_yield();
    }
    self->other_turns = __atomic_load_n(&self->other->turns, __ATOMIC_RELAXED);
    weft_waitgroup_done(self->finished);
}

static void yield_body(struct call *call)
{
    weft_waitgroup finished = {0};
    int64_t half = (call->iterations + 1) / 2;
    struct yielder pair[2];
    for (int i = 0; i < 2; i++) {
        pair[i] = (struct yielder){.turns_wanted = i ? call->iterations - half : half,
                                   .other = &pair[!i],
                                   .finished = &finished,
                                   .call = call};
    }
    weft_waitgroup_add(&finished, 2);
    int64_t begin = weft_now();
    if (!start(call, yield_in_turn, &pair[0]) || !start(call, yield_in_turn, &pair[1])) {
        return;
    }
    weft_waitgroup_wait(&finished);
    call->elapsed_ns = weft_now() - begin;

    if (pair[0].turns + pair[1].turns != call->iterations) {
        bench_fail(call->bench, "%lld yields, not %lld", (long long)(pair[0].turns + pair[1].turns),
                   (long long)call->iterations);
    }
    weft_stats stats;
    weft_stats_read(&stats);
    for (int i = 0; stats.procs == 1 && i < 2; i++) {
        if (pair[i].other_turns < pair[i].turns_wanted / 2) {
            bench_fail(call->bench, "not in turn: %lld of one, %lld of the other",
                       (long long)pair[i].turns_wanted, (long long)pair[i].other_turns);
        }
    }
}
ROW_IN_WEFT(yield)

void add_yield_rows(void)
{
    static const struct bench_row row = {.name = "yield", .body = yield_row, .warmup = 100000};
    bench_add(&row);
}
