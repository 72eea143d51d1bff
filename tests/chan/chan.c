/* SPDX-License-Identifier: Apache-2.0
 * chan.c - one channel: Go's rules, line by line (CH), with every form of element. */
#include "../test.h"

/* Elements of each kind that is kept differently: none, small, a word, a large number in a word, a node. */
static const size_t sizes[] = {0, 1, 3, 4, 8, 9, 16, 200};

enum { ELEM_MAX = 200 };

/* The element number i of a size: its bytes tell where it comes from. */
static void fill(unsigned char *elem, size_t size, unsigned i)
{
    for (size_t k = 0; k < size; k++)
        elem[k] = (unsigned char)(i * 31 + k * 7 + (i >> 8) + 1);
}

static bool is(const unsigned char *elem, size_t size, unsigned i)
{
    unsigned char want[ELEM_MAX];
    fill(want, size, i);
    return memcmp(elem, want, size) == 0;
}

static void send_i(weft_chan *ch, unsigned i)
{
    unsigned char elem[ELEM_MAX];
    fill(elem, weft_chan_elem_size(ch), i);
    weft_chan_send(ch, elem);
}

static void recv_i(weft_chan *ch, unsigned i)
{
    unsigned char elem[ELEM_MAX];
    memset(elem, 0xee, sizeof(elem));
    CHECK(weft_chan_recv(ch, elem));
    CHECK(is(elem, weft_chan_elem_size(ch), i));
    for (size_t k = weft_chan_elem_size(ch); k < ELEM_MAX; k++)
        if (elem[k] != 0xee) {
            FAIL("wrote past the element, at %zu of %zu", k, weft_chan_elem_size(ch));
            return;
        }
}

/* ---- without waiting ---- */

static void fill_and_drain(weft_chan *ch)
{
    unsigned char elem[ELEM_MAX] = {0};
    size_t cap = weft_chan_cap(ch);
    for (unsigned round = 0; round < 5; round++) {
        unsigned base = round * 1000;
        for (unsigned i = 0; i < cap; i++) {
            CHECK_EQ(weft_chan_len(ch), i);
            send_i(ch, base + i);
        }
        CHECK_EQ(weft_chan_len(ch), cap);
        CHECK_EQ(weft_chan_try_send(ch, elem), -EAGAIN);
        CHECK_EQ(weft_chan_send_until(ch, elem, weft_now() - 1), -ETIMEDOUT);
        for (unsigned i = 0; i < cap; i++) {
            recv_i(ch, base + i);
            CHECK_EQ(weft_chan_len(ch), cap - 1 - i);
        }
        CHECK_EQ(weft_chan_try_recv(ch, elem), -EAGAIN);
        CHECK_EQ(weft_chan_recv_until(ch, elem, 0), -ETIMEDOUT);
    }
    /* Every phase of the ring: keep some in while it turns. */
    for (unsigned i = 0; i < cap / 2; i++)
        send_i(ch, i);
    for (unsigned i = (unsigned)cap / 2; i < 4 * cap; i++) {
        send_i(ch, i);
        recv_i(ch, i - (unsigned)cap / 2);
    }
    while (weft_chan_try_recv(ch, NULL) == 0)
        ;
    CHECK_EQ(weft_chan_len(ch), 0);
}

static void every_form(void *arg)
{
    static const size_t caps[] = {1, 2, 3, 4, 7, 100, 128, 1000};
    (void)arg;
    for (size_t s = 0; s < TEST_COUNT_OF(sizes); s++)
        for (size_t c = 0; c < TEST_COUNT_OF(caps); c++) {
            weft_chan *ch = weft_chan_new(sizes[s], caps[c]);
            REQUIRE(ch);
            CHECK_EQ(weft_chan_cap(ch), caps[c]);
            CHECK_EQ(weft_chan_elem_size(ch), sizes[s]);
            fill_and_drain(ch);
            weft_chan_unref(ch);
        }
}

TEST(a_buffer_is_a_queue)
{
    /* Goal: FIFO, exact len, no more than cap, for elements of every form, in a run and on a foreign
     * thread. Method: fill, drain, turn the ring past its end. */
    CHECK_EQ(test_run(every_form, NULL), 0);
    every_form(NULL);
}

