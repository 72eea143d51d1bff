/* SPDX-License-Identifier: Apache-2.0
 * races.c - selects against selects, against a moving element, and against what cancels them. */
#include "../test.h"

static weft_chan *a, *b;
static weft_waitgroup done;
static atomic_bool stop;
static int rounds;

/* A lost wake-up stops both for ever: the harness's watchdog names the test. */
static void send_a_or_recv_b(void *arg)
{
    int x = 1, y = 0, sent = 0;
    (void)arg;
    for (int i = 0; i < rounds; i++)
        sent += WEFT_SELECT(WEFT_SEND(a, &x), WEFT_RECV(b, &y)) == 0;
    CHECK_GT(sent, 0);
    CHECK_LT(sent, rounds);
    weft_waitgroup_done(&done);
}

static void recv_a_or_send_b(void *arg)
{
    int x = 1, y = 0, sent = 0;
    (void)arg;
    for (int i = 0; i < rounds; i++)
        sent += WEFT_SELECT(WEFT_RECV(a, &y), WEFT_SEND(b, &x)) == 1;
    CHECK_GT(sent, 0);
    weft_waitgroup_done(&done);
}

static void *recv_a_on_thread(void *arg)
{
    recv_a_or_send_b(arg);
    return NULL;
}

static void face_to_face(void *arg)
{
    pthread_t thread;
    bool threaded = *(bool *)arg;
    a = weft_chan_new(sizeof(int), 0);
    b = weft_chan_new(sizeof(int), 0);
    weft_waitgroup_add(&done, 2);
    CHECK_EQ(weft_go(send_a_or_recv_b, NULL), 0);
    if (threaded)
        REQUIRE(pthread_create(&thread, NULL, recv_a_on_thread, NULL) == 0);
    else
        CHECK_EQ(weft_go(recv_a_or_send_b, NULL), 0);
    weft_waitgroup_wait(&done);
    if (threaded)
        pthread_join(thread, NULL);
    weft_chan_unref(a);
    weft_chan_unref(b);
}

TEST(two_selects_that_find_each_other)
{
    /* Goal: {send a, recv b} against {recv a, send b}: each must win one word only, and neither may be missed.
     * Method: 10^7 rounds, fewer where they take more than a few seconds and WEFT_TEST_SECONDS is less than 60; also with
     * a foreign thread. */
    bool threaded = false, whole = test_slowness() == 1 && !test_emulator() && test_procs(2) == 2;
    rounds = test_seconds() >= 60 ? 10000000 : test_scale(whole ? 10000000 : 200000) + 200;
    CHECK_EQ(test_run(face_to_face, &threaded), 0);
    threaded = true;
    rounds = test_scale(20000) + 100;
    CHECK_EQ(test_run(face_to_face, &threaded), 0);
}

static void crowd_member(void *arg)
{
    int me = (int)(intptr_t)arg, x;
    for (int i = 0; i < rounds; i++)
        WEFT_SELECT(WEFT_SEND(a, &me), WEFT_RECV(a, &x), WEFT_SEND(b, &me), WEFT_RECV(b, &x));
    weft_waitgroup_done(&done);
}

static void crowd(void *arg)
{
    int n = *(int *)arg;
    a = weft_chan_new(sizeof(int), 0);
    b = weft_chan_new(sizeof(int), 0);
    weft_waitgroup_add(&done, n);
    for (intptr_t i = 0; i < n; i++)
        CHECK_EQ(weft_go(crowd_member, (void *)i), 0);
    /* Some may be left without a partner in the end. Waits of two kinds in turn: a waiter's record goes from
     * one to the other, and a taker who came late once took the one for the other's. */
    for (int x; weft_waitgroup_wait_until(&done, weft_now() + 10000);)
        CHECK_LE(WEFT_SELECT(WEFT_RECV(a, &x), WEFT_RECV(b, &x), WEFT_AFTER(10000)), 2);
    weft_chan_unref(a);
    weft_chan_unref(b);
}

