/* SPDX-License-Identifier: Apache-2.0
 * signal.c - weft_signal_notify and weft_signal_stop, line by line. races.c lets them race. */
#include "catch.h"

#define LENGTH(a) TEST_COUNT_OF(a)

/* ---- a channel gets what it asked for ---- */

static void gets_one(void *arg)
{
    weft_chan *ch = notify_one(SIGUSR1);
    (void)arg;
    CHECK_EQ(weft_chan_cap(ch), 1);
    CHECK_EQ(weft_chan_elem_size(ch), sizeof(int));
    CHECK_EQ(weft_chan_try_recv(ch, NULL), -EAGAIN);
    for (int i = 0; i < 3; i++) {
        send_signal(SIGUSR1);
        CHECK_EQ(receive(ch), SIGUSR1);
    }
    stop_and_unref(ch);
}

TEST(a_signal_becomes_an_element)
{
    /* Goal: one in, one out, on a goroutine and on a foreign thread without a run. */
    gets_one(NULL);
    CHECK_EQ(test_run(gets_one, NULL), 0);
}

struct waiting {
    weft_chan *ch;
    atomic_int got;
};

static void wait_for_signal(void *arg)
{
    struct waiting *w = arg;
    atomic_store(&w->got, receive(w->ch));
}

static void *send_when_parked(void *arg)
{
    (void)arg;
    test_until_parked(1);
    send_signal(SIGUSR1);
    return NULL;
}

static void wakes_one(void *arg)
{
    struct waiting w = {.ch = notify_one(SIGUSR1)};
    pthread_t thread;
    (void)arg;
    REQUIRE(pthread_create(&thread, NULL, send_when_parked, NULL) == 0);
    wait_for_signal(&w);
    CHECK_EQ(atomic_load(&w.got), SIGUSR1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    stop_and_unref(w.ch);
}

TEST(a_signal_wakes_a_goroutine)
{
    /* Goal: an idle run, whose only goroutine waits for a signal, goes on when it comes. */
    CHECK_EQ(test_run(wakes_one, NULL), 0);
}

struct masked {
    weft_chan *ch;
    atomic_int blocked; /* -1: not known yet */
};

static void looks_what_is_blocked(void *arg)
{
    struct masked *m = arg;
    sigset_t mask;
    CHECK_EQ(receive(m->ch), SIGUSR1);
    CHECK_EQ(pthread_sigmask(SIG_SETMASK, NULL, &mask), 0);
    atomic_store(&m->blocked, sigismember(&mask, SIGUSR2));
}

static void *send_and_wait(void *arg)
{
    struct masked *m = arg;
    send_signal(SIGUSR1);
    TEST_UNTIL(atomic_load(&m->blocked) >= 0);
    return NULL;
}

static void needs_another_thread(void *arg)
{
    struct masked m = {.ch = notify_one(SIGUSR1), .blocked = -1};
    weft_waitgroup done = {0};
    (void)arg;
    CHECK_EQ(weft_waitgroup_go(&done, looks_what_is_blocked, &m), 0);
    test_until_parked(1);
    weft_blocking(send_and_wait, &m);
    weft_waitgroup_wait(&done);
    CHECK_EQ(atomic_load(&m.blocked), 0);
    stop_and_unref(m.ch);
}

TEST(a_thread_that_a_delivery_starts_blocks_nothing)
{
    /* Goal: goroutines that run on it get their signals. Method: the only thread blocks while a signal wakes one. */
    CHECK_EQ(test_run_procs(1, needs_another_thread, NULL), 0);
}

TEST(one_channel_for_several_signals)
{
    /* Goal: each of them, and no other, which keeps its handler; room for all. */
    int wanted[] = {SIGUSR1, SIGHUP, SIGRTMIN, SIGRTMIN + 7, SIGCHLD, SIGCONT, SIGTSTP};
    int seen[65] = {0};
    own_install(SIGUSR2);
    weft_chan *ch = weft_signal_notify(wanted, LENGTH(wanted));
    REQUIRE(ch);
    CHECK_EQ(weft_chan_cap(ch), LENGTH(wanted));
    CHECK_EQ(raise(SIGUSR2), 0);
    for (size_t i = 0; i < LENGTH(wanted); i++)
        send_signal(wanted[i]);
    for (size_t i = 0; i < LENGTH(wanted); i++)
        seen[receive(ch)]++;
    for (size_t i = 0; i < LENGTH(wanted); i++)
        CHECK_EQ(seen[wanted[i]], 1);
    CHECK_EQ(own_caught(SIGUSR2), 1);
    CHECK(own_is_back(SIGUSR2));
    stop_and_unref(ch);
    signal(SIGUSR2, SIG_DFL);
}

TEST(several_channels_for_one_signal)
{
    /* Goal: each gets it; the signal stays caught until the last of them has stopped. */
    own_install(SIGUSR1);
    weft_chan *ch[3];
    for (size_t i = 0; i < LENGTH(ch); i++)
        ch[i] = notify_one(SIGUSR1);
    for (size_t left = LENGTH(ch); left > 0; left--) {
        send_signal(SIGUSR1);
        for (size_t i = 0; i < left; i++)
            CHECK_EQ(receive(ch[i]), SIGUSR1);
        CHECK(!own_is_back(SIGUSR1));
        stop_and_unref(ch[left - 1]);
    }
    CHECK_EQ(own_caught(SIGUSR1), 0);
    CHECK(own_is_back(SIGUSR1));
    signal(SIGUSR1, SIG_DFL);
}

TEST(a_full_channel_drops)
{
    /* Goal: delivery never waits. Method: the second of two signals finds a channel full; that it has been
     * delivered tells another channel, and a stop returns after delivery. */
    weft_chan *ch = notify_one(SIGUSR1), *other = notify_one(SIGUSR1);
    send_signal(SIGUSR1);
    CHECK_EQ(receive(other), SIGUSR1);
    send_signal(SIGUSR1);
    CHECK_EQ(receive(other), SIGUSR1);
    stop_and_unref(other);
    CHECK_EQ(weft_chan_len(ch), 1);
    CHECK_EQ(drain(ch), 1);
    send_signal(SIGUSR1);
    CHECK_EQ(receive(ch), SIGUSR1);
    stop_and_unref(ch);
}

TEST(a_closed_channel_drops)
{
    /* Goal: who closes such a channel gets no panic from a thread that isn't his. */
    weft_chan *ch = notify_one(SIGUSR1), *other = notify_one(SIGUSR1);
    weft_chan_close(ch);
    send_signal(SIGUSR1);
    CHECK_EQ(receive(other), SIGUSR1);
    stop_and_unref(other);
    CHECK(!weft_chan_recv(ch, NULL));
    stop_and_unref(ch);
}

static void selects(void *arg)
{
    weft_chan *ch = notify_one(SIGUSR1);
    int got = 0;
    (void)arg;
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(ch, &got), WEFT_AFTER(TEST_MS)), 1);
    send_signal(SIGUSR1);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(ch, &got), WEFT_AFTER(100000 * TEST_MS)), 0);
    CHECK_EQ(got, SIGUSR1);
    stop_and_unref(ch);
}

