/* SPDX-License-Identifier: Apache-2.0
 * stop.c - weft_signal_stop: nothing comes after it, and signals do again what they did before. */
#include "catch.h"

/* ---- stop ---- */

static void stops(void *arg)
{
    (void)arg;
    own_install(SIGUSR1);
    for (int i = 0; i < test_scale(200); i++) {
        weft_chan *ch = notify_one(SIGUSR1);
        CHECK_EQ(raise(SIGUSR1), 0); /* its handler has run when this returns */
        weft_signal_stop(ch);
        CHECK_EQ(weft_chan_len(ch), 1);
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(own_caught(SIGUSR1), i + 1);
        CHECK_EQ(drain(ch), 1);
        weft_signal_stop(ch);
        weft_chan_unref(ch);
    }
    CHECK(own_is_back(SIGUSR1));
    signal(SIGUSR1, SIG_DFL);
}

TEST(stop_is_the_end)
{
    /* Goal: what came before stop is in the channel, what comes after it goes where it went before. */
    stops(NULL);
    CHECK_EQ(test_run(stops, NULL), 0);
}

TEST(stop_of_what_is_no_signal_channel)
{
    weft_chan *ch = weft_chan_new(sizeof(int), 1), *other = notify_one(SIGUSR1);
    weft_signal_stop(NULL);
    weft_signal_stop(ch);
    weft_chan_unref(ch);
    weft_signal_stop(other);
    weft_signal_stop(other);
    CHECK_EQ(weft_chan_try_recv(other, NULL), -EAGAIN);
    weft_chan_unref(other);
}

TEST(a_reference_dropped_before_stop)
{
    /* Goal: a signal for a channel that only weft still has a reference to is no accident. */
    weft_chan *ch = notify_one(SIGUSR1), *other = notify_one(SIGUSR1);
    weft_chan_unref(ch);
    send_signal(SIGUSR1);
    CHECK_EQ(receive(other), SIGUSR1);
    stop_and_unref(other);
    weft_signal_stop(ch); /* against the rules, but there is nobody else who could */
}

CHILD(terminated)
{
    weft_chan *ch = notify_one(SIGTERM);
    CHECK_EQ(raise(SIGTERM), 0);
    CHECK_EQ(receive(ch), SIGTERM);
    stop_and_unref(ch);
    puts("alive");
    fflush(stdout);
    raise(SIGTERM);
    puts("after");
}

CHILD(ignored)
{
    signal(SIGTERM, SIG_IGN);
    weft_chan *ch = notify_one(SIGTERM);
    CHECK_EQ(raise(SIGTERM), 0);
    CHECK_EQ(receive(ch), SIGTERM);
    stop_and_unref(ch);
    raise(SIGTERM);
    puts("after");
}

TEST(the_default_is_put_back)
{
    /* Goal: SIG_DFL ends the process again, SIG_IGN ignores again. */
    static struct test_result result;
    test_spawn("terminated", &result);
    CHECK(WIFSIGNALED(result.status) && WTERMSIG(result.status) == SIGTERM);
    CHECK_STR_EQ(result.out, "alive\n");
    test_spawn("ignored", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.out, "after\n");
}

/* ---- together with handlers of the program ---- */

static atomic_int on_top;
static struct sigaction below; /* what was there when it was set */

static void hand_on(int signal, siginfo_t *info, void *context)
{
    atomic_fetch_add(&on_top, 1);
    below.sa_sigaction(signal, info, context);
}