TEST(words_of_every_width)
{
    /* Goal: 8-byte elements come through whole, whether they fit 32 bits with their sign or not.
     * Method: powers of two, their neighbours and negatives, mixed in one ring. */
    weft_chan *ch = weft_chan_new(8, 3);
    uint64_t values[64 * 6];
    size_t n = 0;
    for (int i = 0; i < 64; i++) {
        uint64_t p = UINT64_C(1) << i;
        values[n++] = p;
        values[n++] = p - 1;
        values[n++] = p + 1;
        values[n++] = -p;
        values[n++] = ~p;
        values[n++] = p * 3;
    }
    for (size_t i = 0; i < n; i++) {
        uint64_t got = 0;
        CHECK_EQ(weft_chan_try_send(ch, &values[i]), 0);
        if (i < 2)
            continue;
        CHECK(weft_chan_recv(ch, &got));
        CHECK(got == values[i - 2]);
    }
    weft_chan_unref(ch);
}

TEST(capacities_that_cannot_be)
{
    /* Goal: a product that overflows is refused (CH-03); no memory for zero-size elements (CH-11).
     * Method: the largest values. */
    errno = 0;
    CHECK_PTR_EQ(weft_chan_new(8, SIZE_MAX), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(weft_chan_new(SIZE_MAX, 2), NULL);
    CHECK_EQ(errno, EINVAL);
    CHECK_PTR_EQ(weft_chan_new(16, SIZE_MAX / 64), NULL);
    CHECK_EQ(errno, ENOMEM);
    weft_chan *ch = weft_chan_new(0, SIZE_MAX);
    REQUIRE(ch);
    CHECK(weft_chan_cap(ch) == SIZE_MAX);
    for (int i = 0; i < 100000; i++)
        weft_chan_send(ch, NULL);
    CHECK_EQ(weft_chan_len(ch), 100000);
    weft_chan_unref(ch);
    CHECK_EQ(weft_chan_len(NULL), 0);
    CHECK_EQ(weft_chan_cap(NULL), 0);
    CHECK_EQ(weft_chan_elem_size(NULL), 0);
    CHECK_PTR_EQ(weft_chan_ref(NULL), NULL);
    weft_chan_unref(NULL);
}

TEST(references)
{
    /* Goal: the channel lives until the last reference goes. Method: one more than was made. */
    weft_chan *ch = weft_chan_new(4, 1);
    CHECK_PTR_EQ(weft_chan_ref(ch), ch);
    weft_chan_unref(ch);
    CHECK_EQ(weft_chan_try_send(ch, &(int){7}), 0);
    weft_chan_unref(ch);
}

/* ---- closing ---- */

static void closed_channels(void *arg)
{
    (void)arg;
    for (size_t s = 0; s < TEST_COUNT_OF(sizes); s++)
        for (size_t cap = 0; cap < 5; cap++) {
            unsigned char elem[ELEM_MAX];
            weft_chan *ch = weft_chan_new(sizes[s], cap);
            for (unsigned i = 0; i < cap; i++)
                send_i(ch, i);
            weft_chan_close(ch);
            CHECK_EQ(weft_chan_len(ch), cap);
            CHECK_EQ(weft_chan_cap(ch), cap);
            CHECK_EQ(weft_chan_try_send(ch, elem), -EPIPE);
            CHECK_EQ(weft_chan_send_until(ch, elem, WEFT_FOREVER), -EPIPE);
            for (unsigned i = 0; i < cap; i++)
                recv_i(ch, i);
            for (int i = 0; i < 3; i++) {
                memset(elem, 0xee, sizeof(elem));
                CHECK(!weft_chan_recv(ch, elem));
                for (size_t k = 0; k < sizes[s]; k++)
                    CHECK_EQ(elem[k], 0);
                CHECK_EQ(elem[sizes[s] < ELEM_MAX ? sizes[s] : 0], sizes[s] < ELEM_MAX ? 0xee : 0);
                CHECK_EQ(weft_chan_try_recv(ch, NULL), -EPIPE);
                CHECK_EQ(weft_chan_recv_until(ch, NULL, WEFT_FOREVER), -EPIPE);
            }
            weft_chan_unref(ch);
        }
}

TEST(a_closed_channel_is_drained_first)
{
    /* Goal: buffered elements come in order, then false and zeroes for ever (CH-04); len and cap stay
     * (CH-05). Method: every form, capacity 0 to 4. */
    CHECK_EQ(test_run(closed_channels, NULL), 0);
    closed_channels(NULL);
}

struct panics {
    weft_chan *ch;
    const char *what;
};

CHILD(close_of_nil)
{
    weft_chan_close(NULL);
}

CHILD(close_twice)
{
    weft_chan *ch = weft_chan_new(4, 1);
    weft_chan_close(ch);
    weft_chan_close(ch);
}

CHILD(send_on_closed)
{
    weft_chan *ch = weft_chan_new(4, 1);
    weft_chan_close(ch);
    weft_chan_send(ch, &(int){1});
}

static void block_in_send(void *ch)
{
    weft_chan_send(ch, &(int){1});
}

static void close_while_sending(void *arg)
{
    weft_chan *ch = weft_chan_new(4, 0);
    (void)arg;
    CHECK_EQ(weft_go(block_in_send, ch), 0);
    test_until_parked(1);
    weft_chan_close(ch);
    test_until_goroutines(1);
}

CHILD(close_under_a_sender)
{
    test_run(close_while_sending, NULL);
}

static void free_while_receiving(void *arg)
{
    weft_chan *ch = weft_chan_new(4, 0);
    (void)arg;
    CHECK_EQ(weft_go(block_in_send, ch), 0);
    test_until_parked(1);
    weft_chan_unref(ch);
}

CHILD(free_under_a_sender)
{
    test_run(free_while_receiving, NULL);
}

TEST(misuse_panics_in_gos_words)
{
    /* Goal: CH-02, CH-09 (the sender panics, in its own goroutine), and a channel freed under a waiter.
     * Method: children that end with status 2. */
    static const struct {
        const char *child, *text;
    } cases[] = {
        {"close_of_nil", "panic: close of nil channel"},
        {"close_twice", "panic: close of closed channel"},
        {"send_on_closed", "panic: send on closed channel"},
        {"close_under_a_sender", "panic: send on closed channel\n\ngoroutine "},
        {"free_under_a_sender", "fatal error: weft: channel freed while in use"},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(cases); i++) {
        static struct test_result result;
        test_spawn(cases[i].child, &result);
        CHECK_EXITED(&result, 2);
        CHECK_STR_HAS(result.err, cases[i].text);
        /* The first is the one that panics: not main, which closed it and may run. */
        if (strstr(cases[i].text, "goroutine"))
            CHECK(!strstr(result.err, "channel\n\ngoroutine 1 [running]"));
    }
}

/* ---- waiting ---- */

static weft_chan *ch;
static weft_waitgroup done;
static atomic_int arrived, errors;
static int order[1000];

static void recv_in_order(void *arg)
{
    int me = (int)(intptr_t)arg, got = -1;
    CHECK(weft_chan_recv(ch, &got));
    order[me] = got;
    weft_waitgroup_done(&done);
}

static void receivers_in_order(void *arg)
{
    size_t cap = *(size_t *)arg;
    ch = weft_chan_new(sizeof(int), cap);
    for (int n = 1; n <= 100; n += 33) {
        weft_waitgroup_add(&done, n);
        for (intptr_t i = 0; i < n; i++) {
            CHECK_EQ(weft_go(recv_in_order, (void *)i), 0);
            test_until_parked((uint64_t)i + 1);
        }
        CHECK_EQ(weft_chan_len(ch), 0);
        for (int i = 0; i < n; i++)
            CHECK_EQ(weft_chan_try_send(ch, &i), 0);
        weft_waitgroup_wait(&done);
        for (int i = 0; i < n; i++)
            CHECK_EQ(order[i], i);
        CHECK_EQ(weft_chan_len(ch), 0);
    }
    weft_chan_unref(ch);
}

static void send_in_order(void *arg)
{
    int me = (int)(intptr_t)arg;
    weft_chan_send(ch, &me);
    weft_waitgroup_done(&done);
}

static void senders_in_order(void *arg)
{
    size_t cap = *(size_t *)arg;
    ch = weft_chan_new(sizeof(int), cap);
    for (int n = 1; n <= 100; n += 33) {
        int got, extra = -1;
        for (int i = 0; i < (int)cap; i++)
            CHECK_EQ(weft_chan_try_send(ch, &extra), 0);
        weft_waitgroup_add(&done, n);
        for (intptr_t i = 0; i < n; i++) {
            CHECK_EQ(weft_go(send_in_order, (void *)i), 0);
            test_until_parked((uint64_t)i + 1);
        }
        CHECK_EQ(weft_chan_len(ch), cap);
        for (int i = 0; i < (int)cap; i++) {
            if (i <= n) /* till then it is kept full */
                CHECK_EQ(weft_chan_try_send(ch, &extra), -EAGAIN);
            CHECK_EQ(weft_chan_try_recv(ch, &got), 0);
            CHECK_EQ(got, -1);
        }
        for (int i = 0; i < n; i++) {
            CHECK_EQ(weft_chan_try_recv(ch, &got), 0);
            CHECK_EQ(got, i);
        }
        weft_waitgroup_wait(&done);
        CHECK_EQ(weft_chan_len(ch), 0);
    }
    weft_chan_unref(ch);
}

TEST(waiters_are_served_in_order)
{
    /* Goal: first come, first served, on both sides (CH-07); len with blocked senders is cap (CH-06), and
     * try_send doesn't overtake them. Method: up to 100 waiters that came one by one. */
    for (size_t cap = 0; cap < 4; cap++) {
        CHECK_EQ(test_run(receivers_in_order, &cap), 0);
        CHECK_EQ(test_run(senders_in_order, &cap), 0);
    }
}

static void recv_closed(void *arg)
{
    long got = 77;
    (void)arg;
    if (weft_chan_recv(ch, &got) || got != 0)
        atomic_fetch_add(&errors, 1);
    weft_waitgroup_done(&done);
}

static void *recv_closed_on_thread(void *arg)
{
    atomic_fetch_add(&arrived, 1);
    recv_closed(arg);
    return NULL;
}

static void close_wakes(void *arg)
{
    size_t cap = *(size_t *)arg;
    pthread_t threads[4];
    ch = weft_chan_new(sizeof(long), cap);
    weft_waitgroup_add(&done, 50 + 4);
    for (int i = 0; i < 50; i++)
        CHECK_EQ(weft_go(recv_closed, NULL), 0);
    for (int i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[i], NULL, recv_closed_on_thread, NULL) == 0);
    test_until_parked(50);
    TEST_UNTIL(atomic_load(&arrived) == 4);
    weft_chan_close(ch);
    weft_waitgroup_wait(&done);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&errors), 0);
    weft_chan_unref(ch);
}

