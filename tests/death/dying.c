/* SPDX-License-Identifier: Apache-2.0
 * dying.c - what others do while a process dies: their alarms don't cut its report short, their traces don't hold up
 * its on_fatal. */
#include "states.h"

#include <sys/signalfd.h>

#include "runtime/hooks.h"

/* ---- the program's own alarms ---- */

static volatile sig_atomic_t alarms;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    alarms++;
}

/* One is due the moment that the report lets it through. */
static TEST_NOINLINE void leave_an_alarm(void)
{
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
    raise(SIGALRM);
}

static void let_alarms_through(void)
{
    sigset_t alarm_only;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
}

static void panics_with_an_alarm(void *arg)
{
    (void)arg;
    start("a", sleeps);
    test_until_parked(1);
    leave_an_alarm();
    weft_panic("now");
}

static void raises_an_alarm(const char *report)
{
    alarms = 0;
    fputs(report, stdout);
    raise(SIGALRM);
    printf("%d alarms while blocked\n", (int)alarms);
    let_alarms_through();
    printf("%d alarm\n", (int)alarms);
    fflush(stdout);
}

CHILD(panics_with_an_alarm)
{
    signal(SIGALRM, on_alarm);
    test_run(panics_with_an_alarm, NULL);
}
CHILD(panics_with_an_alarm_to_listener)
{
    weft_config config = {.maxprocs = test_procs(2), .on_fatal = raises_an_alarm};
    signal(SIGALRM, on_alarm);
    test_run_config(panics_with_an_alarm, NULL, &config);
}

TEST(an_alarm_cuts_no_report_short)
{
    /* Goal: SIGALRM ends a report that hangs, and not one that the program's own timer fires in. (One that was due ended the
     * process before the first line.) Method: leave one pending when the goroutine panics. */
    spawn_settled("panics_with_an_alarm");
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.err, "panic: now\n\ngoroutine 1 [running]:\n0x", 37), 0);
    CHECK_STR_HAS(result.err, " (a) [sleep]:\n0x");
}

TEST(on_fatal_has_the_programs_alarms_again)
{
    /* Goal: when the report is made, SIGALRM is the program's as before: its handler's, and blocked. */
    spawn_settled("panics_with_an_alarm_to_listener");
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.out, "panic: now\n\ngoroutine 1 [running]:\n0x", 37), 0);
    CHECK_STR_HAS(result.out, "\n0 alarms while blocked\n1 alarm\n");
    CHECK_STR_EQ(result.err, "");
}

static atomic_long ticks;

static void *counts_ticks(void *arg)
{
    struct signalfd_siginfo tick;
    int fd = *(int *)arg;
    for (;;)
        if (test_read(fd, &tick, sizeof tick) == sizeof tick)
            atomic_fetch_add(&ticks, 1);
    return NULL;
}

/* They go to a thread that reads them: all others block them. */
static void start_ticking(void)
{
    static int fd;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
    struct itimerspec often = {.it_value.tv_nsec = 1000000, .it_interval.tv_nsec = 1000000};
    sigset_t alarm_only;
    pthread_t thread;
    timer_t timer;
    sigemptyset(&alarm_only);
    sigaddset(&alarm_only, SIGALRM);
    pthread_sigmask(SIG_BLOCK, &alarm_only, NULL);
    signal(SIGALRM, SIG_DFL);
    fd = signalfd(-1, &alarm_only, SFD_CLOEXEC);
    REQUIRE(fd >= 0 && pthread_create(&thread, NULL, counts_ticks, &fd) == 0);
    REQUIRE(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    REQUIRE(timer_settime(timer, 0, &often, NULL) == 0);
}

static void waits_for_ticks(const char *report)
{
    long before = atomic_load(&ticks);
    TEST_COMPUTE_UNTIL(atomic_load(&ticks) > before + 5);
    fputs(report, stdout);
    fflush(stdout);
}

static void panics_among_ticks(void *arg)
{
    (void)arg;
    TEST_UNTIL(atomic_load(&ticks) > 5);
    weft_panic("now");
}

CHILD(panics_among_ticks)
{
    weft_config config = {.maxprocs = test_procs(2), .on_fatal = waits_for_ticks};
    start_ticking();
    test_run_config(panics_among_ticks, NULL, &config);
}

TEST(on_fatal_survives_alarms_that_the_program_reads)
{
    /* Goal: a program that blocks SIGALRM and reads it from a signalfd goes on with that while on_fatal runs. (The thread that
     * died was left open to it, and the process ended by it, in the middle of on_fatal.) */
    test_spawn("panics_among_ticks", &result);
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.out, "panic: now\n\ngoroutine 1 [running]:\n0x", 37), 0);
}

