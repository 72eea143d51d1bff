/* SPDX-License-Identifier: Apache-2.0
 * pieces.h - what the tests of stages share: sources whose ends are counted, and a check that nothing was kept. */
#ifndef WEFT_TESTS_FLOW_PIECES_H
#define WEFT_TESTS_FLOW_PIECES_H

#include "../test.h"

#include "runtime/chan/chan.h"

enum { KEPT_MAX = 64 };

/* Channels that this test still has a reference to, and nobody else when all is over. */
static weft_chan *kept[KEPT_MAX];
static size_t kept_n;

static TEST_UNUSED weft_chan *keep(weft_chan *ch)
{
    REQUIRE(ch && kept_n < KEPT_MAX);
    kept[kept_n++] = weft_chan_ref(ch);
    return ch;
}

/* Goal of each test: what it started ends, and lets go of every channel. */
static TEST_UNUSED void all_is_over(void)
{
    test_until_goroutines(1);
    for (size_t i = 0; i < kept_n; i++) {
        TEST_UNTIL(atomic_load(&kept[i]->refs) == 1);
        weft_chan_unref(kept[i]);
    }
    kept_n = 0;
}

static TEST_UNUSED weft_chan *new_done(void)
{
    return keep(weft_chan_new(0, 0));
}

static TEST_UNUSED void finish(weft_chan *done)
{
    weft_chan_close(done);
    weft_chan_unref(done);
}

/* n numbers, buffered; or without an end, only buffered so far. */
static TEST_UNUSED weft_chan *numbers_from(int first, int n, bool ends)
{
    weft_chan *ch = keep(weft_chan_new(sizeof(int), (size_t)n + 1));
    for (int i = first; i < first + n; i++)
        weft_chan_send(ch, &i);
    if (ends)
        weft_chan_close(ch);
    return ch;
}

static TEST_UNUSED weft_chan *numbers(int n, bool ends)
{
    return numbers_from(0, n, ends);
}

/* A channel of channels, each with numbers and without an end. */
static TEST_UNUSED weft_chan *streams_of_threes(void)
{
    weft_chan *streams = weft_chan_new(sizeof(weft_chan *), 3);
    for (int i = 0; i < 3; i++) {
        weft_chan *one = numbers(3, false);
        weft_chan_send(streams, &one);
    }
    return streams;
}

/* Receives until it is closed, and drops it: how many there were, in *sum their sum. */
static TEST_UNUSED int drain(weft_chan *ch, int64_t *sum)
{
    int n = 0, v;
    *sum = 0;
    for (; weft_chan_recv(ch, &v); n++)
        *sum += v;
    weft_chan_unref(ch);
    return n;
}

/* Each of these must come, in this order, and then the end. */
static TEST_UNUSED void expect(weft_chan *ch, const int *values, size_t n)
{
    int v = -1;
    for (size_t i = 0; i < n; i++) {
        CHECK(weft_chan_recv(ch, &v));
        CHECK_EQ(v, values[i]);
    }
    CHECK(!weft_chan_recv(ch, &v));
    weft_chan_unref(ch);
}
#define EXPECT(ch, ...)                                                                            \
    expect((ch), (const int[]){__VA_ARGS__}, sizeof((const int[]){__VA_ARGS__}) / sizeof(int))

#define IN_RUN(name)                                                                               \
    static void name##_in_run(void *arg);                                                          \
    TEST(name)                                                                                     \
    {                                                                                              \
        CHECK_EQ(test_run(name##_in_run, NULL), 0);                                                \
    }                                                                                              \
    static void name##_in_run(void *arg TEST_UNUSED)

#endif
