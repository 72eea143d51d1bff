/* SPDX-License-Identifier: Apache-2.0
 * races.c - signals from several threads while channels come and go. The program has a handler of its own under
 * all of them, so whatever reaches no channel is counted, and nothing dies. */
#include "catch.h"

static const int signals[] = {SIGUSR1, SIGUSR2, SIGHUP, SIGWINCH};
enum { SIGNALS = TEST_COUNT_OF(signals), SENDERS = 3, LISTENERS = 4 };

static void own_all(void)
{
    for (int i = 0; i < SIGNALS; i++)
        own_install(signals[i]);
}

static void own_none(void)
{
    for (int i = 0; i < SIGNALS; i++) {
        CHECK(own_is_back(signals[i]));
        signal(signals[i], SIG_DFL);
    }
}

/* ---- exactly once ---- */

static atomic_int turn,
    started; /* of the thread that sends: its round, negative when it is through */

static void spin(int n)
{
    while (n-- > 0)
        atomic_load(&turn);
}

static void *send_each_turn(void *arg)
{
    for (int i = 1; i <= *(int *)arg; i++) {
        TEST_COMPUTE_UNTIL(atomic_load(&turn) >= i);
        atomic_store(&started, i);
        spin(i % 61 * 16);
        raise(SIGUSR1); /* has been handled when this returns */
        atomic_store(&turn, -i);
    }
    return NULL;
}

static void stop_against_send(void *arg)
{
    int rounds = test_scale(20000), at_stop = 0, late = 0;
    pthread_t thread;
    (void)arg;
    atomic_store(&turn, 0);
    atomic_store(&started, 0);
    REQUIRE(pthread_create(&thread, NULL, send_each_turn, &rounds) == 0);
    for (int i = 1; i <= rounds; i++) {
        weft_chan *ch = notify_one(SIGUSR1);
        int before = own_caught(SIGUSR1);
        atomic_store(&turn, i);
        TEST_COMPUTE_UNTIL(atomic_load(&started) == i);
        spin(i % 67 * 32);
        weft_signal_stop(ch);
        int got = drain(ch);
        TEST_COMPUTE_UNTIL(atomic_load(&turn) == -i);
        CHECK_EQ(got + own_caught(SIGUSR1) - before, 1);
        CHECK_EQ(drain(ch), 0);
        at_stop += got;
        late += !got;
        weft_chan_unref(ch);
    }
    pthread_join(thread, NULL);
    fprintf(stderr, "    %d in the channel, %d in the handler below\n", at_stop, late);
}

TEST(a_signal_at_stop_is_never_lost)
{
    /* Goal: a signal that comes while its channel stops is in the channel or goes to the handler that was there
     * before; never both, never neither. (Go: TestAtomicStop.) */
    own_all();
    stop_against_send(NULL);
    CHECK_EQ(test_run(stop_against_send, NULL), 0);
    own_none();
}

/* ---- nobody sleeps through one ---- */

static void ping(void *arg)
{
    weft_chan *ch = arg;
    for (int i = test_scale(20000); i > 0; i--) {
        CHECK_EQ(raise(signals[i % SIGNALS]), 0);
        CHECK_EQ(receive(ch), signals[i % SIGNALS]);
    }
}

TEST(each_signal_wakes)
{
    /* Goal: no wake-up of the deliverer is lost: one signal at a time, the next when the last has arrived. */
    weft_chan *ch = weft_signal_notify(signals, SIGNALS);
    REQUIRE(ch);
    ping(ch);
    CHECK_EQ(test_run(ping, ch), 0);
    stop_and_unref(ch);
}

/* ---- a storm ---- */

static atomic_bool enough, calm;
static atomic_long sent, received;

static void *send_on(void *arg)
{
    uint64_t rng = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&calm)) {
        CHECK_EQ(raise(signals[test_random(&rng) % SIGNALS]), 0);
        if (atomic_fetch_add(&sent, 1) % 64 == 0)
            sched_yield();
    }
    return NULL;
}

static void check_asked(int got, size_t from, size_t n)
{
    bool asked = false;
    for (size_t i = from; i < from + n; i++)
        asked |= got == signals[i];
    CHECK(asked);
}

/* Channels come and go: each gets what it asked for, and nothing once it has stopped. */
static void listen_on(void *arg)
{
    uint64_t rng = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&enough)) {
        size_t from = test_random(&rng) % SIGNALS, n = 1 + test_random(&rng) % (SIGNALS - from);
        weft_chan *ch = weft_signal_notify(signals + from, n);
        REQUIRE(ch);
        for (uint64_t left = test_random(&rng) % 4; left > 0; left--) {
            check_asked(receive(ch), from, n);
            atomic_fetch_add(&received, 1);
        }
        weft_signal_stop(ch);
        CHECK_LE(drain(ch), (int)n);
        weft_yield();
        CHECK_EQ(weft_chan_try_recv(ch, NULL), -EAGAIN);
        weft_chan_unref(ch);
    }
}

static void *listen_on_thread(void *arg)
{
    listen_on(arg);
    return NULL;
}

static void listen_for_a_while(void *arg)
{
    pthread_t listener;
    weft_waitgroup done = {0};
    uint64_t *seed = arg;
    REQUIRE(pthread_create(&listener, NULL, listen_on_thread, (void *)test_random(seed)) == 0);
    for (int i = 0; i < LISTENERS; i++)
        REQUIRE(weft_waitgroup_go(&done, listen_on, (void *)test_random(seed)) == 0);
    weft_sleep((int64_t)(test_seconds() * 1e9));
    atomic_store(&enough, true);
    weft_waitgroup_wait(&done);
    pthread_join(listener, NULL);
}

static void storm(weft_fn main_fn, void *arg, int runs)
{
    pthread_t senders[SENDERS];
    uint64_t seed = test_seed();
    atomic_store(&calm, false);
    atomic_store(&enough, false);
    for (int i = 0; i < SENDERS; i++)
        REQUIRE(pthread_create(&senders[i], NULL, send_on, (void *)test_random(&seed)) == 0);
    for (int i = 0; i < runs; i++)
        CHECK_EQ(test_run(main_fn, arg ? arg : &seed), 0);
    atomic_store(&calm, true);
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i], NULL);
    fprintf(stderr, "    %ld sent, %ld received\n", atomic_load(&sent), atomic_load(&received));
}

TEST(channels_come_and_go_in_a_storm)
{
    /* Goal: notify and stop from goroutines and a foreign thread while signals rain on all threads. */
    own_all();
    storm(listen_for_a_while, NULL, 1);
    CHECK_GT(atomic_load(&received), 0);
    own_none();
}

static void receive_few(void *arg)
{
    for (int i = 0; i < 10; i++)
        check_asked(receive(arg), 0, SIGNALS);
}

static void receive_forever(void *arg)
{
    for (;;)
        receive(arg);
}

static void receive_till_the_end(void *arg)
{
    for (int i = 0; i < LISTENERS; i++)
        CHECK_EQ(weft_go(receive_forever, arg), 0);
    receive_few(arg);
}

TEST(runs_end_in_a_storm)
{
    /* Goal: a run may end while its goroutines are being woken by signals; the channel serves the next. */
    own_all();
    weft_chan *ch = weft_signal_notify(signals, SIGNALS);
    REQUIRE(ch);
    storm(receive_till_the_end, ch, test_scale(200));
    stop_and_unref(ch);
    for (int i = 0; i < SIGNALS; i++)
        signal(signals[i], SIG_DFL);
}
