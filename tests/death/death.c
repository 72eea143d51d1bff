/* SPDX-License-Identifier: Apache-2.0
 * death.c - programs that end badly: the text on stderr, the exit status, what still runs.
 *
 * Each CHILD runs in a process of its own; its TEST looks at what came out. A child that survives what
 * should have ended it says "survived" and exits with 3. */
#include "../test.h"

#include "runtime/hooks.h"

enum { SURVIVED = 3 };

_Noreturn static void survived(void)
{
    fprintf(stderr, "survived\n");
    _exit(SURVIVED);
}

static void say(const char *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(98);
}

static void say_arg(void *arg)
{
    say(arg);
}

/* stderr begins with the panic's text and Go's header; the status is 2. */
static void check_panic(const char *child, const char *text, struct test_result *result)
{
    test_spawn(child, result);
    CHECK_EXITED(result, 2);
    size_t length = strlen(text);
    if (strncmp(result->err, "panic: ", 7) != 0 || strncmp(result->err + 7, text, length) != 0 ||
        strncmp(result->err + 7 + length, "\n\ngoroutine ", 12) != 0)
        FAIL("%s: stderr is not \"panic: %s\" and a goroutine: \"%.200s\"", child, text,
             result->err);
    CHECK_STR_HAS(result->err, "[running]:");
    CHECK(!strstr(result->err, "survived"));
}

/* stderr begins with the whole of the fatal error's text, an empty line, and whose fault it is ("": whoever); the status is 2. */
static void check_fatal(const char *child, const char *text, const char *whose,
                        struct test_result *result)
{
    char expected[256];
    test_spawn(child, result);
    CHECK_EXITED(result, 2);
    snprintf(expected, sizeof expected, "fatal error: %s\n\n%s", text, whose);
    if (strncmp(result->err, expected, strlen(expected)) != 0)
        FAIL("%s: stderr is not \"%s\": \"%.200s\"", child, expected, result->err);
    CHECK(!strstr(result->err, "survived"));
}

static struct test_result result;

/* ---- the negative counter (WG-01) ---- */

static void done_at_zero(void *arg)
{
    weft_waitgroup wg = {0};
    (void)arg;
    weft_waitgroup_done(&wg);
    survived();
}

static void add_too_negative(void *arg)
{
    weft_waitgroup wg = {0};
    (void)arg;
    weft_waitgroup_add(&wg, 5);
    weft_waitgroup_add(&wg, -6);
    survived();
}

static void add_most_negative(void *arg)
{
    weft_waitgroup wg = {0};
    (void)arg;
    weft_waitgroup_add(&wg, INT32_MIN);
    survived();
}

static void start_and_wait(void *arg)
{
    static weft_priv_gate never;
    CHECK_EQ(weft_go(*(weft_fn *)arg, NULL), 0);
    weft_priv_gate_wait(&never);
    survived();
}

static weft_fn in_goroutine;

static void run_in_goroutine(weft_fn fn)
{
    in_goroutine = fn;
    test_run(start_and_wait, &in_goroutine);
    survived();
}

CHILD(done_at_zero_in_main)
{
    test_run(done_at_zero, NULL);
}
CHILD(add_too_negative_in_main)
{
    test_run(add_too_negative, NULL);
}
CHILD(add_most_negative_in_main)
{
    test_run(add_most_negative, NULL);
}
CHILD(done_at_zero_in_goroutine)
{
    run_in_goroutine(done_at_zero);
}
CHILD(done_at_zero_on_thread)
{
    done_at_zero(NULL);
}