TEST(a_signal_in_a_select)
{
    CHECK_EQ(test_run(selects, NULL), 0);
}

/* ---- which signals ---- */

TEST(all_signals)
{
    /* Goal: n 0 means all that can be caught, and all of them are as before when it has stopped. The watchdog's
     * SIGALRM is one of them. */
    struct sigaction before[65], after;
    if (getenv("WEFT_TEST_STORM"))
        SKIP("the storm's signal is one of them");
    for (int s = 1; s <= 64; s++)
        (void)sigaction(s, NULL, &before[s]);
    weft_chan *ch = weft_signal_notify(NULL, 0);
    REQUIRE(ch);
    CHECK_EQ(weft_chan_cap(ch), 31 - 8 + (size_t)(SIGRTMAX - SIGRTMIN + 1));
    send_signal(SIGWINCH);
    CHECK_EQ(receive(ch), SIGWINCH);
    send_signal(SIGRTMIN + 1);
    CHECK_EQ(receive(ch), SIGRTMIN + 1);
    send_signal(SIGTTIN);
    CHECK_EQ(receive(ch), SIGTTIN);
    stop_and_unref(ch);
    for (int s = 1; s <= 64; s++)
        if (sigaction(s, NULL, &after) == 0)
            CHECK(after.sa_handler == before[s].sa_handler);
}

TEST(signals_that_are_refused)
{
    /* Goal: NULL and EINVAL, and nothing of the call is left: no handler, no thread, no descriptor. */
    int refused[] = {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP,
                     SIGSYS,  0,       -1,      32,     33,     65,     INT32_MAX};
    int threads = test_entries("/proc/self/task"), files = test_entries("/proc/self/fd");
    own_install(SIGUSR1);
    for (size_t i = 0; i < LENGTH(refused); i++) {
        int both[] = {SIGUSR1, refused[i]};
        errno = 0;
        CHECK(!weft_signal_notify(&refused[i], 1));
        CHECK_EQ(errno, EINVAL);
        CHECK(!weft_signal_notify(both, 2));
    }
    CHECK(own_is_back(SIGUSR1));
    CHECK_LE(test_entries("/proc/self/task"), threads);
    CHECK_EQ(test_entries("/proc/self/fd"), files);
    signal(SIGUSR1, SIG_DFL);
}

