/* SPDX-License-Identifier: Apache-2.0
 * ending.c - the limit of who ends the process: it holds whatever the process hangs in, and leaves the signals as they were. */
#include "../test.h"

#include "arch/os.h"
#include "arch/signal.h"

enum { STATUS = 40, ENOUGH = 30 };

static void goes_on(void) {}

static void begin(unsigned seconds)
{
    os_ending_begin(&(struct os_ending){
        .seconds = seconds, .status = STATUS, .text = "the text\n", .escape = goes_on});
}

/* ---- the limit ---- */

static struct test_result result;

_Noreturn static void hang_for(unsigned seconds)
{
    begin(seconds);
    for (;;)
        pause();
}

CHILD(hangs)
{
    hang_for(1);
}

TEST(who_hangs_ends_with_the_text)
{
    test_spawn("hangs", &result);
    CHECK_EXITED(&result, STATUS);
    CHECK_STR_EQ(result.err, "the text\n");
}

/* Nobody reads it. */
static void fill_stderr(void)
{
    static const char page[4096];
    int ends[2];
    REQUIRE(pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    while (write(ends[1], page, sizeof(page)) > 0 || write(ends[1], page, 1) > 0)
        ;
    REQUIRE(fcntl(ends[1], F_SETFL, 0) == 0 && dup2(ends[1], STDERR_FILENO) >= 0);
}

CHILD(hangs_with_stderr_full)
{
    fill_stderr();
    hang_for(1);
}

TEST(a_stderr_that_takes_nothing_holds_up_no_end)
{
    /* Goal: the text is lost, and nothing else. (The write of it had no limit.) Method: a full pipe. */
    test_spawn("hangs_with_stderr_full", &result);
    CHECK_EXITED(&result, STATUS);
}

/* The program's own: to the process, often, ignored. */
static void send_alarms(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec often = {.it_value.tv_nsec = 20000, .it_interval.tv_nsec = 20000};
    timer_t timer;
    signal(SIGALRM, SIG_IGN);
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    REQUIRE(timer_settime(timer, 0, &often, NULL) == 0);
}

CHILD(hangs_among_alarms)
{
    fill_stderr();
    send_alarms();
    hang_for(2);
}

TEST(the_programs_alarms_neither_hasten_nor_put_off_the_end)
{
    /* Goal: as before, when SIGALRM comes all the time, also while the text is written. */
    int64_t from = test_now();
    test_spawn("hangs_among_alarms", &result);
    CHECK_EXITED(&result, STATUS);
    CHECK_GE(test_now() - from, INT64_C(1000000000)); /* seconds are whole ones */
}

/* ---- whose the signals are ---- */

static const int both[] = {SIGALRM, SIGABRT};

static sigset_t set_of(int signal_number)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    return set;
}

static bool is_blocked(int signal_number)
{
    sigset_t mask;
    pthread_sigmask(SIG_BLOCK, NULL, &mask);
    return sigismember(&mask, signal_number);
}

CHILD(blocks)
{
    for (size_t i = 0; i < TEST_COUNT_OF(both); i++) {
        sigset_t one = set_of(both[i]);
        pthread_sigmask(SIG_BLOCK, &one, NULL);
        begin(ENOUGH);
        begin(ENOUGH);
        CHECK(!is_blocked(SIGALRM) && !is_blocked(SIGABRT));
        os_ending_end();
        for (size_t j = 0; j < TEST_COUNT_OF(both); j++)
            CHECK_EQ(is_blocked(both[j]), i == j);
        pthread_sigmask(SIG_UNBLOCK, &one, NULL);
    }
}

TEST(who_had_them_blocked_has_them_blocked_again)
{
    /* Goal: both, each for itself, though begun twice. */
    test_spawn("blocks", &result);
    CHECK_EXITED(&result, 0);
}

CHILD(blocks_alarms)
{
    sigset_t alarms = set_of(SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarms, NULL);
    send_alarms();
    signal(SIGALRM, SIG_DFL);
    for (int i = 0; i < 5000; i++) {
        begin(ENOUGH);
        os_ending_end();
    }
}

TEST(no_alarm_comes_in_between)
{
    /* Goal: none meets what the program, which blocks it, does with it by default: the end. Method: one is due nearly always. */
    test_spawn("blocks_alarms", &result);
    CHECK_EXITED(&result, 0);
}

CHILD(ends_among_alarms)
{
    send_alarms();
    for (int i = 0; i < 5000; i++) {
        begin(ENOUGH);
        os_ending_end();
        CHECK_EQ(alarm(0), 0);
    }
}

TEST(no_limit_is_left_behind)
{
    /* Goal: who has ended in time isn't ended any more. (The program's own alarm, which came after ours was taken back, set it
     * again.) */
    test_spawn("ends_among_alarms", &result);
    CHECK_EXITED(&result, 0);
}

/* ---- its time ---- */

TEST(who_begins_again_has_no_time_running)
{
    /* Goal: what was begun within something that has a limit of its own isn't cut short by that. */
    begin(ENOUGH);
    os_time_run(INT64_C(3600000000000));
    CHECK_GT(os_time_stop(), 1);
    os_time_run(INT64_C(3600000000000));
    begin(ENOUGH);
    CHECK_EQ(os_time_stop(), 1);
    os_ending_end();
}
