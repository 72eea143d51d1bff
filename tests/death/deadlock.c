/* SPDX-License-Identifier: Apache-2.0
 * deadlock.c - all goroutines asleep: reported when that is so, and never when something may still wake one. */
#include "../test.h"

#include "runtime/hooks.h"

#if TEST_TSAN
const char *__tsan_default_options(void); /* NOLINT(bugprone-reserved-identifier) */

/* Children end with threads in them. */
const char *__tsan_default_options(void) /* NOLINT(bugprone-reserved-identifier) */
{
    return "report_thread_leaks=0";
}
#endif

static const char asleep[] = "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine ";

static struct test_result result;
static weft_chan *ch;

static void check_deadlock(const char *child)
{
    test_spawn(child, &result);
    CHECK_EXITED(&result, 2);
    if (strncmp(result.err, asleep, strlen(asleep)) != 0)
        FAIL("%s: no deadlock: \"%.300s\"", child, result.err);
}

/* ---- what is one ---- */

static void receives(void *arg)
{
    (void)arg;
    weft_chan_recv(ch, NULL);
}

static void receives_in_vain(void *arg)
{
    ch = weft_chan_new(0, 0);
    receives(arg);
    __asm__ volatile("" ::: "memory"); /* the call is no jump: its frame is there */
}

CHILD(main_receives)
{
    test_run(receives_in_vain, NULL);
}

TEST(main_alone_waits)
{
    /* Goal: Go's text, a blank line, the goroutines, status 2 (DL-01). */
    check_deadlock("main_receives");
    CHECK_STR_HAS(result.err, "deadlock!\n\ngoroutine 1 [chan receive]:\n0x");
    if (!test_emulator())
        CHECK_STR_HAS(result.err, " receives_in_vain+0x");
}

static weft_mutex mutex;

static void locks_twice(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    weft_mutex_lock(&mutex);
}

CHILD(locks_twice)
{
    test_run(locks_twice, NULL);
}

TEST(a_mutex_locked_twice)
{
    check_deadlock("locks_twice"); /* MU-02 */
    CHECK_STR_HAS(result.err, "goroutine 1 [sync.Mutex.Lock]:\n");
}

static weft_waitgroup group;

static void many_wait(void *arg)
{
    ch = weft_chan_new(0, 0);
    weft_waitgroup_add(&group, 1);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_go(receives, arg), 0);
    weft_yield();
    weft_sleep(TEST_MS);
    weft_waitgroup_wait(&group);
}

CHILD(many_wait)
{
    test_run(many_wait, NULL);
}

TEST(many_wait_after_a_while)
{
    check_deadlock("many_wait");
    CHECK_STR_HAS(result.err, "\n\ngoroutine 1 [sync.WaitGroup.Wait]:\n");
    CHECK_STR_HAS(result.err, "[chan receive]:\n");
}

static void receives_from_stopped(void *arg)
{
    (void)arg;
    weft_timer *timer = weft_timer_new(1000 * WEFT_HOUR);
    CHECK(weft_timer_stop(timer));
    weft_chan_recv(weft_timer_chan(timer), NULL);
}

CHILD(receives_from_stopped)
{
    test_run(receives_from_stopped, NULL);
}

TEST(a_stopped_timer_is_no_hope)
{
    check_deadlock("receives_from_stopped"); /* TM-15 */
}

static void receives_from_stopped_ticker(void *arg)
{
    (void)arg;
    weft_ticker *ticker = weft_ticker_new(TEST_MS);
    weft_chan_recv(weft_ticker_chan(ticker), NULL);
    weft_ticker_stop(ticker);
    weft_chan_recv(weft_ticker_chan(ticker), NULL);
}

CHILD(receives_from_stopped_ticker)
{
    test_run(receives_from_stopped_ticker, NULL);
}

TEST(a_stopped_ticker_is_no_hope)
{
    check_deadlock("receives_from_stopped_ticker");
}

