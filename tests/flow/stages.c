/* SPDX-License-Identifier: Apache-2.0
 * stages.c - every stage of flow.h: its values and their order, none, one and many; what is refused. */
#include "pieces.h"

static void square(void *out, const void *in, void *arg)
{
    int v;
    memcpy(&v, in, sizeof v);
    v = v * v + (arg ? *(int *)arg : 0);
    memcpy(out, &v, sizeof v);
}

static bool is_even(const void *in, void *arg)
{
    (void)arg;
    return *(const int *)in % 2 == 0;
}

static void count_up(void *out, void *arg)
{
    *(int *)out = (*(int *)arg)++;
}

/* ---- values ---- */

IN_RUN(values_and_order)
{
    int one = 1, pair[] = {4, 7}, next = 5;
    weft_chan *done = new_done();
    EXPECT(weft_or_done(done, numbers(4, true)), 0, 1, 2, 3);
    EXPECT(weft_or_done(NULL, numbers(2, true)), 0, 1);
    EXPECT(weft_buffer(done, numbers(3, true), 2), 0, 1, 2);
    EXPECT(weft_take(done, numbers(9, true), 3), 0, 1, 2);
    EXPECT(weft_take(done, numbers(2, true), 3), 0, 1);
    EXPECT(weft_take(done, weft_repeat(done, &one, 1, sizeof one), 4), 1, 1, 1, 1);
    EXPECT(weft_take(done, weft_repeat(done, pair, 2, sizeof pair[0]), 5), 4, 7, 4, 7, 4);
    EXPECT(weft_take(done, weft_repeat_fn(done, sizeof(int), count_up, &next), 3), 5, 6, 7);
    EXPECT(weft_map(done, numbers(4, true), sizeof(int), square, NULL), 0, 1, 4, 9);
    EXPECT(weft_map(NULL, numbers(2, true), sizeof(int), square, &one), 1, 2);
    EXPECT(weft_filter(done, numbers(6, true), is_even, NULL), 0, 2, 4);
    EXPECT(weft_fan_in(done, (weft_chan *[]){numbers(3, true)}, 1), 0, 1, 2);
    finish(done);
    all_is_over();
}

