/* SPDX-License-Identifier: Apache-2.0
 * mutex_fairness: eight goroutines lock and unlock one mutex for a time, an iteration a millisecond; the share of the
 * slowest of what the fastest had. mutex_polite: one keeps a mutex for ten microseconds and at once wants it again, another
 * wants it for a moment now and then; how long that one waits, an iteration a time. */
#include "bench/harness.h"

enum { CROWD = 8, BURST = 64, MILLISECONDS = 1000, WAITS = 200, WAITS_SMALL = 20 };

struct crowd {
    weft_mutex mutex;
    weft_waitgroup finished;
    int64_t end_ns;
    int64_t total; /* under the mutex */
    struct call *call;
};

struct member {
    _Alignas(64) struct crowd *crowd;
    int64_t locks;
};

static void hammer(void *arg)
{
    struct member *self = arg;
    struct crowd *crowd = self->crowd;
    int64_t locks = 0;
    while (weft_now() < crowd->end_ns) {
        for (int i = 0; i < BURST; i++) {
            weft_mutex_lock(&crowd->mutex);
            crowd->total++;
            weft_mutex_unlock(&crowd->mutex);
        }
        locks += BURST;
    }
    self->locks = locks;
    mark_proc(crowd->call);
    weft_waitgroup_done(&crowd->finished);
}

static void mutex_fairness_body(struct call *call)
{
    static struct crowd crowd;
    static struct member members[CROWD];
    int64_t begin = weft_now(), sum = 0, least = INT64_MAX, most = 0;
    crowd = (struct crowd){.call = call, .end_ns = begin + call->iterations * WEFT_MILLISECOND};
    weft_waitgroup_add(&crowd.finished, CROWD);
    for (int i = 0; i < CROWD; i++) {
        members[i] = (struct member){.crowd = &crowd};
        if (!start(call, hammer, &members[i])) {
            return;
        }
    }
    weft_waitgroup_wait(&crowd.finished);
    call->elapsed_ns = weft_now() - begin;
    for (int i = 0; i < CROWD; i++) {
        int64_t locks = members[i].locks;
        sum += locks;
        least = locks < least ? locks : least;
        most = locks > most ? locks : most;
    }
    if (sum != crowd.total) {
        bench_fail(call->bench, "%lld locks, counted %lld", (long long)sum, (long long)crowd.total);
    }
    bench_count(call->bench, "slowest_percent", most ? 100.0 * (double)least / (double)most : 0);
    bench_count(call->bench, "ns_per_op", (double)call->elapsed_ns / (double)(sum ? sum : 1));
}
ROW_IN_WEFT(mutex_fairness)

struct pair {
    weft_mutex mutex;
    weft_waitgroup finished;
    bool over; /* under the mutex */
};

static void work_for(int64_t ns)
{
    int64_t end = weft_now() + ns;
    while (weft_now() < end) {
    }
}

static void keep_it(void *arg)
{
    struct pair *pair = arg;
    for (bool over = false; !over;) {
        weft_mutex_lock(&pair->mutex);
        over = pair->over;
        work_for(10 * WEFT_MICROSECOND);
        weft_mutex_unlock(&pair->mutex);
    }
    weft_waitgroup_done(&pair->finished);
}

static void mutex_polite_body(struct call *call)
{
    static struct pair pair;
    static int64_t waits_ns[WAITS];
    pair = (struct pair){.over = false};
    weft_waitgroup_add(&pair.finished, 1);
    if (!start(call, keep_it, &pair)) {
        return;
    }
    for (int64_t i = 0; i < call->iterations; i++) {
        weft_sleep(50 * WEFT_MICROSECOND);
        int64_t begin = weft_now();
        weft_mutex_lock(&pair.mutex);
        waits_ns[i] = weft_now() - begin;
        call->elapsed_ns += waits_ns[i];
        pair.over = i + 1 == call->iterations;
        weft_mutex_unlock(&pair.mutex);
    }
    mark_proc(call);
    weft_waitgroup_wait(&pair.finished);
    count_percentiles(call->bench, waits_ns, (size_t)call->iterations);
    bench_count(call->bench, "max_ns", (double)waits_ns[call->iterations - 1]);
}
ROW_IN_WEFT(mutex_polite)

void add_fairness_rows(void)
{
    static struct bench_row rows[] = {
        {.name = "mutex_fairness", .body = mutex_fairness_row, .iterations = MILLISECONDS},
        {.name = "mutex_polite", .body = mutex_polite_row, .iterations = WAITS},
    };
    rows[0].iterations = bench_small() ? 20 : MILLISECONDS;
    rows[1].iterations = bench_small() ? WAITS_SMALL : WAITS;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench_add(&rows[i]);
    }
}