TEST(a_negative_counter_panics)
{
    /* Goal: a WaitGroup below zero panics with Go's text and status 2. Method: by one, by more, by
     * INT_MIN; in main, in a goroutine beside a parked main, on a foreign thread. */
    const char *text = "sync: negative WaitGroup counter";
    check_panic("done_at_zero_in_main", text, &result);
    CHECK_STR_HAS(result.err, "\n\ngoroutine 1 [running]:");
    check_panic("add_too_negative_in_main", text, &result);
    check_panic("add_most_negative_in_main", text, &result);
    check_panic("done_at_zero_in_goroutine", text, &result);
    CHECK(!strstr(result.err, "negative WaitGroup counter\n\ngoroutine 1 ["));
    test_spawn("done_at_zero_on_thread", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "panic: sync: negative WaitGroup counter\n");
}

/* ---- weft_panic ---- */

static void panics(void *arg)
{
    (void)arg;
    WEFT_DEFER(say_arg, "first\n");
    {
        WEFT_DEFER(say_arg, "second\n");
        weft_panic("value %d of %s", 42, "many");
    }
    survived();
}

CHILD(panics_in_main)
{
    test_run(panics, NULL);
}
CHILD(panics_in_goroutine)
{
    run_in_goroutine(panics);
}
CHILD(panics_on_thread)
{
    panics(NULL);
}

TEST(a_panic_ends_the_process)
{
    /* Goal: weft_panic runs this goroutine's deferred calls last in first out, then prints its text
     * and ends the process with status 2, whichever goroutine it is in (PN-04, PN-09).
     * Method: children; stdout holds what the deferred calls said. */
    check_panic("panics_in_main", "value 42 of many", &result);
    CHECK_STR_EQ(result.out, "second\nfirst\n");
    CHECK_STR_HAS(result.err, "goroutine 1 [running]:");
    check_panic("panics_in_goroutine", "value 42 of many", &result);
    CHECK_STR_EQ(result.out, "second\nfirst\n");
    test_spawn("panics_on_thread", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "panic: value 42 of many\n");
    CHECK_STR_EQ(result.out, "second\nfirst\n");
}

static void panics_with_lines(void *arg)
{
    (void)arg;
    weft_panic("one\ngoroutine 9 [running]:\nthree");
}

CHILD(panics_with_newlines)
{
    test_run(panics_with_lines, NULL);
}

TEST(a_panic_text_cannot_forge_a_trace)
{
    /* Goal: newlines in the text are followed by a tab (PN-06). Method: a text that looks like one. */
    test_spawn("panics_with_newlines", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "panic: one\n\tgoroutine 9 [running]:\n\tthree\n");
    CHECK_STR_HAS(result.err, "\n\ngoroutine 1 [running]:");
}

static char long_text[3000];

static void panics_at_length(void *arg)
{
    (void)arg;
    memset(long_text, 'p', sizeof(long_text) - 1);
    weft_panic("%s", long_text);
}

CHILD(panics_with_long_text)
{
    run_in_goroutine(panics_at_length);
}

TEST(a_long_panic_text_is_safe)
{
    /* Goal: a text of any length neither overruns nor hides the report. Method: 3000 letters on a
     * goroutine's stack; the first 200 must come out. */
    char begin[200];
    memset(begin, 'p', sizeof(begin));
    begin[sizeof(begin) - 1] = '\0';
    test_spawn("panics_with_long_text", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, begin);
    CHECK_STR_HAS(result.err, "[running]:");
}

static atomic_int at_the_line;

static void panics_together(void *arg)
{
    int n = test_procs(2) > 2 ? 2 : test_procs(2);
    (void)arg;
    atomic_fetch_add(&at_the_line, 1);
    TEST_COMPUTE_UNTIL(atomic_load(&at_the_line) >= n);
    weft_panic("together");
}

static void start_two(void *arg)
{
    static weft_priv_gate never;
    CHECK_EQ(weft_go(panics_together, arg), 0);
    CHECK_EQ(weft_go(panics_together, arg), 0);
    weft_priv_gate_wait(&never);
}

CHILD(two_panics)
{
    test_run(start_two, NULL);
}

