/* SPDX-License-Identifier: Apache-2.0
 * report.c - what a report says of goroutines: which reason, which frames, who started them; in a panic, on SIGQUIT, to
 * on_fatal. weft_stack is stack.c's, what is a deadlock deadlock.c's, what leaks leaks.c's. */
#include "states.h"

enum { SURVIVED = 3 };

_Noreturn static void survived(void)
{
    fprintf(stderr, "survived\n");
    _exit(SURVIVED);
}

static void panics_among_all(void *arg)
{
    (void)arg;
    start_all();
    weft_panic("now");
}

static void prints(const char *report)
{
    fputs(report, stdout);
    fflush(stdout);
}

CHILD(panics_among_all)
{
    test_run(panics_among_all, NULL);
}
CHILD(panics_among_all_to_listener)
{
    weft_config config = {.maxprocs = test_procs(2), .on_fatal = prints};
    test_run_config(panics_among_all, NULL, &config);
}

TEST(a_panic_tells_of_every_goroutine)
{
    /* Goal: below a panic's own trace stands every other goroutine: its name, its reason in Go's words, its frames and who
     * started it (PN-10, DL-02). Method: one goroutine in each state there is. */
    spawn_settled("panics_among_all");
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.err, "panic: now\n\ngoroutine 1 [running]:\n0x", 37), 0);
    check_all_states(result.err);
    if (has_names()) {
        CHECK_STR_HAS(result.err, " panics_among_all+0x");
        CHECK_STR_HAS(section(result.err, "b", "chan receive"), " receives+0x");
        CHECK_STR_HAS(section(result.err, "n", "blocking"), " is_blocking+0x");
        CHECK_STR_HAS(section(result.err, "o", "chan receive, locked to thread"),
                      " receives_locked+0x");
    }
}

TEST(on_fatal_gets_the_whole_report)
{
    /* Goal: config.on_fatal is given all of it in one piece, and stderr nothing. Method: the same, to puts. */
    spawn_settled("panics_among_all_to_listener");
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.out, "panic: now\n\ngoroutine 1 [running]:\n0x", 37), 0);
    CHECK_STR_HAS(result.out + 36, "\n\ngoroutine ");
    CHECK_STR_EQ(result.err, "");
}

static void measures(const char *report)
{
    const char *end = "\n...the rest of the report is cut off...\n";
    size_t n = strlen(report);
    printf("%zu bytes, %s\n", n, strcmp(report + n - strlen(end), end) == 0 ? "cut off" : "whole");
    fflush(stdout);
}

static void panics_among_many(void *arg)
{
    never = weft_chan_new(0, 0);
    for (int i = 0; i < 1500; i++)
        CHECK_EQ(weft_go(receives, arg), 0);
    test_until_parked(1500);
    weft_panic("now");
}

CHILD(panics_among_many)
{
    weft_config config = {.maxprocs = test_procs(2), .on_fatal = measures};
    test_run_config(panics_among_many, NULL, &config);
}

TEST(a_report_that_is_too_long_says_so)
{
    /* Goal: on_fatal's text is bounded, and its last line tells that there was more. Method: 1500 goroutines. */
    test_spawn("panics_among_many", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_EQ(result.out, "262143 bytes, cut off\n");
}

/* ---- how much: WEFT_TRACEBACK ---- */

static void spawn_with_traceback(const char *child, const char *level)
{
    setenv("WEFT_TRACEBACK", level, 1);
    test_spawn(child, &result);
    unsetenv("WEFT_TRACEBACK");
}

TEST(traceback_says_how_much)
{
    /* Goal: none, single and all tell of nobody, of the goroutine that panics, and of all; crash ends by SIGABRT (DL-09).
     * Method: the same child. */
    spawn_with_traceback("panics_among_all", "none");
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.err, "panic: now\n", 11), 0);
    CHECK(!strstr(result.err, "0x"));
    spawn_with_traceback("panics_among_all", "single");
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "goroutine 1 [running]:\n0x");
    CHECK(!strstr(result.err, "[sleep]"));
    spawn_with_traceback("panics_among_all", "all");
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "[sleep]");
    spawn_with_traceback("panics_among_all", "crash");
    CHECK(WIFSIGNALED(result.status) && WTERMSIG(result.status) == SIGABRT);
    CHECK_STR_HAS(result.err, "[sleep]");
}

static void nothing(void *arg)
{
    (void)arg;
}

TEST(a_bad_traceback_is_an_error)
{
    setenv("WEFT_TRACEBACK", "some", 1);
    CHECK_EQ(test_run(nothing, NULL), -EINVAL);
    unsetenv("WEFT_TRACEBACK");
    CHECK_EQ(test_run(nothing, NULL), 0);
}

/* ---- those that run, or could ---- */

static atomic_bool computing;

static void computes(void *arg)
{
    (void)arg;
    atomic_store(&computing, true);
    for (;;)
        sched_yield();
}

static void panics_beside_computing(void *arg)
{
    (void)arg;
    start("busy", computes);
    TEST_UNTIL(atomic_load(&computing));
    weft_panic("now");
}

CHILD(panics_beside_computing)
{
    test_run_procs(test_procs_min(2), panics_beside_computing, NULL);
}

