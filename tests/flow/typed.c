/* SPDX-License-Identifier: Apache-2.0
 * typed.c - stages for typed channels: no casts, and what comes out of one goes into the next. */
#include "pieces.h"

WEFT_CHAN_TYPE(ints, int);
WEFT_FLOW_TYPE(ints, int);

static void next_int(void *out, void *arg)
{
    *(int *)out = (*(int *)arg)++;
}

static void half(void *out, const void *in, void *arg)
{
    (void)arg;
    *(int *)out = *(const int *)in / 2;
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

IN_RUN(typed_stages)
{
    static const int values[] = {1, 2, 3};
    int n = 0;
    weft_chan *done = new_done();
    CHECK_EQ(sum_of(ints_take(done, ints_repeat(done, values, 3), 7)), 13);
    ints_rx evens = ints_filter(done, ints_repeat_fn(done, next_int, &n), is_even, NULL);
    CHECK_EQ(sum_of(ints_take(done, ints_map(done, evens.raw_, half, NULL), 5)), 10);

    ints both = ints_new(3); /* a channel of both directions goes in as it is */
    for (int i = 1; i <= 3; i++)
        ints_send(both, i);
    ints_close(both);
    ints_rx a, b;
    CHECK_EQ(ints_tee(done, both, &a, &b), 0);
    ints_rx ins[] = {ints_buffer(done, a, 2), ints_or_done(done, b)};
    CHECK_EQ(sum_of(ints_fan_in(done, ins, 2)), 12);

    weft_chan *streams = weft_chan_new(sizeof(weft_chan *), 1), *one = numbers(4, true);
    weft_chan_send(streams, &one);
    weft_chan_close(streams);
    CHECK_EQ(sum_of(ints_bridge(done, streams)), 6);
    finish(done);
    all_is_over();
}