TEST(two_panics_make_one_report)
{
    /* Goal: goroutines that panic at once give one whole report and one exit (PN-13).
     * Method: two that start together; count the reports. Ten times. */
    for (int i = 0; i < 10; i++) {
        test_spawn("two_panics", &result);
        CHECK_EXITED(&result, 2);
        int reports = 0;
        for (const char *at = result.err; (at = strstr(at, "panic: together")) != NULL; at++)
            reports++;
        CHECK_EQ(reports, 1);
        CHECK_EQ(strncmp(result.err, "panic: together\n\ngoroutine ", 27), 0);
    }
}

static void hears_of_fatal(const char *text)
{
    say("heard: ");
    say(text);
}

CHILD(panics_with_listener)
{
    weft_config config = {.maxprocs = test_procs(2), .on_fatal = hears_of_fatal};
    test_run_config(panics, NULL, &config);
}

TEST(on_fatal_takes_the_report)
{
    /* Goal: config.on_fatal gets the report, stderr doesn't; the status stays 2. Method: one that
     * prints to stdout. */
    test_spawn("panics_with_listener", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.out, "heard: panic: value 42 of many\n\ngoroutine 1 [running]:");
    CHECK(!strstr(result.err, "panic:"));
    CHECK(!strstr(result.err, "survived"));
}

/* ---- goexit ---- */

CHILD(goexit_on_thread)
{
    WEFT_DEFER(say_arg, "deferred\n");
    weft_goexit();
}

static void *goexit_in_section(void *arg)
{
    (void)arg;
    weft_goexit();
}

static void goexit_in_blocking(void *arg)
{
    weft_blocking(goexit_in_section, arg);
    survived();
}

CHILD(goexit_in_blocking)
{
    test_run(goexit_in_blocking, NULL);
}

TEST(goexit_on_a_foreign_thread_is_fatal)
{
    /* Goal: there is no goroutine to end: fatal, status 2, no deferred calls (GO-25). Method: the first
     * thread without a run; a function in a blocking section. */
    static const char text[] = "weft_goexit on a thread that is no goroutine";
    check_fatal("goexit_on_thread", text, "foreign thread:\n", &result);
    CHECK_STR_EQ(result.out, "");
    check_fatal("goexit_in_blocking", text, "foreign thread:\n", &result);
}

static void outlives_main(void *arg)
{
    (void)arg;
    for (int i = 0; i < 1000; i++)
        weft_yield();
    weft_sleep(TEST_MS);
    TEST_UNTIL(weft_num_goroutine() == 1); /* main may be slow on its own processor */
    say("others ran\n");
    _exit(7);
}

static void main_goexits(void *arg)
{
    WEFT_DEFER(say_arg, "main deferred\n");
    CHECK_EQ(weft_go(outlives_main, arg), 0);
    weft_goexit();
}

CHILD(main_goexits)
{
    test_run(main_goexits, NULL);
    survived();
}

TEST(goexit_in_main_lets_others_run)
{
    /* Goal: main ended by goexit does not end the run (GO-19). Method: another goroutine yields,
     * sleeps and ends the process with a status of its own. */
    test_spawn("main_goexits", &result);
    CHECK_EXITED(&result, 7);
    CHECK_STR_EQ(result.out, "main deferred\nothers ran\n");
}

static atomic_int at_the_end;

static void ends_with_the_others(void *arg)
{
    (void)arg;
    atomic_fetch_sub(&at_the_end, 1);
    for (int i = 0; i < 1000 && atomic_load(&at_the_end) > 0; i++)
        weft_yield();
}

static void main_goexits_before_all_end(void *arg)
{
    atomic_store(&at_the_end, 8);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(weft_go(ends_with_the_others, arg), 0);
    weft_goexit();
}

CHILD(nobody_is_left)
{
    test_run(main_goexits_before_all_end, NULL);
    survived();
}