TEST(one_that_computes_has_a_header_only)
{
    /* Goal: a report waits for nobody; a goroutine on another thread is there, without frames. */
    test_spawn("panics_beside_computing", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_EQ(section(result.err, "busy", "running"),
                 "\tgoroutine running on other thread; stack unavailable\n");
}

static void panics_before_start(void *arg)
{
    (void)arg;
    start("fresh", sleeps);
    weft_panic("now");
}

CHILD(panics_before_start)
{
    test_run_procs(1, panics_before_start, NULL);
}

TEST(one_that_has_not_begun_is_runnable)
{
    /* Goal: a goroutine without a stack yet has the place where it will begin. Method: one P, again if a slow machine's
     * time slice was over before the panic. */
    spawn_without("[sleep]", "panics_before_start");
    CHECK_EXITED(&result, 2);
    const char *frames = section(result.err, "fresh", "runnable");
    CHECK_EQ(strncmp(frames, "0x", 2), 0);
    if (has_names()) {
        CHECK_STR_HAS(frames, " sleeps+0x0 ");
        CHECK_STR_HAS(frames, "\ncreated by start");
    }
}

static void *panics_on_thread(void *arg)
{
    (void)arg;
    weft_panic("elsewhere");
}

static void joins_forever(void *arg)
{
    pthread_t thread;
    start("a", sleeps);
    test_until_parked(1);
    REQUIRE(pthread_create(&thread, NULL, panics_on_thread, arg) == 0);
    for (;;)
        weft_yield();
}

CHILD(panics_on_thread)
{
    test_run(joins_forever, NULL);
}
CHILD(panics_without_run)
{
    panics_on_thread(NULL);
}

TEST(a_foreign_threads_panic)
{
    /* Goal: "foreign thread:" and its trace, then the goroutines, if a run is on. */
    spawn_settled("panics_on_thread");
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.err, "panic: elsewhere\n\nforeign thread:\n0x", 36), 0);
    CHECK_STR_HAS(result.err, " (a) [sleep]:\n0x");
    test_spawn("panics_without_run", &result);
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.err, "panic: elsewhere\n\nforeign thread:\n0x", 36), 0);
    CHECK(!strstr(result.err, "goroutine "));
}

/* ---- stacks that make no sense ---- */

static void panics_beside_broken(void *arg)
{
    (void)arg;
    break_one();
    weft_panic("now");
}

CHILD(panics_beside_broken)
{
    test_run(panics_beside_broken, NULL);
}

TEST(a_stack_that_makes_no_sense_costs_its_own_frames)
{
    /* Goal: the unwinder faults on the way, the report goes on. Method: a return address that leads nowhere, which the
     * unwinder takes for a signal's frame and reads. */
    if (TEST_ASAN || TEST_TSAN)
        SKIP("instrumented frames are laid out otherwise");
    spawn_settled("panics_beside_broken");
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "(a) [sleep]:\n0x");
    CHECK_STR_HAS(result.err, "(broken) [chan receive]:\n0x");
    CHECK_STR_HAS(result.err, "(b) [chan receive]:\n0x");
}

/* ---- SIGQUIT ---- */

static void waits_for_quit(void *arg)
{
    (void)arg;
    start_all();
    kill(getpid(), SIGQUIT);
    weft_sleep(1000 * WEFT_HOUR);
    survived();
}

CHILD(quits)
{
    signal(SIGQUIT, SIG_DFL);
    test_run(waits_for_quit, NULL);
}

TEST(sigquit_tells_of_every_goroutine)
{
    /* Goal: SIGQUIT prints every goroutine and ends the process with status 2, as in Go (DL-09). */
    if (TEST_TSAN)
        SKIP("TSan holds signals back from a thread that sleeps on a futex");
    spawn_settled("quits");
    CHECK_EXITED(&result, 2);
    CHECK_EQ(strncmp(result.err, "SIGQUIT: quit\n\ngoroutine ", 25), 0);
    check_all_states(result.err);
}

static atomic_bool quit_came;

static void on_quit(int signal_number)
{
    (void)signal_number;
    atomic_store(&quit_came, true);
}

static void quits_itself(void *arg)
{
    (void)arg;
    kill(getpid(), SIGQUIT);
    TEST_UNTIL(atomic_load(&quit_came));
}

static void ignores_quit(void *arg)
{
    (void)arg;
    kill(getpid(), SIGQUIT);
}

CHILD(handles_quit)
{
    signal(SIGQUIT, on_quit);
    CHECK_EQ(test_run(quits_itself, NULL), 0);
    signal(SIGQUIT, SIG_IGN);
    CHECK_EQ(test_run(ignores_quit, NULL), 0);
    signal(SIGQUIT, SIG_DFL);
    CHECK_EQ(test_run(nothing, NULL), 0);
    struct sigaction now;
    CHECK(sigaction(SIGQUIT, NULL, &now) == 0 && now.sa_handler == SIG_DFL);
}

TEST(sigquit_is_the_programs_if_it_wants_it)
{
    /* Goal: a handler, or SIG_IGN, stays what it is, and after a run SIG_DFL is back. */
    test_spawn("handles_quit", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.err, "");
}