TEST(the_handler_asks_for_what_it_should)
{
    /* Goal: it runs on the signal stack, with system calls restarted; nothing is opened, and the one thread that
     * delivers has ended when the last stop returns. */
    struct sigaction found;
    int files = test_entries("/proc/self/fd");
    TEST_UNTIL(test_threads_named("weft-signal") == 0); /* the kernel's list lags behind */
    weft_chan *ch = notify_one(SIGUSR1);
    REQUIRE(sigaction(SIGUSR1, NULL, &found) == 0);
    CHECK(found.sa_flags & SA_ONSTACK);
    CHECK(found.sa_flags & SA_RESTART);
    TEST_UNTIL(test_threads_named("weft-signal") == 1);
    CHECK_EQ(test_entries("/proc/self/fd"), files);
    stop_and_unref(ch);
    TEST_UNTIL(test_threads_named("weft-signal") == 0);
}

struct reading {
    int pipe[2];
    pthread_t thread;
    atomic_bool begun;
    ssize_t got;
    int error;
};

static void *read_one(void *arg)
{
    struct reading *r = arg;
    char byte;
    r->thread = pthread_self();
    atomic_store(&r->begun, true);
    r->got = read(r->pipe[0], &byte, 1);
    r->error = errno;
    return NULL;
}

static void read_in_section(void *arg)
{
    weft_blocking(read_one, arg);
}

static void interrupts_a_read(void *arg)
{
    struct reading r = {.got = -2};
    weft_waitgroup done = {0};
    (void)arg;
    REQUIRE(pipe2(r.pipe, O_CLOEXEC) == 0);
    weft_chan *ch = notify_one(SIGUSR1);
    REQUIRE(weft_waitgroup_go(&done, read_in_section, &r) == 0);
    TEST_UNTIL(atomic_load(&r.begun));
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(pthread_kill(r.thread, SIGUSR1), 0);
        CHECK_EQ(receive(ch), SIGUSR1);
    }
    CHECK_EQ(write(r.pipe[1], "x", 1), 1);
    weft_waitgroup_wait(&done);
    CHECK_EQ(r.got, 1);
    close(r.pipe[0]), close(r.pipe[1]);
    stop_and_unref(ch);
}

TEST(system_calls_go_on)
{
    /* Goal: no EINTR for who reads while signals come. Method: send them to the thread that reads. */
    const char *storm = getenv("WEFT_TEST_STORM");
    if (storm && strcmp(storm, "interrupt") == 0)
        SKIP("the storm interrupts them");
    CHECK_EQ(test_run(interrupts_a_read, NULL), 0);
}

#if !TEST_TSAN /* see send_signal */
TEST(a_signal_that_everybody_blocks)
{
    /* Goal: it is had all the same, as in Go: the deliverer's own thread takes it. */
    sigset_t usr2, before;
    sigemptyset(&usr2);
    sigaddset(&usr2, SIGUSR2);
    REQUIRE(pthread_sigmask(SIG_BLOCK, &usr2, &before) == 0);
    int wanted[] = {SIGUSR1, SIGUSR2};
    weft_chan *ch = weft_signal_notify(wanted, 2), *later = notify_one(SIGUSR1);
    REQUIRE(ch);
    send_signal(SIGUSR2);
    CHECK_EQ(receive(ch), SIGUSR2);
    stop_and_unref(ch);
    ch = notify_one(SIGUSR2); /* asked for while the deliverer is there already */
    send_signal(SIGUSR2);
    CHECK_EQ(receive(ch), SIGUSR2);
    stop_and_unref(ch);
    stop_and_unref(later);
    REQUIRE(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
}
#endif

/* ---- runs and children ---- */

static weft_chan *lasting;

static void receive_lasting(void *arg)
{
    (void)arg;
    CHECK_EQ(receive(lasting), SIGUSR1);
}

static void wait_in_vain(void *arg)
{
    (void)arg;
    weft_chan_recv(lasting, NULL);
    FAIL("a goroutine outlived its run");
}

static void receive_and_leave(void *arg)
{
    if (*(bool *)arg) {
        send_signal(SIGUSR1);
        receive_lasting(NULL);
    }
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(wait_in_vain, NULL), 0);
    test_until_parked(3);
}