/* ---- a trace that freezes late ---- */

enum { NOT_HELD = 30, HELD, POINTS_MAX = 40 /* it has frozen long before */ };

static atomic_bool armed, has_traced;
static bool was_held;
static atomic_long turns;

static void *traces(void *arg)
{
    static char text[4096];
    CHECK(weft_priv_hold_at((unsigned)test_env("TEST_HOLD_AT", 1)));
    atomic_store(&armed, true);
    weft_stack(text, sizeof text, true);
    weft_priv_hold_at(0);
    atomic_store(&has_traced, true);
    return arg;
}

static void takes_turns(void *arg)
{
    (void)arg;
    for (;;) {
        atomic_fetch_add(&turns, 1);
        weft_yield();
    }
}

/* The others are needed, as by one who has a log written. */
static void waits_for_others(const char *report)
{
    (void)report;
    weft_priv_release();
    TEST_COMPUTE_UNTIL(atomic_load(&has_traced));
    long before = atomic_load(&turns);
    TEST_COMPUTE_UNTIL(atomic_load(&turns) > before + 10);
    _exit(was_held ? HELD : NOT_HELD);
}

static void panics_beside_a_trace(void *arg)
{
    pthread_t thread;
    start("others", takes_turns);
    TEST_UNTIL(atomic_load(&turns) > 0);
    REQUIRE(pthread_create(&thread, NULL, traces, arg) == 0);
    TEST_COMPUTE_UNTIL(atomic_load(&armed)); /* a call of weft would be held still */
    TEST_COMPUTE_UNTIL(weft_priv_held() || atomic_load(&has_traced));
    was_held = weft_priv_held();
    weft_panic("now");
}

CHILD(panics_beside_a_trace)
{
    weft_config config = {.maxprocs = test_procs_min(2), .on_fatal = waits_for_others};
    test_run_config(panics_beside_a_trace, NULL, &config);
}

TEST(a_trace_holds_up_no_on_fatal)
{
    /* Goal: goroutines run while on_fatal does, though another thread was about to hold them still for weft_stack when the
     * process began to die. (Nobody let them go on.) Method: hold that thread at each point, panic, and let it go on
     * in on_fatal, which then waits for a goroutine. */
    int points = 0, stride = test_instrumented() ? 4 : 1;
    if (!weft_priv_hold_at(0))
        SKIP("not a test build");
    setenv("WEFT_TRACEBACK", "none", 1);
    do {
        char at[16];
        snprintf(at, sizeof at, "%d", points + 1);
        setenv("TEST_HOLD_AT", at, 1);
        test_spawn("panics_beside_a_trace", &result);
        if (!WIFEXITED(result.status) || WEXITSTATUS(result.status) != HELD)
            break;
    } while ((points += stride) < POINTS_MAX);
    unsetenv("TEST_HOLD_AT");
    unsetenv("WEFT_TRACEBACK");
    CHECK_EXITED(&result, points < POINTS_MAX ? NOT_HELD : HELD);
    fprintf(stderr, "    held at points 1 to %d\n", points);
    CHECK_GT(points, 5);
}