static void leaves_others(void *arg)
{
    ch = weft_chan_new(0, 0);
    CHECK_EQ(weft_go(receives, arg), 0);
    weft_goexit();
}

CHILD(main_exits)
{
    test_run(leaves_others, NULL);
}

TEST(those_that_main_has_left)
{
    /* Goal: after weft_goexit in main the others' deadlock is one like any other (GO-19). */
    check_deadlock("main_exits");
    CHECK(!strstr(result.err, "goroutine 1 ["));
}

static void *receives_too(void *arg)
{
    weft_chan_recv(arg, NULL);
    return NULL;
}

static void waits_beside_thread(void *arg)
{
    pthread_t thread;
    ch = weft_chan_new(0, 0);
    REQUIRE(pthread_create(&thread, NULL, receives_too, ch) == 0);
    receives(arg);
}

CHILD(waits_beside_thread)
{
    test_run(waits_beside_thread, NULL);
}

TEST(a_foreign_thread_inside_weft_waits_as_well)
{
    check_deadlock("waits_beside_thread");
}

static atomic_bool may_end;

static void *ends(void *arg)
{
    while (!atomic_load(&may_end))
        sched_yield();
    usleep(100000); /* well after the others wait: it is a chance to be seen alive, not a proof */
    return arg;
}

static void waits_beside_ending(void *arg)
{
    pthread_t thread;
    ch = weft_chan_new(0, 0);
    REQUIRE(pthread_create(&thread, NULL, ends, arg) == 0);
    atomic_store(&may_end, true);
    receives(arg);
}

CHILD(waits_beside_ending)
{
    test_run(waits_beside_ending, NULL);
}

TEST(a_foreign_thread_that_ends)
{
    /* Goal: while a thread runs that may call in there is no deadlock, and when it has ended there is. Nothing tells of its
     * end. */
    check_deadlock("waits_beside_ending");
}

static void *sleeps_in_section(void *arg)
{
    usleep(30000);
    return arg;
}

static void blocks_then_waits(void *arg)
{
    ch = weft_chan_new(0, 0);
    weft_blocking(sleeps_in_section, arg);
    receives(arg);
}

CHILD(blocks_then_waits)
{
    test_run(blocks_then_waits, NULL);
}

TEST(after_a_blocking_section)
{
    check_deadlock("blocks_then_waits");
}

static void stops_listening(void *arg)
{
    weft_chan *signals = weft_signal_notify(&(int){SIGUSR1}, 1);
    ch = weft_chan_new(0, 0);
    weft_sleep(30 * TEST_MS);
    weft_signal_stop(signals);
    receives(arg);
}

CHILD(stops_listening)
{
    test_run(stops_listening, NULL);
}

TEST(after_the_last_signal_channel)
{
    check_deadlock("stops_listening");
}

static void says(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(98);
}

CHILD(listener_hears)
{
    weft_config config = {.maxprocs = test_procs(2), .on_fatal = says};
    test_run_config(receives_in_vain, NULL, &config);
}

TEST(on_fatal_hears_of_it)
{
    test_spawn("listener_hears", &result);
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.out, asleep, strlen(asleep)), 0);
    CHECK_STR_EQ(result.err, "");
}

static void finishes(void *arg)
{
    (void)arg;
}

CHILD(second_run)
{
    CHECK_EQ(test_run(finishes, NULL), 0);
    CHECK_EQ(test_run(finishes, NULL), 0);
    test_run(receives_in_vain, NULL);
}

TEST(in_a_later_run)
{
    check_deadlock("second_run");
}

/* ---- what is none ----
 * Each of these waits for so long that sysmon looks, many times. On a slow machine it looks less often: then they prove
 * less, but don't fail. */

#define WHILE_NS (100 * TEST_MS)

static void main_sleeps(void *arg)
{
    ch = weft_chan_new(0, 0);
    CHECK_EQ(weft_go(receives, arg), 0);
    weft_sleep(WHILE_NS);
    weft_chan_close(ch);
    test_until_goroutines(1);
    weft_chan_unref(ch);
}