IN_RUN(nothing)
{
    int64_t sum;
    weft_chan *done = new_done(), *a, *b, *outs[3];
    CHECK_EQ(drain(weft_repeat(done, NULL, 0, 4), &sum), 0);
    CHECK_EQ(drain(weft_take(done, numbers(3, true), 0), &sum), 0);
    CHECK_EQ(drain(weft_or_done(done, numbers(0, true)), &sum), 0);
    CHECK_EQ(drain(weft_map(done, numbers(0, true), sizeof(int), square, NULL), &sum), 0);
    CHECK_EQ(drain(weft_filter(done, numbers(0, true), is_even, NULL), &sum), 0);
    CHECK_EQ(drain(weft_fan_in(done, NULL, 0), &sum), 0);
    CHECK_EQ(drain(weft_fan_in(done, (weft_chan *[]){numbers(0, true), numbers(0, true)}, 2), &sum),
             0);
    CHECK_EQ(weft_tee(done, numbers(0, true), &a, &b), 0);
    CHECK_EQ(drain(a, &sum) + drain(b, &sum), 0);
    CHECK_EQ(weft_fan_out(done, numbers(0, true), outs, 3, sizeof(int), square, NULL), 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(drain(outs[i], &sum), 0);
    weft_chan *none = keep(weft_chan_new(sizeof(weft_chan *), 1));
    weft_chan_close(none);
    CHECK_EQ(drain(weft_bridge(done, none, sizeof(int)), &sum), 0);
    finish(done);
    all_is_over();
}

IN_RUN(both_sides_of_a_tee)
{
    weft_chan *done = new_done(), *a, *b;
    CHECK_EQ(weft_tee(done, numbers(100, true), &a, &b), 0);
    for (int i = 0; i < 100; i++) {
        int v = -1, w = -1;
        CHECK(weft_chan_recv(i % 3 ? a : b, &v));
        CHECK(weft_chan_recv(i % 3 ? b : a, &w));
        CHECK(v == i && w == i);
    }
    EXPECT(a);
    EXPECT(b);
    finish(done);
    all_is_over();
}

IN_RUN(bridge_goes_from_channel_to_channel)
{
    weft_chan *done = new_done(), *streams = keep(weft_chan_new(sizeof(weft_chan *), 10));
    for (int i = 0; i < 10; i++) {
        weft_chan *one = keep(weft_chan_new(sizeof(int), 1));
        weft_chan_send(one, &i);
        weft_chan_close(one);
        weft_chan_send(streams, &one);
    }
    weft_chan_close(streams);
    EXPECT(weft_bridge(done, streams, sizeof(int)), 0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    finish(done);
    all_is_over();
}

/* Goal: all elements, each source's in its order; while some sources have nothing. */
IN_RUN(fan_in_takes_from_all)
{
    enum { SOURCES = 20, EACH = 50 };
    weft_chan *done = new_done(), *ins[SOURCES + 1], *idle = keep(weft_chan_new(sizeof(int), 0));
    for (int i = 0; i < SOURCES; i++)
        ins[i] = weft_or_done(done, numbers_from(i * EACH, EACH, true));
    ins[SOURCES] = weft_chan_ref(idle);
    weft_chan *out = weft_fan_in(done, ins, SOURCES + 1);
    int seen[SOURCES] = {0}, v;
    for (int i = 0; i < SOURCES * EACH; i++) {
        CHECK(weft_chan_recv(out, &v));
        CHECK_EQ(v % EACH, seen[v / EACH]++);
    }
    v = 77;
    weft_chan_send(idle, &v);
    CHECK(weft_chan_recv(out, &v));
    CHECK_EQ(v, 77);
    weft_chan_close(idle);
    weft_chan_unref(idle);
    EXPECT(out);
    finish(done);
    all_is_over();
}

IN_RUN(fan_out_shares_the_work)
{
    enum { WORKERS = 5, ITEMS = 500 };
    int64_t sum, wanted = 0;
    weft_chan *done = new_done(), *outs[WORKERS];
    CHECK_EQ(weft_fan_out(done, numbers(ITEMS, true), outs, WORKERS, sizeof(int), square, NULL), 0);
    CHECK_EQ(drain(weft_fan_in(done, outs, WORKERS), &sum), ITEMS);
    for (int64_t i = 0; i < ITEMS; i++)
        wanted += i * i;
    CHECK_EQ(sum, wanted);
    finish(done);
    all_is_over();
}

/* ---- or ---- */

/* n channels, of which one closes or delivers; one of the others, if there are any, is NULL. */
static void first_of(int n, int which, bool delivers)
{
    enum { MOST = 64 };
    weft_chan *chans[MOST], *mine[MOST];
    int v = 3, none = (which + 1) % n;
    for (int i = 0; i < n; i++)
        mine[i] = weft_chan_new(sizeof(int), 1);
    for (int i = 0; i < n; i++)
        chans[i] = i == none && n > 1 ? NULL : weft_chan_ref(mine[i]);
    weft_chan *any = weft_or(chans, (size_t)n);
    CHECK_EQ(weft_chan_try_recv(any, NULL), -EAGAIN);
    if (delivers)
        weft_chan_send(mine[which], &v);
    else
        weft_chan_close(mine[which]);
    CHECK(!weft_chan_recv(any, NULL));
    test_until_goroutines(1);
    TEST_UNTIL(atomic_load(&any->refs) == 1);
    weft_chan_unref(any);
    for (int i = 0; i < n; i++) {
        TEST_UNTIL(atomic_load(&mine[i]->refs) == 1);
        weft_chan_unref(mine[i]);
    }
}

IN_RUN(the_first_of_some)
{
    static const int some[] = {1, 2, 3, 4, 64};
    for (size_t i = 0; i < TEST_COUNT_OF(some); i++)
        for (int which = 0; which < some[i]; which += some[i] < 8 ? 1 : 7)
            for (int delivers = 0; delivers < 2; delivers++)
                first_of(some[i], which, delivers);
}

/* ---- what can't be ---- */

TEST_NOINLINE static void refused(weft_chan *got, int error, int line)
{
    if (got || errno != error)
        test_fail(__FILE__, line, "not refused: %p, errno %d, not %d", (void *)got, errno, error);
    errno = 0;
}
#define REFUSED(call, error) (errno = 0, refused((call), (error), __LINE__))

static void bad_input_in_run(void *arg)
{
    (void)arg;
    weft_chan *a, *b, *outs[2], *done = new_done();
    REFUSED(weft_or(NULL, 0), EINVAL);
    REFUSED(weft_or_done(done, NULL), EINVAL);
    REFUSED(weft_take(done, NULL, 1), EINVAL);
    REFUSED(weft_repeat_fn(done, 4, NULL, NULL), EINVAL);
    REFUSED(weft_repeat(done, done, SIZE_MAX / 2, 8), ENOMEM);
    REFUSED(weft_map(done, numbers(1, true), 4, NULL, NULL), EINVAL);
    REFUSED(weft_filter(done, numbers(1, true), NULL, NULL), EINVAL);
    REFUSED(weft_bridge(done, numbers(1, true), 4), EINVAL);
    REFUSED(weft_fan_in(done, (weft_chan *[]){numbers(1, true), keep(weft_chan_new(2, 1))}, 2),
            EINVAL);
    REFUSED(weft_steward(done, 0, 1, NULL, NULL), EINVAL);
    CHECK_EQ(weft_fan_out(done, numbers(1, true), outs, 0, 4, square, NULL), -EINVAL);
    CHECK_EQ(weft_fan_out(done, numbers(1, true), outs, 2, 4, NULL, NULL), -EINVAL);
    CHECK(!outs[0] && !outs[1]);
    CHECK_EQ(weft_tee(done, NULL, &a, &b), -EINVAL);
    CHECK(!a && !b);
    finish(done);
    all_is_over();
}

TEST(bad_input)
{
    if (TEST_TSAN)
        SKIP("takes errno, which is the thread's, for shared");
    CHECK_EQ(test_run(bad_input_in_run, NULL), 0);
}

TEST(no_run)
{
    int one = 1;
    weft_chan *a, *b, *outs[2], *in = weft_chan_new(sizeof(int), 1);
    REFUSED(weft_repeat(NULL, &one, 1, sizeof one), ESRCH);
    REFUSED(weft_take(NULL, weft_map(NULL, weft_chan_ref(in), 4, square, NULL), 1), ESRCH);
    REFUSED(weft_fan_in(NULL, (weft_chan *[]){weft_chan_ref(in), weft_chan_ref(in)}, 2), ESRCH);
    REFUSED(weft_bridge(NULL, streams_of_threes(), sizeof(int)), ESRCH);
    for (; kept_n; weft_chan_unref(kept[kept_n]))
        CHECK_EQ(kept[--kept_n]->refs, 1);
    CHECK_EQ(weft_tee(NULL, weft_chan_ref(in), &a, &b), -ESRCH);
    CHECK_EQ(weft_fan_out(NULL, weft_chan_ref(in), outs, 2, 4, square, NULL), -ESRCH);
    CHECK(!a && !b && !outs[0] && !outs[1]);
    CHECK_EQ(in->refs, 1);
    weft_chan_unref(in);
}
