/* SPDX-License-Identifier: Apache-2.0
 * typed.c - stages for typed channels: no casts, and what comes out of one goes into the next. */
#include "pieces.h"

WEFT_CHAN_TYPE(ints, int);
WEFT_FLOW_TYPE(ints, int);

struct fraction {
    double whole, rest;
};
WEFT_CHAN_TYPE(fractions, struct fraction);
WEFT_FLOW_TYPE(fractions, struct fraction);
WEFT_FLOW_MAP_TYPE(halves, ints, fractions, struct fraction);

static void next_int(void *out, void *arg)
{
    *(int *)out = (*(int *)arg)++;
}

static void half(void *out, const void *in, void *arg)
{
    (void)arg;
    *(int *)out = *(const int *)in / 2;
}

static void half_exactly(void *out, const void *in, void *arg)
{
    int v = *(const int *)in;
    (void)arg;
    *(struct fraction *)out = (struct fraction){.whole = v / 2, .rest = v % 2 / 2.0};
}

static bool is_even(const void *in, void *arg)
{
    (void)arg;
    return *(const int *)in % 2 == 0;
}

static int sum_of(ints_rx rx)
{
    int sum = 0, v;
    while (ints_recv(rx, &v))
        sum += v;
    ints_unref(rx);
    return sum;
}

/* 1 to n, and the end. */
static ints up_to(int n)
{
    ints ch = ints_new((size_t)n);
    keep(ints_raw(ch));
    for (int i = 1; i <= n; i++)
        ints_send(ch, i);
    ints_close(ch);
    return ch;
}

IN_RUN(typed_stages)
{
    static const int values[] = {1, 2, 3};
    int n = 0;
    weft_chan *done = new_done();
    CHECK_EQ(sum_of(ints_take(done, ints_repeat(done, values, 3), 7)), 13);
    ints_rx evens = ints_filter(done, ints_repeat_fn(done, next_int, &n), is_even, NULL);
    CHECK_EQ(sum_of(ints_take(done, ints_map(done, evens, half, NULL), 5)), 10);

    ints both = up_to(3); /* a channel of both directions goes in as it is */
    ints_rx a, b;
    CHECK_EQ(ints_tee(done, both, &a, &b), 0);
    ints_rx ins[] = {ints_buffer(done, a, 2), ints_or_done(done, b)};
    CHECK_EQ(sum_of(ints_fan_in(done, ins, 2)), 12);

    ints_rx workers[3];
    CHECK_EQ(ints_fan_out(done, up_to(10), workers, 3, half, NULL), 0);
    CHECK_EQ(sum_of(ints_fan_in(done, workers, 3)), 25);
    finish(done);
    all_is_over();
}

IN_RUN(from_type_to_type)
{
    weft_chan *done = new_done();
    fractions_rx out = halves_map(done, up_to(5), half_exactly, NULL), workers[2];
    struct fraction v = {0};
    for (int i = 1; i <= 5; i++)
        CHECK(fractions_recv(out, &v) && 2 * (v.whole + v.rest) == i);
    CHECK(!fractions_recv(out, &v));
    fractions_unref(out);
    CHECK_EQ(halves_fan_out(done, up_to(5), workers, 2, half_exactly, NULL), 0);
    out = fractions_fan_in(done, workers, 2);
    double sum = 0;
    while (fractions_recv(out, &v))
        sum += v.whole + v.rest;
    CHECK(sum == 7.5);
    fractions_unref(out);
    finish(done);
    all_is_over();
}

IN_RUN(streams_of_a_type)
{
    weft_chan *done = new_done();
    ints_streams streams = ints_streams_new(3);
    for (int n = 1; n <= 3; n++)
        ints_streams_send(streams, ints_to_rx(up_to(n)));
    ints_streams_close(streams);
    CHECK_EQ(sum_of(ints_bridge(done, streams)), 1 + 3 + 6);

    ints silent = ints_new(0);
    weft_chan *any = ints_or((ints_rx[]){ints_to_rx(silent), ints_to_rx(up_to(1))}, 2);
    CHECK(!weft_chan_recv(any, NULL));
    weft_chan_unref(any);
    finish(done);
    all_is_over();
}