TEST(not_while_main_sleeps)
{
    CHECK_EQ(test_run(main_sleeps, NULL), 0);
}

static void receives_until(void *arg)
{
    (void)arg;
    ch = weft_chan_new(0, 0);
    CHECK_EQ(weft_chan_recv_until(ch, NULL, weft_now() + WHILE_NS), -ETIMEDOUT);
    weft_chan_unref(ch);
}

TEST(not_before_a_deadline)
{
    CHECK_EQ(test_run(receives_until, NULL), 0);
}

static void sleeps_longest(void)
{
    weft_sleep(INT64_MAX);
}

static void receives_from_timer(void)
{
    weft_chan_recv(weft_timer_chan(weft_timer_new(INT64_MAX)), NULL);
}

static void receives_from_ticker(void)
{
    weft_chan_recv(weft_ticker_chan(weft_ticker_new(INT64_MAX)), NULL);
}

static void selects_after(void)
{
    WEFT_SELECT(WEFT_RECV(NULL, NULL), WEFT_AFTER(INT64_MAX));
}

static void waits_for_context_longest(void)
{
    weft_chan_recv(weft_ctx_done(weft_ctx_with_timeout(NULL, INT64_MAX)), NULL);
}

static void waits_for_limiter(void)
{
    weft_limiter_wait(weft_limiter_new(0, 0), NULL);
    weft_limiter *spent = weft_limiter_new(0, 1);
    CHECK(weft_limiter_allow(spent));
    weft_limiter_wait(spent, NULL);
}

static void (*const longest[])(void) = {
    sleeps_longest, receives_from_timer,       receives_from_ticker,
    selects_after,  waits_for_context_longest, waits_for_limiter};

static int64_t cpu_before; /* the wait */

static void ends_idle(int sig)
{
    (void)sig;
    _exit(test_cpu_ns() - cpu_before < 60 * TEST_MS ? 0 : 3);
}

static void waits_longest(void *arg)
{
    (void)arg;
    for (int i = 0; i < 5; i++)
        weft_sleep(5 * TEST_MS); /* sysmon has been awake, and watches for timers from now on */
    signal(SIGALRM, ends_idle);  /* not the harness's */
    cpu_before = test_cpu_ns();
    ualarm(300000, 0);
    longest[atoi(getenv("WEFT_TEST_LONGEST"))]();
}

CHILD(waits_longest)
{
    test_run(waits_longest, NULL);
}

TEST(not_before_the_longest_time)
{
    /* Goal: a timer of INT64_MAX ns is one that is to come, as in Go: a program that sleeps so for ever is told nothing, and
     * costs nothing. The story: a millisecond after the last of all times was long ago, and sysmon looked and looked. */
    for (size_t i = 0; i < TEST_COUNT_OF(longest); i++) {
        char which[8];
        snprintf(which, sizeof which, "%zu", i);
        setenv("WEFT_TEST_LONGEST", which, 1);
        test_spawn("waits_longest", &result);
        if (!WIFEXITED(result.status) || WEXITSTATUS(result.status) != 0)
            FAIL("%zu: status %x; stderr: \"%.300s\"", i, result.status, result.err);
    }
    unsetenv("WEFT_TEST_LONGEST");
}

static void closes(void *arg)
{
    weft_chan_close(arg);
}

static void waits_for_func(void *arg)
{
    (void)arg;
    ch = weft_chan_new(0, 0);
    weft_timer *timer = weft_after_func(WHILE_NS, closes, ch);
    CHECK(!weft_chan_recv(ch, NULL));
    test_until_goroutines(1);
    weft_timer_unref(timer);
    weft_chan_unref(ch);
}

TEST(not_before_a_function_is_due)
{
    /* Goal: the timer alone knows of the goroutine that is to come. */
    CHECK_EQ(test_run(waits_for_func, NULL), 0);
}