TEST(close_wakes_every_receiver)
{
    /* Goal: all who wait go on with false and zero (CH-09), goroutines and foreign threads. */
    for (int i = 0; i < test_scale(40); i++)
        for (size_t cap = 0; cap < 2; cap++) {
            atomic_store(&arrived, 0);
            CHECK_EQ(test_run(close_wakes, &cap), 0);
        }
}

/* ---- NULL ---- */

static atomic_int passed_null;

static void send_null(void *arg)
{
    weft_chan_send(NULL, arg);
    atomic_fetch_add(&passed_null, 1);
}

static void recv_null(void *arg)
{
    weft_chan_recv(NULL, arg);
    atomic_fetch_add(&passed_null, 1);
}

static void null_channels(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(send_null, NULL), 0);
    CHECK_EQ(weft_go(recv_null, NULL), 0);
    test_until_parked(2);
    CHECK_EQ(weft_chan_try_send(NULL, NULL), -EAGAIN);
    CHECK_EQ(weft_chan_try_recv(NULL, NULL), -EAGAIN);
    int64_t deadline = weft_now() + 2 * TEST_MS;
    CHECK_EQ(weft_chan_send_until(NULL, NULL, deadline), -ETIMEDOUT);
    CHECK_GE(weft_now(), deadline);
    deadline = weft_now() + 2 * TEST_MS;
    CHECK_EQ(weft_chan_recv_until(NULL, NULL, deadline), -ETIMEDOUT);
    CHECK_GE(weft_now(), deadline);
    test_until_idle();
    CHECK_EQ(atomic_load(&passed_null), 0);
}

