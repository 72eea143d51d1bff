/* SPDX-License-Identifier: Apache-2.0
 * pingpong_unbuf, pingpong_cross, chan_same_task, prodcons_*, mpmc_*: elements through channels of words. */
#include "bench/harness.h"

struct flow {
    struct call *call;
    weft_chan *there, *back;
    int64_t items; /* of one goroutine */
    int64_t sum;
    bool held; /* on the processor that it is on */
    weft_waitgroup *finished;
};

static weft_chan *make_chan(struct call *call, size_t capacity)
{
    weft_chan *ch = weft_chan_new(sizeof(int64_t), capacity);
    if (!ch) {
        bench_fail(call->bench, "out of memory");
    }
    return ch;
}

static void check_sum(struct call *call, int64_t sum, int64_t wanted)
{
    if (sum != wanted) {
        bench_fail(call->bench, "the sum is %lld, not %lld", (long long)sum, (long long)wanted);
    }
}

/* 0 + 1 + ... + n - 1 */
static int64_t sum_below(int64_t n)
{
    return n * (n - 1) / 2;
}

/* ---- pingpong_unbuf ---- */

static void pong(void *arg)
{
    struct flow *flow = arg;
    int64_t v;
    weft_priv_hold(flow->held);
    while (weft_chan_recv(flow->there, &v)) {
        v++;
        weft_chan_send(flow->back, &v);
    }
    mark_proc(flow->call);
    weft_priv_hold(false);
    weft_waitgroup_done(flow->finished);
}

static void pingpong(struct call *call, bool held)
{
    weft_waitgroup finished = {0};
    struct flow flow = {.call = call,
                        .there = make_chan(call, 0),
                        .back = make_chan(call, 0),
                        .held = held,
                        .finished = &finished};
    int64_t v = 0;
    weft_waitgroup_add(&finished, 1);
    if (!start(call, pong, &flow)) {
        return;
    }
    weft_priv_hold(held);
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        weft_chan_send(flow.there, &v);
        weft_chan_recv(flow.back, &v);
    }
    call->elapsed_ns = weft_now() - begin;
    mark_proc(call);
    weft_priv_hold(false);
    check_sum(call, v, call->iterations);
    weft_chan_close(flow.there);
    weft_waitgroup_wait(&finished);
    weft_chan_unref(flow.there);
    weft_chan_unref(flow.back);
}

static void pingpong_unbuf_body(struct call *call)
{
    pingpong(call, false);
}
ROW_IN_WEFT(pingpong_unbuf)

/* ---- pingpong_cross: both stay on the processor that they are on, whatever they wait for ---- */

static void pingpong_cross_body(struct call *call)
{
    if (weft_maxprocs(0) < 2) {
        weft_maxprocs(2);
    }
    pingpong(call, true);
}
ROW_IN_WEFT(pingpong_cross)

/* ---- chan_same_task ---- */

static void chan_same_task_body(struct call *call)
{
    weft_chan *ch = make_chan(call, 128);
    int64_t sum = 0, v;
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        weft_chan_send(ch, &i);
        weft_chan_recv(ch, &v);
        sum += v;
    }
    call->elapsed_ns = weft_now() - begin;
    check_sum(call, sum, sum_below(call->iterations));
    weft_chan_unref(ch);
}
ROW_IN_WEFT(chan_same_task)

/* ---- producers and consumers ---- */

static void produce(void *arg)
{
    struct flow *flow = arg;
    for (int64_t i = 0; i < flow->items; i++) {
        if (i % MARK_EVERY == 0) {
            mark_proc(flow->call);
        }
        weft_chan_send(flow->there, &i);
    }
    weft_waitgroup_done(flow->finished);
}

static void consume(void *arg)
{
    struct flow *flow = arg;
    for (int64_t i = 0; i < flow->items; i++) {
        int64_t v;
        weft_chan_recv(flow->there, &v);
        flow->sum += v;
        if (i % MARK_EVERY == 0) {
            mark_proc(flow->call);
        }
    }
    weft_waitgroup_done(flow->finished);
}

enum { PAIRS_MAX = 64 };

/* The items that don't divide by the pairs go to the first. */
static void run_pairs(struct call *call, int pairs, size_t capacity)
{
    weft_waitgroup finished = {0};
    static struct flow producers[PAIRS_MAX], consumers[PAIRS_MAX];
    weft_chan *ch = make_chan(call, capacity);
    int64_t each = call->iterations / pairs, rest = call->iterations % pairs, sum = 0, wanted = 0;
    weft_waitgroup_add(&finished, 2 * pairs);
    int64_t begin = weft_now();
    for (int i = 0; i < pairs; i++) {
        producers[i] = (struct flow){
            .call = call, .there = ch, .items = each + (i ? 0 : rest), .finished = &finished};
        consumers[i] = producers[i];
        wanted += sum_below(producers[i].items);
        if (!start(call, consume, &consumers[i]) || !start(call, produce, &producers[i])) {
            return;
        }
    }
    weft_waitgroup_wait(&finished);
    call->elapsed_ns = weft_now() - begin;
    for (int i = 0; i < pairs; i++) {
        sum += consumers[i].sum;
    }
    check_sum(call, sum, wanted);
    weft_chan_unref(ch);
}

#define ROW_OF_PAIRS(name, pairs, capacity)                                                        \
    static void name##_body(struct call *call)                                                     \
    {                                                                                              \
        run_pairs(call, pairs, capacity);                                                          \
    }                                                                                              \
    ROW_IN_WEFT(name)

ROW_OF_PAIRS(prodcons_cap0, 1, 0)
ROW_OF_PAIRS(prodcons_cap1, 1, 1)
ROW_OF_PAIRS(prodcons_cap100, 1, 100)
ROW_OF_PAIRS(mpmc_4x4_cap128, 4, 128)
ROW_OF_PAIRS(mpmc_64x64_cap128, 64, 128)

void add_chan_rows(void)
{
    static const struct bench_row rows[] = {
        {.name = "pingpong_unbuf", .body = pingpong_unbuf_row, .warmup = 100000},
        {.name = "pingpong_cross", .body = pingpong_cross_row, .warmup = 10000},
        {.name = "chan_same_task", .body = chan_same_task_row, .warmup = 100000},
        {.name = "prodcons_cap0", .body = prodcons_cap0_row, .warmup = 100000},
        {.name = "prodcons_cap1", .body = prodcons_cap1_row, .warmup = 100000},
        {.name = "prodcons_cap100", .body = prodcons_cap100_row, .warmup = 100000},
        {.name = "mpmc_4x4_cap128", .body = mpmc_4x4_cap128_row, .warmup = 100000},
        {.name = "mpmc_64x64_cap128", .body = mpmc_64x64_cap128_row, .warmup = 100000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bench_add(&rows[i]);
    }
}