static void notify_for_later(void *arg)
{
    (void)arg;
    lasting = notify_one(SIGUSR1);
}

TEST(a_notification_outlives_runs)
{
    /* Goal: made in one run, used in the next, between them and after them; goroutines that waited when a
     * run ended take nothing away. */
    bool within = true;
    CHECK_EQ(test_run(notify_for_later, NULL), 0);
    for (int i = 0; i < 4; i++, within = !within) {
        send_signal(SIGUSR1);
        receive_lasting(NULL);
        CHECK_EQ(test_run(receive_and_leave, &within), 0);
    }
    send_signal(SIGUSR1);
    receive_lasting(NULL);
    stop_and_unref(lasting);
}

static void nothing(void *arg)
{
    (void)arg;
}

static void *revive(void *arg)
{
    /* Those who let their P go look whether all is over: until threads had to be woken again. */
    TEST_UNTIL(weft_num_goroutine() == 0);
    uint64_t wakes = test_stats().wakes;
    while (test_stats().wakes < wakes + 10) {
        weft_waitgroup done = {0};
        REQUIRE(weft_waitgroup_go(&done, nothing, arg) == 0);
        weft_waitgroup_wait(&done);
    }
    puts("done");
    fflush(stdout);
    _exit(0);
}

static void leave_main(void *arg)
{
    pthread_t thread;
    lasting = notify_one(SIGUSR1);
    REQUIRE(pthread_create(&thread, NULL, revive, NULL) == 0);
    (void)arg;
    weft_goexit();
}

CHILD(only_a_signal_left)
{
    test_run(leave_main, NULL);
}

TEST(waiting_for_a_signal_is_no_deadlock)
{
    /* Goal: main has called weft_goexit and no goroutine is left, which is fatal otherwise: while a
     * signal may come it isn't. */
    static struct test_result result;
    test_spawn("only_a_signal_left", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.out, "done\n");
    CHECK_STR_EQ(result.err, "");
}

static void leave_main_stopped(void *arg)
{
    (void)arg;
    stop_and_unref(notify_one(SIGUSR1));
    weft_goexit();
}

CHILD(nothing_left)
{
    test_run(leave_main_stopped, NULL);
}

TEST(after_stop_a_deadlock_is_one)
{
    static struct test_result result;
    test_spawn("nothing_left", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err,
                  "fatal error: no goroutines (main called runtime.Goexit) - deadlock!");
}

static TEST_NOINLINE bool wait_for(pid_t child, int *status)
{
    pid_t ended;
    while ((ended = waitpid(child, status, 0)) < 0 && errno == EINTR)
        ;
    return ended == child;
}

static void forks(void *arg)
{
    weft_chan *ch = weft_signal_notify((int[]){SIGUSR1, SIGTERM}, 2);
    int status = 0;
    (void)arg;
    REQUIRE(ch);
    pid_t pid = fork();
    if (pid == 0) {
        bool good = own_is_back(SIGUSR1);
        raise(SIGUSR1);
        good &= own_caught(SIGUSR1) == 1;
        if (good)
            raise(SIGTERM); /* dies */
        _exit(1);
    }
    REQUIRE(pid > 0 && wait_for(pid, &status));
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CHECK_EQ(weft_chan_len(ch), 0);
    send_signal(SIGTERM);
    CHECK_EQ(receive(ch), SIGTERM);
    stop_and_unref(ch);
}

TEST(a_forked_child_has_the_old_actions)
{
    /* Goal: a child that is about to exec isn't deaf to signals, has the program's handlers, and takes nothing
     * away from its parent. */
    own_install(SIGUSR1);
    CHECK_EQ(test_run(forks, NULL), 0);
    CHECK_EQ(own_caught(SIGUSR1), 0);
    signal(SIGUSR1, SIG_DFL);
}

TEST(waiting_costs_nothing)
{
    /* Goal: who delivers sleeps for as long as nothing comes. */
    if (getenv("WEFT_TEST_STORM"))
        SKIP("the storm's signals cost all threads time");
    weft_chan *ch = notify_one(SIGUSR1);
    int64_t before = test_cpu_ns();
    CHECK_EQ(weft_chan_recv_until(ch, NULL, weft_now() + 100 * TEST_MS), -ETIMEDOUT);
    CHECK_LT(test_cpu_ns() - before, 10 * TEST_MS * test_slowness());
    stop_and_unref(ch);
}
