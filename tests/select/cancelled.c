/* SPDX-License-Identifier: Apache-2.0
 * cancelled.c - waits that come to nothing, ten million of them, take constant memory. */
#include "../test.h"

enum { STAY = 3 };

static weft_chan *idle, *busy;
static weft_waitgroup done;
static int rounds;
static bool others_stay;

/* All of them where there is time. */
static int ten_million_or(int fewer)
{
    return test_seconds() >= 60 && !test_instrumented() ? 10000000 : test_scale(fewer);
}

static void wait_long(void *arg)
{
    int x;
    (void)arg;
    CHECK(weft_chan_recv(idle, &x));
    weft_waitgroup_done(&done);
}

static void by_deadline(int i)
{
    int x;
    if (i % 4 == 0)
        CHECK_EQ(weft_chan_recv_until(idle, &x, weft_now() + 200), -ETIMEDOUT);
    else
        CHECK_EQ(WEFT_SELECT(WEFT_RECV(idle, &x), WEFT_AFTER(200)), 1);
}

static void by_another_case(int i)
{
    int x = 0;
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(idle, &x), WEFT_RECV(busy, &x)), 1);
    CHECK_EQ(x, i);
}

static void feed(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds; i++)
        weft_chan_send(busy, &i);
    weft_waitgroup_done(&done);
}

static void check_memory(long before)
{
    if (test_rss_tells()) /* each processor keeps some records */
        CHECK_LT(test_rss_kib() - before, 1024 + 64 * (long)test_stats().procs);
}

/* Nobody is in the way of those who stayed. */
static void let_them_go(int stay)
{
    int x = 0;
    for (int i = 0; i < stay; i++)
        CHECK_EQ(weft_chan_try_send(idle, &x), 0);
    CHECK_EQ(weft_chan_try_send(idle, &x), -EAGAIN);
    weft_waitgroup_wait(&done);
}

static void cancelled(void (*wait_once)(int i))
{
    long before = 0;
    int stay = others_stay ? STAY : 0;
    idle = weft_chan_new(sizeof(int), 0);
    busy = weft_chan_new(sizeof(int), 0);
    weft_waitgroup_add(&done, stay + 1);
    for (int i = 0; i < stay; i++) /* in front of those who come and go */
        CHECK_EQ(weft_go(wait_long, NULL), 0);
    test_until_idle();
    if (wait_once == by_another_case)
        CHECK_EQ(weft_go(feed, NULL), 0);
    else
        weft_waitgroup_done(&done);
    for (int i = 0; i < rounds; i++) {
        if (i == rounds / 10)
            before = test_rss_kib();
        wait_once(i);
    }
    check_memory(before);
    let_them_go(stay);
    weft_chan_unref(idle);
    weft_chan_unref(busy);
}

static void by_deadline_in_run(void *arg)
{
    (void)arg;
    cancelled(by_deadline);
}

static void by_another_case_in_run(void *arg)
{
    (void)arg;
    cancelled(by_another_case);
}

TEST(waits_that_end_by_a_deadline_leave_nothing)
{
    /* Goal: behind others that stay, they take constant memory. Method: RSS. */
    others_stay = true;
    rounds = ten_million_or(100000);
    CHECK_EQ(test_run(by_deadline_in_run, NULL), 0);
}

TEST(waits_that_end_elsewhere_leave_nothing)
{
    /* Goal: the same of selects that another channel serves; where nobody else waits, too. Method: RSS; in a release build
     * ten million take a second or two. */
    bool fast = test_slowness() == 1 && !test_emulator();
    for (int i = 0; i < 2; i++) {
        others_stay = i == 0;
        rounds = ten_million_or(fast && others_stay ? 10000000 : 1000000);
        CHECK_EQ(test_run(by_another_case_in_run, NULL), 0);
    }
}
