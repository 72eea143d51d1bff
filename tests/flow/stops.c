/* SPDX-License-Identifier: Apache-2.0
 * stops.c - the end of stages: done closed before, at each element and after; a consumer that stops; a source that never ends. In
 * the end there are as many goroutines and as many references to every channel as before. */
#include "pieces.h"

static void square(void *out, const void *in, void *arg)
{
    int v;
    (void)arg;
    memcpy(&v, in, sizeof v);
    v *= v;
    memcpy(out, &v, sizeof v);
}

static bool is_even(const void *in, void *arg)
{
    (void)arg;
    return *(const int *)in % 2 == 0;
}

/* ---- each stage by itself ---- */

/* That many come, from 0 on; in a source that ends nothing else. */
enum { ITEMS = 4 };

static void same(void *out, const void *in, void *arg)
{
    (void)arg;
    memcpy(out, in, sizeof(int));
}

static bool all_or_none(const void *in, void *all)
{
    (void)in;
    return all;
}

static void count_up(void *out, void *arg)
{
    *(int *)out = (*(int *)arg)++;
}

static weft_chan *start_or_done(weft_chan *done, bool ends)
{
    return weft_or_done(done, numbers(ITEMS, ends));
}

static weft_chan *start_take(weft_chan *done, bool ends)
{
    return weft_take(done, numbers(ITEMS, ends), ITEMS + 1);
}

static weft_chan *start_map(weft_chan *done, bool ends)
{
    return weft_map(done, numbers(ITEMS, ends), sizeof(int), same, NULL);
}

static weft_chan *start_filter(weft_chan *done, bool ends)
{
    return weft_filter(done, numbers(ITEMS, ends), all_or_none, done);
}

static weft_chan *start_buffer(weft_chan *done, bool ends)
{
    return weft_buffer(done, numbers(ITEMS, ends), 2);
}

static weft_chan *start_fan_in(weft_chan *done, bool ends)
{
    return weft_fan_in(done, (weft_chan *[]){numbers(ITEMS, ends), numbers(0, true)}, 2);
}

static weft_chan *start_fan_in_of_null(weft_chan *done, bool ends)
{
    return weft_fan_in(done, (weft_chan *[]){NULL, numbers(ITEMS, ends)}, 2);
}

static weft_chan *start_fan_out(weft_chan *done, bool ends)
{
    weft_chan *outs[1] = {NULL};
    CHECK_EQ(weft_fan_out(done, numbers(ITEMS, ends), outs, 1, sizeof(int), same, NULL), 0);
    return outs[0];
}

/* The other side goes to nobody. */
static weft_chan *start_tee(weft_chan *done, bool ends)
{
    weft_chan *a, *b;
    CHECK_EQ(weft_tee(done, numbers(ITEMS, ends), &a, &b), 0);
    weft_chan_unref(keep(weft_filter(done, keep(b), all_or_none, NULL)));
    return a;
}

/* Two in each of two channels, and one that is empty; the latter, if it is to be, without an end. Their channel is the stage's
 * alone, which drops what is left in it. */
static weft_chan *start_bridge(weft_chan *done, bool ends)
{
    weft_chan *streams = weft_chan_new(sizeof(weft_chan *), 3);
    weft_chan *each[] = {numbers_from(0, 2, true), numbers_from(2, 2, true), numbers(0, ends)};
    for (int i = 0; i < 3; i++)
        weft_chan_send(streams, &each[i]);
    if (ends)
        weft_chan_close(streams);
    return weft_bridge(done, streams, sizeof(int));
}

static weft_chan *start_repeat(weft_chan *done, bool ends)
{
    static const int values[ITEMS] = {0, 1, 2, 3};
    (void)ends;
    return weft_repeat(done, values, ITEMS, sizeof values[0]);
}

static weft_chan *start_repeat_fn(weft_chan *done, bool ends)
{
    static int next;
    (void)ends;
    next = 0;
    return weft_repeat_fn(done, sizeof next, count_up, &next);
}

static const struct kind {
    const char *name;
    weft_chan *(*start)(weft_chan *done, bool ends);
    bool endless; /* whatever the source does */
} kinds[] = {
    {"or_done", start_or_done, false},
    {"take", start_take, false},
    {"map", start_map, false},
    {"filter", start_filter, false},
    {"buffer", start_buffer, false},
    {"fan_in", start_fan_in, false},
    {"fan_in of NULL", start_fan_in_of_null, true},
    {"fan_out", start_fan_out, false},
    {"tee", start_tee, false},
    {"bridge", start_bridge, false},
    {"repeat", start_repeat, true},
    {"repeat_fn", start_repeat_fn, true},
};

/* The nth, counted from 0; false: there is none. */
static bool comes(const struct kind *kind, weft_chan *out, int n)
{
    int v = -1;
    if (!weft_chan_recv(out, &v))
        return false;
    if (v % ITEMS != n % ITEMS)
        FAIL("%s gives %d, not %d", kind->name, v, n);
    return true;
}

/* done closes before the stage starts (k below 0), after the kth element, or, if there is one, after the end. */
static void stop_one(const struct kind *kind, int k, bool ends, bool goes_on)
{
    int n = 0;
    weft_chan *done = new_done();
    if (k < 0)
        weft_chan_close(done);
    weft_chan *out = keep(kind->start(done, ends));
    for (; n < k && n < ITEMS; n++)
        CHECK(comes(kind, out, n));
    if (k > ITEMS && ends && !kind->endless)
        CHECK(!comes(kind, out, n));
    if (k >= 0)
        weft_chan_close(done);
    while (goes_on && comes(kind, out, n))
        n++;
    CHECK_LE(n, k < 0 ? 0 : k + 3); /* what is under way, and in a buffer */
    weft_chan_unref(out);
    weft_chan_unref(done);
    all_is_over();
}

