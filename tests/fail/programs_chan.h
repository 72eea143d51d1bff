/* SPDX-License-Identifier: Apache-2.0
 * programs_chan.h - the programs of programs.h, which includes this, that use channels, selects and signals. */
#ifndef WEFT_TESTS_FAIL_PROGRAMS_CHAN_H
#define WEFT_TESTS_FAIL_PROGRAMS_CHAN_H

enum { PAIRS = 4, MESSAGES = 20 };

struct message {
    int number;
    char load[36]; /* too large for a cell: it takes a node */
};

static TEST_NOINLINE weft_chan *chan_checked(size_t elem_size, size_t capacity)
{
    errno = 0;
    weft_chan *ch = weft_chan_new(elem_size, capacity);
    if (!ch)
        accepted(-errno);
    return ch;
}

static void send_messages(void *arg)
{
    for (int i = 0; i < MESSAGES; i++)
        weft_chan_send(arg, &(struct message){.number = i});
}

/* All that a sender that was started has sent, in order. */
static void main_chan(void *arg)
{
    (void)arg;
    for (size_t pair = 0; pair < PAIRS; pair++) {
        weft_waitgroup done = {0};
        struct message m = {.number = -1};
        weft_chan *ch = chan_checked(sizeof m, pair % 2 * 3);
        if (ch && accepted(weft_waitgroup_go(&done, send_messages, ch))) {
            for (int i = 0; i < MESSAGES; i++) {
                CHECK(weft_chan_recv(ch, &m));
                CHECK_EQ(m.number, i);
            }
        }
        weft_waitgroup_wait(&done);
        CHECK_EQ(weft_chan_len(ch), 0);
        weft_chan_unref(ch);
    }
}

static void wait_in_vain(void *arg)
{
    int64_t deadline = weft_now() + TEST_MS / 2;
    CHECK_EQ(weft_chan_recv_until(arg, NULL, deadline), -ETIMEDOUT);
    CHECK_GE(weft_now(), deadline);
}

static void main_chan_deadline(void *arg)
{
    weft_waitgroup done = {0};
    weft_chan *ch = chan_checked(sizeof(int), 1);
    (void)arg;
    if (!ch)
        return;
    for (int i = 0; i < SOME; i++)
        accepted(weft_waitgroup_go(&done, wait_in_vain, ch));
    weft_waitgroup_wait(&done);
    CHECK_EQ(weft_chan_try_send(ch, &(int){7}), 0); /* no waiter is left that would take it */
    CHECK_EQ(weft_chan_len(ch), 1);
    weft_chan_unref(ch);
}

struct selected {
    weft_chan *to, *back, *idle;
};

static void select_messages(void *arg)
{
    struct selected *s = arg;
    int sent = 0, echoed = 0, got;
    while (echoed < MESSAGES) {
        switch (WEFT_SELECT(WEFT_SEND(sent < MESSAGES ? s->to : NULL, &sent),
                            WEFT_RECV(s->back, &got), WEFT_RECV(s->idle, NULL),
                            WEFT_AFTER(100000 * TEST_MS))) {
        case 0:
            sent++;
            break;
        case 1:
            CHECK_EQ(got, echoed++);
            break;
        default:
            FAIL("a case that was never ready");
        }
    }
}

static void echo_messages(void *arg)
{
    struct selected *s = arg;
    for (int i = 0, got = -1; i < MESSAGES; i++) {
        int which = WEFT_SELECT(WEFT_RECV(s->idle, NULL), WEFT_RECV(s->to, &got));
        CHECK_EQ(which, 1);
        weft_chan_send(s->back, &got);
    }
}

static void main_select(void *arg)
{
    struct selected s = {chan_checked(sizeof(int), 0), chan_checked(sizeof(int), 2),
                         chan_checked(sizeof(int), 0)};
    weft_waitgroup done = {0};
    (void)arg;
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(s.idle, NULL), WEFT_AFTER(TEST_MS / 2)), 1);
    if (s.to && s.back && accepted(weft_waitgroup_go(&done, echo_messages, &s)))
        select_messages(&s);
    weft_waitgroup_wait(&done);
    weft_chan_unref(s.to), weft_chan_unref(s.back), weft_chan_unref(s.idle);
}

/* A handler that finds its signal only if nothing is left of a call that was refused. */
static atomic_int own_signals_;

static void own_signal(int signal)
{
    (void)signal;
    atomic_fetch_add(&own_signals_, 1);
}

static TEST_NOINLINE int notify(weft_chan **ch)
{
    const int wanted = SIGUSR1;
    errno = 0;
    *ch = weft_signal_notify(&wanted, 1);
    return *ch ? 0 : errno == EAGAIN ? -ENOMEM : -errno; /* no thread, or no memory */
}

static void main_signal(void *arg)
{
    struct sigaction own = {.sa_handler = own_signal, .sa_flags = SA_ONSTACK};
    (void)arg;
    CHECK_EQ(sigaction(SIGUSR1, &own, NULL), 0);
    for (int i = 0; i < 3; i++) {
        weft_chan *ch;
        int got = 0, own_before = atomic_load(&own_signals_), rc = notify(&ch);
        CHECK_EQ(raise(SIGUSR1), 0);
        if (accepted(rc)) {
            CHECK(weft_chan_recv(ch, &got));
            CHECK_EQ(got, SIGUSR1);
        }
        CHECK_EQ(atomic_load(&own_signals_), own_before + (ch ? 0 : 1));
        weft_signal_stop(ch);
        weft_chan_unref(ch);
    }
}

#endif