TEST(null_blocks_for_ever)
{
    /* Goal: CH-01; try_ and _until on NULL. Method: two that block, and stay. */
    CHECK_EQ(test_run(null_channels, NULL), 0);
}

/* ---- deadlines ---- */

static void deadlines(void *arg)
{
    size_t cap = *(size_t *)arg;
    int v = 5;
    weft_chan *c = weft_chan_new(sizeof(int), cap);
    for (int i = 0; i < (int)cap; i++)
        CHECK_EQ(weft_chan_send_until(c, &v, 0), 0);
    int64_t deadline = weft_now() + 3 * TEST_MS;
    CHECK_EQ(weft_chan_send_until(c, &v, deadline), -ETIMEDOUT);
    CHECK_GE(weft_now(), deadline);
    CHECK_EQ(weft_chan_len(c), cap);
    for (int i = 0; i < (int)cap; i++)
        CHECK_EQ(weft_chan_recv_until(c, &v, INT64_MIN), 0);
    deadline = weft_now() + 3 * TEST_MS;
    CHECK_EQ(weft_chan_recv_until(c, &v, deadline), -ETIMEDOUT);
    CHECK_GE(weft_now(), deadline);
    CHECK_EQ(weft_chan_try_send(c, &v), cap ? 0 : -EAGAIN);
    weft_chan_unref(c);
}