TEST(a_handler_on_top)
{
    /* Goal: one that the program sets during the notification, and that hands on to what it found, stays where
     * it is; through it a signal goes to the channel, or after stop to the handler that was there first. */
    struct sigaction top = {.sa_sigaction = hand_on, .sa_flags = SA_SIGINFO | SA_ONSTACK}, found;
    own_install(SIGUSR1);
    weft_chan *ch = notify_one(SIGUSR1);
    REQUIRE(sigaction(SIGUSR1, &top, &below) == 0);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(receive(ch), SIGUSR1);
    CHECK_EQ(atomic_load(&on_top), 1);
    stop_and_unref(ch);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(atomic_load(&on_top), 2);
    CHECK_EQ(own_caught(SIGUSR1), 1);

    for (int i = 0; i < 2; i++) { /* on top of that one, and again */
        ch = notify_one(SIGUSR1);
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(receive(ch), SIGUSR1);
        CHECK_EQ(atomic_load(&on_top), 2 + i);
        stop_and_unref(ch);
        REQUIRE(sigaction(SIGUSR1, NULL, &found) == 0);
        CHECK(found.sa_sigaction == hand_on);
        CHECK_EQ(raise(SIGUSR1), 0);
        CHECK_EQ(atomic_load(&on_top), 3 + i);
        CHECK_EQ(own_caught(SIGUSR1), 2 + i);
    }

    REQUIRE(sigaction(SIGUSR1, &below, NULL) == 0); /* as the program may when it is through */
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(own_caught(SIGUSR1), 4);
    ch = notify_one(SIGUSR1);
    CHECK_EQ(raise(SIGUSR1), 0);
    CHECK_EQ(receive(ch), SIGUSR1);
    stop_and_unref(ch);
    CHECK(own_is_back(SIGUSR1));
    signal(SIGUSR1, SIG_DFL);
}

CHILD(default_below_a_handler)
{
    struct sigaction top = {.sa_sigaction = hand_on, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    int wanted[] = {SIGTERM, SIGCHLD};
    weft_chan *ch = weft_signal_notify(wanted, 2);
    REQUIRE(sigaction(SIGCHLD, &top, &below) == 0);
    REQUIRE(sigaction(SIGTERM, &top, &below) == 0);
    stop_and_unref(ch);
    raise(SIGCHLD);
    puts("alive");
    fflush(stdout);
    raise(SIGTERM);
    puts("after");
}

TEST(a_handler_on_top_of_the_default)
{
    /* Goal: what it hands on does what it does by default: nothing, or the end of the process. */
    static struct test_result result;
    test_spawn("default_below_a_handler", &result);
    CHECK(WIFSIGNALED(result.status) && WTERMSIG(result.status) == SIGTERM);
    CHECK_STR_EQ(result.out, "alive\n");
}

/* ---- signals that every thread blocks ---- */

static atomic_bool to_send;

static void *send_now_and_then(void *arg)
{
    uint64_t seed = test_seed();
    for (int i = 0; i < *(int *)arg; i++) {
        TEST_COMPUTE_UNTIL(atomic_load(&to_send));
        for (volatile unsigned k = 0; k < test_random(&seed) % 3000; k++)
            ;
        CHECK_EQ(kill(getpid(), SIGUSR1), 0);
        atomic_store(&to_send, false);
    }
    return NULL;
}

CHILD(block_and_stop)
{
    sigset_t blocked, pending;
    pthread_t thread;
    int rounds = test_scale(5000) + 10, signal;
    uint64_t seed = test_seed();
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    REQUIRE(pthread_create(&thread, NULL, send_now_and_then, &rounds) == 0);
    for (int i = 0; i < rounds; i++) {
        weft_chan *ch = notify_one(SIGUSR1);
        atomic_store(&to_send, true);
        for (volatile unsigned k = 0; k < test_random(&seed) % 3000; k++)
            ;
        weft_signal_stop(ch);
        TEST_COMPUTE_UNTIL(!atomic_load(&to_send));
        sigpending(&pending);
        bool left = sigismember(&pending, SIGUSR1);
        CHECK_EQ(drain(ch) + left, 1);
        if (left)
            sigwait(&blocked, &signal);
        weft_chan_unref(ch);
    }
    pthread_join(thread, NULL);
}

TEST(a_signal_that_everybody_blocks_comes_or_stays_pending)
{
    /* Goal: while a stop puts its action back, which is to end the process, it isn't let through by anybody. */
    static struct test_result result;
    test_spawn("block_and_stop", &result);
    CHECK_EXITED(&result, 0);
}
