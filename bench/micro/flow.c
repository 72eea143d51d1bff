/* SPDX-License-Identifier: Apache-2.0
 * pipeline_1, _4, _16: an item through so many stages. tee, bridge, fan_in_64: an item through that stage, its sources
 * and sinks included. or_64: the or of 64 channels, made and closed by one of them. All can be stopped. */
#include "bench/harness.h"

enum { SOURCES = 64, PER_STREAM = 16 };

struct source {
    weft_chan *done, *out;
    int64_t begin, end, step;
};

static void drop(weft_chan *ch)
{
    weft_chan_close(ch);
    weft_chan_unref(ch);
}

static void count(void *arg)
{
    struct source s = *(struct source *)arg;
    for (int64_t i = s.begin; i < s.end; i += s.step) {
        if (WEFT_SELECT(WEFT_RECV(s.done, NULL), WEFT_SEND(s.out, &i)) == 0) {
            break;
        }
    }
    drop(s.out);
    weft_chan_unref(s.done);
}

/* A channel of the numbers from begin to end. */
static weft_chan *counter(weft_chan *done, int64_t begin, int64_t end, int64_t step)
{
    struct source s = {.done = weft_chan_ref(done),
                       .out = weft_chan_new(sizeof(int64_t), 0),
                       .begin = begin,
                       .end = end,
                       .step = step};
    weft_chan *out = weft_chan_ref(s.out);
    weft_go_copy(count, &s, sizeof(s));
    return out;
}

/* The sum of what comes, which is checked, and the channel is dropped. */
static void sum_up(struct call *call, weft_chan *in, int64_t wanted)
{
    int64_t sum = 0, v;
    while (weft_chan_recv(in, &v)) {
        sum += v;
        if (v % MARK_EVERY == 0) {
            mark_proc(call);
        }
    }
    weft_chan_unref(in);
    if (sum != wanted) {
        bench_fail(call->bench, "the sum is %lld, not %lld", (long long)sum, (long long)wanted);
    }
}

static int64_t sum_below(int64_t n)
{
    return n * (n - 1) / 2;
}

static void add_one(void *out, const void *in, void *arg)
{
    (void)arg;
    *(int64_t *)out = *(const int64_t *)in + 1;
}

static void pipeline(struct call *call, int stages)
{
    weft_chan *done = weft_chan_new(0, 0);
    int64_t n = call->iterations, begin = weft_now();
    weft_chan *in = counter(done, 0, n, 1);
    for (int i = 0; i < stages; i++) {
        in = weft_map(done, in, sizeof(int64_t), add_one, NULL);
    }
    sum_up(call, in, sum_below(n) + n * stages);
    call->elapsed_ns = weft_now() - begin;
    drop(done);
}

static void pipeline_1_body(struct call *call)
{
    pipeline(call, 1);
}
ROW_IN_WEFT(pipeline_1)

static void pipeline_4_body(struct call *call)
{
    pipeline(call, 4);
}
ROW_IN_WEFT(pipeline_4)

static void pipeline_16_body(struct call *call)
{
    pipeline(call, 16);
}
ROW_IN_WEFT(pipeline_16)

static void tee_body(struct call *call)
{
    weft_chan *a, *b, *done = weft_chan_new(0, 0);
    int64_t n = call->iterations, sum = 0, v, w, begin = weft_now();
    if (weft_tee(done, counter(done, 0, n, 1), &a, &b)) {
        bench_fail(call->bench, "no memory");
        return;
    }
    while (weft_chan_recv(a, &v) && weft_chan_recv(b, &w)) {
        sum += v + w;
    }
    call->elapsed_ns = weft_now() - begin;
    mark_proc(call);
    if (sum != 2 * sum_below(n)) {
        bench_fail(call->bench, "the sum is %lld", (long long)sum);
    }
    weft_chan_unref(a);
    weft_chan_unref(b);
    drop(done);
}
ROW_IN_WEFT(tee)

/* Streams of 16 numbers each. */
static void make_streams(void *arg)
{
    struct source s = *(struct source *)arg;
    for (int64_t i = s.begin; i < s.end; i += PER_STREAM) {
        weft_chan *stream = weft_chan_new(sizeof(int64_t), PER_STREAM);
        for (int64_t k = i; k < i + PER_STREAM && k < s.end; k++) {
            weft_chan_send(stream, &k);
        }
        weft_chan_close(stream);
        weft_chan_send(s.out, &stream);
    }
    drop(s.out);
}

static void bridge_body(struct call *call)
{
    weft_chan *done = weft_chan_new(0, 0), *streams = weft_chan_new(sizeof(weft_chan *), 0);
    int64_t n = call->iterations, begin = weft_now();
    struct source s = {.out = weft_chan_ref(streams), .end = n};
    weft_go_copy(make_streams, &s, sizeof(s));
    sum_up(call, weft_bridge(done, streams, sizeof(int64_t)), sum_below(n));
    call->elapsed_ns = weft_now() - begin;
    drop(done);
}
ROW_IN_WEFT(bridge)

static void fan_in_64_body(struct call *call)
{
    weft_chan *ins[SOURCES], *done = weft_chan_new(0, 0);
    int64_t n = call->iterations, begin = weft_now();
    for (int i = 0; i < SOURCES; i++) {
        ins[i] = counter(done, i, n, SOURCES);
    }
    sum_up(call, weft_fan_in(done, ins, SOURCES), sum_below(n));
    call->elapsed_ns = weft_now() - begin;
    drop(done);
}
ROW_IN_WEFT(fan_in_64)

static void or_64_body(struct call *call)
{
    weft_chan *chans[SOURCES];
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        for (int k = 0; k < SOURCES; k++) {
            chans[k] = weft_chan_new(0, 0);
        }
        weft_chan *mine = weft_chan_ref(chans[i % SOURCES]);
        weft_chan *any = weft_or(chans, SOURCES);
        drop(mine);
        if (weft_chan_recv(any, NULL)) {
            bench_fail(call->bench, "it isn't closed");
        }
        weft_chan_unref(any);
    }
    call->elapsed_ns = weft_now() - begin;
    mark_proc(call);
}
ROW_IN_WEFT(or_64)

void add_flow_rows(void)
{
    static const struct bench_row rows[] = {
        {.name = "pipeline_1", .body = pipeline_1_row, .warmup = 10000},
        {.name = "pipeline_4", .body = pipeline_4_row, .warmup = 10000},
        {.name = "pipeline_16", .body = pipeline_16_row, .warmup = 1000},
        {.name = "tee", .body = tee_row, .warmup = 10000},
        {.name = "bridge", .body = bridge_row, .warmup = 10000},
        {.name = "fan_in_64", .body = fan_in_64_row, .warmup = 10000},
        {.name = "or_64", .body = or_64_row, .warmup = 100},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bench_add(&rows[i]);
    }
}