static void receives_ticks(void *arg)
{
    weft_ticker *ticker = weft_ticker_new(WHILE_NS);
    weft_timer *timer = weft_timer_new(WHILE_NS);
    (void)arg;
    for (int i = 0; i < 2; i++)
        CHECK(weft_chan_recv(weft_ticker_chan(ticker), NULL));
    CHECK(weft_chan_recv(weft_timer_chan(timer), NULL));
    weft_timer_reset(timer, WHILE_NS);
    weft_ticker_stop(ticker);
    CHECK(weft_chan_recv(weft_timer_chan(timer), NULL));
    weft_ticker_unref(ticker);
    weft_timer_unref(timer);
}

TEST(not_between_ticks)
{
    CHECK_EQ(test_run(receives_ticks, NULL), 0);
}

static void waits_for_context(void *arg)
{
    weft_ctx *root = weft_ctx_with_timeout(NULL, WHILE_NS), *leaf = weft_ctx_with_cancel(root);
    REQUIRE(root && leaf);
    if (arg) {
        CHECK_EQ(weft_sem_acquire_ctx(arg, 1, leaf), -ETIMEDOUT);
    } else {
        CHECK(!weft_chan_recv(weft_ctx_done(leaf), NULL));
        CHECK_EQ(weft_ctx_err(leaf), -ETIMEDOUT);
    }
    weft_ctx_unref(leaf);
    weft_ctx_unref(root);
}

static void waits_for_hook(void *arg)
{
    (void)arg;
    ch = weft_chan_new(0, 0);
    weft_ctx *ctx = weft_ctx_with_timeout(NULL, WHILE_NS);
    weft_ctx_hook *hook = weft_ctx_after_func(ctx, closes, ch);
    REQUIRE(hook);
    CHECK(!weft_chan_recv(ch, NULL));
    CHECK(!weft_ctx_hook_stop(hook));
    test_until_goroutines(1);
    weft_ctx_unref(ctx);
    weft_chan_unref(ch);
}

TEST(not_before_a_context_ends)
{
    /* Goal: its deadline is a hope for those who receive from its channel, who would stop waiting when it ends, and whom its
     * functions are going to wake. */
    weft_sem none = {0};
    weft_sem one = WEFT_SEM_INIT(1);
    CHECK_EQ(test_run(waits_for_context, NULL), 0);
    CHECK_EQ(test_run(waits_for_context, &none), 0); /* more than there will ever be */
    CHECK(weft_sem_try_acquire(&one, 1));
    CHECK_EQ(test_run(waits_for_context, &one), 0);
    CHECK_EQ(test_run(waits_for_hook, NULL), 0);
}

static void *sleeps_there(void *arg)
{
    usleep(WHILE_NS / 1000);
    return arg;
}

static void blocks(void *arg)
{
    CHECK_PTR_EQ(weft_blocking(sleeps_there, &ch), &ch);
    if (arg)
        weft_chan_send(arg, NULL);
}

static void waits_for_section(void *arg)
{
    (void)arg;
    ch = weft_chan_new(0, 0);
    CHECK_EQ(weft_go(blocks, ch), 0);
    weft_chan_recv(ch, NULL);
    test_until_goroutines(1);
    weft_chan_unref(ch);
}

TEST(not_during_a_blocking_section)
{
    CHECK_EQ(test_run(blocks, NULL), 0);
    CHECK_EQ(test_run(waits_for_section, NULL), 0);
}

static void *sends_later(void *arg)
{
    pthread_setname_np(pthread_self(),
                       "iou-wrk-1"); /* as one of io_uring's, which don't count, has */
    usleep(WHILE_NS / 1000);
    weft_chan_send(arg, NULL);
    return NULL;
}

static void waits_for_thread(void *arg)
{
    pthread_t thread;
    (void)arg;
    ch = weft_chan_new(0, 0);
    REQUIRE(pthread_create(&thread, NULL, sends_later, ch) == 0);
    weft_chan_recv(ch, NULL);
    pthread_join(thread, NULL);
    weft_chan_unref(ch);
}

