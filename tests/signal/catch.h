/* SPDX-License-Identifier: Apache-2.0
 * catch.h - what the tests of signals share: a handler of the program's own that counts, and ways to look. */
#ifndef WEFT_TEST_CATCH_H
#define WEFT_TEST_CATCH_H

#include "../test.h"

static atomic_int own_caught_[65];

static void own_handler(int signal, siginfo_t *info, void *context)
{
    (void)info, (void)context;
    atomic_fetch_add(&own_caught_[signal], 1);
}

/* How often the program's own handler got a signal. */
TEST_UNUSED static int own_caught(int signal)
{
    return atomic_load(&own_caught_[signal]);
}

/* An action that tells whether it has been put back as it was. */
TEST_UNUSED static void own_install(int signal)
{
    struct sigaction own = {.sa_sigaction = own_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&own.sa_mask);
    sigaddset(&own.sa_mask, SIGWINCH);
    REQUIRE(sigaction(signal, &own, NULL) == 0);
    atomic_store(&own_caught_[signal], 0);
}

TEST_UNUSED static bool own_is_back(int signal)
{
    struct sigaction now;
    REQUIRE(sigaction(signal, NULL, &now) == 0);
    return now.sa_sigaction == own_handler && (now.sa_flags & SA_SIGINFO) &&
           (now.sa_flags & SA_ONSTACK) && !(now.sa_flags & SA_RESTART) &&
           sigismember(&now.sa_mask, SIGWINCH) == 1 && sigismember(&now.sa_mask, SIGTERM) == 0;
}

/* To the process. TSan lets a handler run only where the thread enters its runtime next, which one that
 * sleeps in weft doesn't. */
TEST_UNUSED static void send_signal(int signal)
{
    CHECK_EQ(TEST_TSAN ? raise(signal) : kill(getpid(), signal), 0);
}

TEST_UNUSED static weft_chan *notify_one(int signal)
{
    weft_chan *ch = weft_signal_notify(&signal, 1);
    REQUIRE(ch);
    return ch;
}

TEST_UNUSED static void stop_and_unref(weft_chan *ch)
{
    weft_signal_stop(ch);
    weft_chan_unref(ch);
}

TEST_UNUSED static int receive(weft_chan *ch)
{
    int signal = 0;
    CHECK(weft_chan_recv(ch, &signal));
    return signal;
}

/* Take what is in a channel out; how many there were. */
TEST_UNUSED static int drain(weft_chan *ch)
{
    int n = 0;
    while (weft_chan_try_recv(ch, NULL) == 0)
        n++;
    return n;
}

#endif