IN_RUN(each_stops_at_each_element)
{
    for (int round = 0; round < test_scale(10); round++) {
        for (size_t i = 0; i < TEST_COUNT_OF(kinds); i++) {
            test_note_ = kinds[i].name;
            for (int k = -1; k <= ITEMS + 1; k++)
                for (int way = 0; way < 4; way++)
                    stop_one(&kinds[i], k, way % 2, way / 2);
        }
    }
}

/* Goal: with a source that is NULL it goes on when the others have ended, until done closes. */
IN_RUN(fan_in_of_null_waits_for_done)
{
    for (int others = 0; others < 3; others++) {
        weft_chan *done = new_done(), *ins[3] = {NULL};
        for (int i = 1; i <= others; i++)
            ins[i] = numbers(2, true);
        weft_chan *out = keep(weft_fan_in(done, ins, 1 + (size_t)others));
        for (int i = 0; i < 2 * others; i++)
            CHECK(weft_chan_recv(out, NULL));
        test_until_idle();
        CHECK_EQ(weft_chan_try_recv(out, NULL), -EAGAIN);
        finish(done);
        CHECK(!weft_chan_recv(out, NULL));
        weft_chan_unref(out);
        all_is_over();
    }
}

/* ---- all together ---- */

/* A network of all stages over a source that may end, from which one gets numbers. */
static weft_chan *network(weft_chan *done, weft_chan *source)
{
    weft_chan *a, *b, *outs[2];
    weft_chan *buffered = keep(weft_buffer(done, keep(weft_or_done(done, source)), 2));
    CHECK_EQ(weft_tee(done, buffered, &a, &b), 0);
    CHECK_EQ(weft_fan_out(done, keep(a), outs, 2, sizeof(int), square, NULL), 0);
    weft_chan *evens = weft_filter(done, keep(b), is_even, NULL);
    weft_chan *ins[] = {keep(outs[0]), keep(outs[1]), keep(evens)};
    return keep(weft_take(done, keep(weft_fan_in(done, ins, 3)), 1000));
}

/* Goal: wherever everybody is when done closes, all end and let go. Method: done closes before, after the kth element, and when all
 * is drained; the consumer then stops or goes on. */
static void stop_at(int k, bool goes_on, bool ends)
{
    int64_t sum;
    int v;
    weft_chan *done = new_done();
    if (k < 0)
        weft_chan_close(done);
    weft_chan *out = network(done, numbers(20, ends));
    for (int i = 0; i < k; i++)
        weft_chan_recv(out, &v);
    if (k >= 0)
        weft_chan_close(done);
    if (goes_on)
        drain(out, &sum);
    else
        weft_chan_unref(out);
    weft_chan_unref(done);
    all_is_over();
}

IN_RUN(stopped_anywhere)
{
    for (int round = 0; round < test_scale(20); round++)
        for (int k = -1; k <= 30; k++)
            for (int way = 0; way < 4; way++)
                stop_at(k, way / 2, way % 2);
}

/* Goal: a stage whose source and sink are always ready stops, too. */
IN_RUN(stopped_while_busy)
{
    int one = 1;
    int64_t sum;
    for (int round = 0; round < test_scale(100); round++) {
        weft_chan *done = new_done();
        weft_chan *out = keep(weft_buffer(done, keep(weft_repeat(done, &one, 1, sizeof one)), 8));
        for (int i = 0; i < round; i++)
            weft_chan_recv(out, NULL);
        finish(done);
        drain(out, &sum);
        all_is_over();
    }
}

/* A stream that is being received when done closes is dropped. */
IN_RUN(bridge_stopped_in_a_stream)
{
    weft_chan *done = new_done(), *streams = keep(weft_chan_new(sizeof(weft_chan *), 1));
    weft_chan *one = numbers(3, false);
    int v;
    weft_chan_send(streams, &one);
    weft_chan *out = keep(weft_bridge(done, streams, sizeof(int)));
    for (int i = 0; i < 3; i++)
        CHECK(weft_chan_recv(out, &v) && v == i);
    test_until_parked(1);
    finish(done);
    EXPECT(out);
    all_is_over();
}

/* Nor are those lost that it hasn't received. */
IN_RUN(bridge_stopped_with_streams_left)
{
    weft_chan *done = new_done();
    weft_chan *out = weft_bridge(done, streams_of_threes(), sizeof(int));
    CHECK(weft_chan_recv(out, NULL));
    finish(done);
    while (weft_chan_recv(out, NULL))
        ;
    weft_chan_unref(out);
    all_is_over();
}

static void leave(void *out, const void *in, void *arg)
{
    (void)out, (void)arg;
    if (*(const int *)in == 2)
        weft_goexit();
}

IN_RUN(goexit_in_a_function_ends_the_stage)
{
    int64_t sum;
    weft_chan *done = new_done();
    CHECK_EQ(drain(weft_map(done, numbers(5, true), sizeof(int), leave, NULL), &sum), 2);
    finish(done);
    all_is_over();
}