TEST(not_while_a_foreign_thread_is_there)
{
    CHECK_EQ(test_run(waits_for_thread, NULL), 0);
}

static void waits_for_signal(void *arg)
{
    struct sigevent how = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    struct itimerspec in = {.it_value.tv_nsec = WHILE_NS};
    timer_t timer;
    (void)arg;
    weft_chan *signals = weft_signal_notify(&(int){SIGUSR1}, 1);
    REQUIRE(timer_create(CLOCK_MONOTONIC, &how, &timer) == 0);
    REQUIRE(timer_settime(timer, 0, &in, NULL) == 0);
    weft_chan_recv(signals, NULL);
    weft_signal_stop(signals);
    weft_chan_unref(signals);
    timer_delete(timer);
}

TEST(not_while_a_signal_may_come)
{
    if (TEST_TSAN)
        SKIP("TSan holds signals back from a thread that sleeps on a futex");
    CHECK_EQ(test_run(waits_for_signal, NULL), 0); /* DL-06 */
}

/* ---- barely alive ---- */

static weft_chan *to_thread;

static void *relays(void *arg)
{
    while (weft_chan_recv(to_thread, NULL)) {
        if (*(int *)arg)
            usleep(*(unsigned *)arg);
        weft_chan_send(ch, NULL);
    }
    return NULL;
}

static void *naps(void *arg)
{
    if (*(int *)arg)
        usleep(*(unsigned *)arg);
    return NULL;
}

static void sends_after_nap(void *arg)
{
    weft_blocking(naps, arg);
    weft_chan_send(ch, NULL);
}

static void sends_after_sleep(void *arg)
{
    weft_sleep(*(int *)arg * INT64_C(1000));
    weft_chan_send(ch, NULL);
}

/* Main waits for the only one that can wake it: a timer, a section, a thread. */
static void lives_barely(void *arg)
{
    static int pause_us;
    pthread_t thread;
    uint64_t random = *(uint64_t *)arg;
    ch = weft_chan_new(0, 0);
    to_thread = weft_chan_new(0, 0);
    REQUIRE(pthread_create(&thread, NULL, relays, &pause_us) == 0);
    int64_t end = test_now() + (int64_t)(test_seconds() * 1e9);
    while (test_now() < end) {
        uint64_t r = test_random(&random);
        pause_us = (int)(r % 4 == 0 ? 0 : r / 4 % 3000);
        switch (r / 16384 % 3) {
        case 0:
            CHECK_EQ(weft_go(sends_after_sleep, &pause_us), 0);
            break;
        case 1:
            CHECK_EQ(weft_go(sends_after_nap, &pause_us), 0);
            break;
        default:
            weft_chan_send(to_thread, NULL);
            break;
        }
        weft_chan_recv(ch, NULL);
    }
    test_until_goroutines(1); /* the last may still be in there */
    weft_chan_close(to_thread);
    pthread_join(thread, NULL);
    weft_chan_unref(to_thread);
    weft_chan_unref(ch);
}

TEST(one_that_is_barely_alive)
{
    /* Goal: no false report where at any time just one thing can go on. Method: pauses at random, around the time at which
     * sysmon looks, for $WEFT_TEST_SECONDS. */
    uint64_t seed = test_seed();
    CHECK_EQ(test_run(lives_barely, &seed), 0);
}

static void hands_over_once(void *arg)
{
    static int no_pause;
    ch = weft_chan_new(0, 0);
    CHECK_EQ(weft_go((uintptr_t)arg % 2 ? sends_after_nap : sends_after_sleep, &no_pause), 0);
    weft_chan_recv(ch, NULL);
    test_until_goroutines(1); /* it may still be in there */
    weft_chan_unref(ch);
}

TEST(ten_thousand_short_runs)
{
    for (uintptr_t i = 0; i < (uintptr_t)test_scale(10000); i++)
        REQUIRE(test_run(hands_over_once, (void *)i) == 0);
}