TEST(goexit_in_main_is_fatal_when_all_have_ended)
{
    /* Goal: after weft_goexit in main the end of the last goroutine is Go's fatal error, whichever ends
     * last. The story: of two that ended at once on two Ps neither saw the other's end, and the process
     * hung. Method: 8 that end together, several times. */
    for (int i = 0; i < 10; i++) {
        test_spawn("nobody_is_left", &result);
        CHECK_EXITED(&result, 2);
        CHECK_STR_HAS(result.err,
                      "fatal error: no goroutines (main called runtime.Goexit) - deadlock!");
    }
}

/* ---- goroutines that don't stop ---- */

static atomic_bool spinning, release;

static void spins(void *arg)
{
    (void)arg;
    atomic_store(&spinning, true);
    while (!atomic_load(&release))
        ;
    weft_yield();
    say("went on\n");
}

static void start_spinner(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go_with(&(weft_go_options){.name = "the spinner"}, spins, NULL), 0);
    TEST_UNTIL(atomic_load(&spinning));
}

static void nothing(void *arg)
{
    (void)arg;
}

CHILD(leaves_a_spinner)
{
    weft_config config = {.maxprocs = 2, .stop_ns = 50 * TEST_MS};
    int64_t begin = test_now();
    CHECK_EQ(test_run_config(start_spinner, NULL, &config), -ETIMEDOUT);
    CHECK_GE(test_now() - begin, 50 * TEST_MS);
    CHECK_EQ(test_run(nothing, NULL), 0);
    atomic_store(&release, true);
    CHECK_EQ(test_run(nothing, NULL), 0);
    for (int i = 0; i < 1000; i++)
        sched_yield();
    CHECK_EQ(test_run(nothing, NULL), 0);
    say("runs went on\n");
}

TEST(a_goroutine_that_does_not_stop_is_left)
{
    /* Goal: a goroutine that computes beyond config.stop_ns makes weft_run give -ETIMEDOUT, is named on
     * stderr and left alone; further runs work, and it ends at its next weft call. Method: one that
     * spins until the next run is over. */
    test_spawn("leaves_a_spinner", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_HAS(result.err, "the spinner");
    CHECK_STR_EQ(result.out, "runs went on\n");
}

/* ---- threads ---- */

/* ---- what is still in use ---- */

static void acquires(void *ctx)
{
    weft_sem none = {0};
    weft_sem_acquire_ctx(&none, 1, ctx);
    survived();
}

static void gives_last_reference_up(void *arg)
{
    weft_ctx *ctx = weft_ctx_with_cancel(NULL);
    (void)arg;
    CHECK_EQ(weft_go(acquires, ctx), 0);
    test_until_parked(1);
    weft_ctx_unref(ctx);
    survived();
}

CHILD(gives_last_reference_up)
{
    test_run(gives_last_reference_up, NULL);
}

TEST(a_wait_needs_its_context)
{
    /* Goal: the wait holds no reference; who drops the last one under it is told so, and where. */
    check_fatal("gives_last_reference_up", "weft: context freed while in use", "goroutine 1 ",
                &result);
}

#ifdef WEFT_TEST_BUILD /* elsewhere it takes 16384 threads */
static void *sleeps_long(void *arg)
{
    sleep(100);
    return arg;
}

static void blocks_long(void *arg)
{
    weft_blocking(sleeps_long, arg);
}

static void blocks_too_often(void *arg)
{
    for (int i = 0; i < 600; i++)
        CHECK_EQ(weft_go(blocks_long, arg), 0);
    for (;;)
        weft_yield();
}

CHILD(runs_out_of_threads)
{
    test_run(blocks_too_often, NULL);
    survived();
}

TEST(too_many_blocking_functions_end_the_process)
{
    /* Goal: more functions in weft_blocking than there can be threads are a fatal error, as in Go, not a
     * hang (GO-24). Method: 600 where there are 512 threads at most. */
    /* A thread without a goroutine may be the one who needs another. */
    check_fatal("runs_out_of_threads", "thread exhaustion: too many functions block", "", &result);
}
#endif