TEST(selects_in_both_directions_among_many)
{
    /* Goal: selects that would send and receive on the same unbuffered channels meet each other. */
    rounds = test_scale(4000) + 20;
    for (int n = 2; n <= 9; n++)
        CHECK_EQ(test_run(crowd, &n), 0);
}

static void mover(void *arg)
{
    int v = 1;
    (void)arg;
    while (!atomic_load(&stop)) { /* first in the one, then out of the other */
        weft_chan_send(b, &v);
        weft_chan_recv(a, &v);
        weft_chan_send(a, &v);
        weft_chan_recv(b, &v);
    }
    weft_waitgroup_done(&done);
}

static void *mover_thread(void *arg)
{
    mover(arg);
    return NULL;
}

static void watch_the_mover(void *arg)
{
    pthread_t thread;
    int v = 1, defaults = 0;
    (void)arg;
    a = weft_chan_new(sizeof(int), 3);
    b = weft_chan_new(sizeof(int), 3);
    atomic_store(&stop, false);
    weft_chan_send(a, &v);
    weft_waitgroup_add(&done, 1);
    REQUIRE(pthread_create(&thread, NULL, mover_thread, NULL) == 0);
    for (int i = 0; i < rounds; i++) {
        int got = WEFT_SELECT(WEFT_RECV(a, &v), WEFT_RECV(b, &v), WEFT_DEFAULT);
        defaults += got == 2;
        if (got < 2)
            weft_chan_send(got ? b : a, &v);
        if (i % 64 == 0)
            weft_yield();
    }
    CHECK_EQ(defaults, 0);
    atomic_store(&stop, true);
    weft_waitgroup_wait(&done);
    pthread_join(thread, NULL);
    weft_chan_unref(a);
    weft_chan_unref(b);
}

TEST(default_is_no_lie)
{
    /* Goal: SEL-10: an element that is always in one of two channels is never missed by a select over both
     * with a default. Method: a thread moves it to and fro. */
    rounds = test_scale(300000) + 1000;
    CHECK_EQ(test_run(watch_the_mover, NULL), 0);
}

/* Reply channels: made for one answer, freed by who got it while the sender is still in its call. */
struct request {
    weft_chan *reply;
    int question;
};

static void answer(void *arg)
{
    struct request r;
    weft_chan *requests = arg;
    while (weft_chan_recv(requests, &r)) {
        int x = r.question * 2;
        weft_chan_send(r.reply, &x);
        weft_chan_unref(r.reply);
    }
    weft_waitgroup_done(&done);
}

static void ask(void *arg)
{
    weft_chan *requests = arg;
    for (int i = 0; i < rounds; i++) {
        struct request r = {.reply = weft_chan_new(sizeof(int), (size_t)i % 2), .question = i};
        int x = -1;
        weft_chan_ref(r.reply);
        weft_chan_send(requests, &r);
        CHECK(weft_chan_recv(r.reply, &x));
        CHECK_EQ(x, i * 2);
        weft_chan_unref(r.reply);
    }
    weft_waitgroup_done(&done);
}

static void reply_channels(void *arg)
{
    weft_waitgroup asking = {0};
    (void)arg;
    weft_chan *requests = weft_chan_new(sizeof(struct request), 2);
    done = asking;
    weft_waitgroup_add(&done, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_go(ask, requests), 0);
    weft_waitgroup_add(&done, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_go(answer, requests), 0);
    test_until_goroutines(5);
    weft_chan_close(requests);
    weft_waitgroup_wait(&done);
    weft_chan_unref(requests);
}

TEST(reply_channels_are_freed_at_once)
{
    /* Goal: a send's last touch comes before its partner may free the channel, each with its own
     * reference. Method: a channel a question; ASan and Valgrind watch. */
    rounds = test_scale(20000) + 20;
    CHECK_EQ(test_run(reply_channels, NULL), 0);
}