TEST(deadlines_pass)
{
    /* Goal: -ETIMEDOUT not before the deadline and with nothing moved, on goroutines and threads; what is ready
     * is done whatever the deadline. */
    for (size_t cap = 0; cap < 3; cap++) {
        CHECK_EQ(test_run(deadlines, &cap), 0);
        deadlines(&cap);
    }
}

static void send_late(void *arg)
{
    (void)arg;
    weft_sleep(2 * TEST_MS);
    weft_chan_send(ch, &(int){42});
}

static void recv_late(void *arg)
{
    int v = 0;
    (void)arg;
    weft_sleep(2 * TEST_MS);
    CHECK(weft_chan_recv(ch, &v));
}

static void served_in_time(void *arg)
{
    size_t cap = *(size_t *)arg;
    int v = 0;
    ch = weft_chan_new(sizeof(int), cap);
    CHECK_EQ(weft_go(send_late, NULL), 0);
    CHECK_EQ(weft_chan_recv_until(ch, &v, weft_now() + 20 * WEFT_SECOND), 0);
    CHECK_EQ(v, 42);
    CHECK_EQ(weft_go(recv_late, NULL), 0);
    for (size_t i = 0; i <= cap; i++)
        CHECK_EQ(weft_chan_send_until(ch, &v, weft_now() + 20 * WEFT_SECOND), 0);
    test_until_goroutines(1);
    weft_chan_close(ch);
    for (size_t i = 0; i < cap; i++)
        CHECK_EQ(weft_chan_recv_until(ch, &v, WEFT_FOREVER), 0);
    CHECK_EQ(weft_chan_recv_until(ch, &v, WEFT_FOREVER), -EPIPE);
    weft_chan_unref(ch);
}

TEST(deadlines_that_are_met)
{
    /* Goal: a wait with a deadline is served like any other. Method: a partner that comes 2 ms later. */
    for (size_t cap = 0; cap < 3; cap++)
        CHECK_EQ(test_run(served_in_time, &cap), 0);
}

/* ---- ranges ---- */

static void count_up(void *arg)
{
    weft_chan *c = arg;
    for (int i = 0; i < 1000; i++)
        weft_chan_send(c, &i);
    weft_chan_close(c);
    weft_chan_unref(c);
}

static void ranges(void *arg)
{
    size_t cap = *(size_t *)arg;
    int next = 0, sum = 0;
    weft_chan *c = weft_chan_new(sizeof(int), cap);
    CHECK_EQ(weft_go(count_up, weft_chan_ref(c)), 0);
    WEFT_RANGE(int, v, c)
    {
        CHECK_EQ(v, next++);
        if (v % 2)
            continue;
        sum += v;
        if (v == 500)
            break;
    }
    WEFT_RANGE(int, w, c) sum += w;
    CHECK_EQ(sum, 250 * 251 + (501 + 999) * 499 / 2);
    weft_chan_unref(c);
}

TEST(range_until_closed)
{
    /* Goal: WEFT_RANGE, with break and continue, takes all there is. */
    for (size_t cap = 0; cap < 200; cap += 33)
        CHECK_EQ(test_run(ranges, &cap), 0);
}
