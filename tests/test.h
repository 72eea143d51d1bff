/* SPDX-License-Identifier: Apache-2.0
 * test.h - the harness of weft's own tests; a test program includes it once and has no main of its own.
 *
 *   TEST(name) { ... }      registers itself; the program runs all tests, or those named in argv
 *   CHILD(name) { ... }     a body for test_spawn(name), which runs it in a process of its own
 *   CHECK..., REQUIRE       a failed CHECK is counted and the test goes on; a failed REQUIRE ends the
 *                           test, or the whole program when weft runs (no frame can be left then)
 *   SKIP(reason)            counts the test as skipped and leaves it
 * Exit status: 0 all passed, 1 some failed, 77 all skipped. CHECKs may be made on any thread.
 *
 * Environment: WEFT_TEST_PROCS (processors under test), WEFT_TEST_QUICK=1 (a tenth of the work),
 * WEFT_TEST_SECONDS (length of a stress test), WEFT_TEST_SEED, WEFT_TEST_TIMEOUT (seconds a test),
 * WEFT_TEST_STORM=restart|interrupt (a signal to every thread each 100 us).
 *
 * What needs weft is `static inline`, so that tests of internal structures can do without the library.
 * Its parts, which nobody else includes: kind.h (of the run: tools, processors, amount of work, seed), check.h, process.h
 * (what it uses, and test_spawn), storm.h (of signals). */
#ifndef WEFT_TEST_H
#define WEFT_TEST_H

#include "check.h"
#include "kind.h"
#include "process.h"
#include "storm.h"

#include <sched.h>
#include <signal.h>
#include <time.h>
#include <weft/weft.h>

enum { TEST_EXIT_SKIP = 77 };

struct test_case {
    const char *name;
    void (*fn)(void);
    struct test_case *next;
};

static struct test_case *test_cases_, **test_cases_end_ = &test_cases_;
static struct test_case *test_children_;
static void (*volatile test_dump_)(void); /* prints the runtime's state, once weft is in use */
static const char *volatile test_note_;   /* what a test of many parts is at, for the watchdog */

#define TEST(name_)                                                                                \
    static void test_##name_(void);                                                                \
    static struct test_case test_case_##name_ = {#name_, test_##name_, NULL};                      \
    __attribute__((constructor)) static void test_register_##name_(void)                           \
    {                                                                                              \
        *test_cases_end_ = &test_case_##name_;                                                     \
        test_cases_end_ = &test_case_##name_.next;                                                 \
    }                                                                                              \
    static void test_##name_(void)

#define CHILD(name_)                                                                               \
    static void child_##name_(void);                                                               \
    static struct test_case child_case_##name_ = {#name_, child_##name_, NULL};                    \
    __attribute__((constructor)) static void child_register_##name_(void)                          \
    {                                                                                              \
        child_case_##name_.next = test_children_;                                                  \
        test_children_ = &child_case_##name_;                                                      \
    }                                                                                              \
    static void child_##name_(void)

/* ---- running weft ---- */

static inline void test_dump_stats(void)
{
    weft_stats s;
    char text[512];
    weft_stats_read(&s);
    int used =
        snprintf(text, sizeof(text),
                 "    stats: goroutines %" PRIu64 " runnable %" PRIu64 " parked %" PRIu64
                 " in_blocking %" PRIu64 " threads %" PRIu64 " procs %" PRIu64 " started %" PRIu64
                 " steals %" PRIu64 " wakes %" PRIu64 " parks %" PRIu64 " timers %" PRIu64 "\n",
                 s.goroutines, s.runnable, s.parked, s.in_blocking, s.threads, s.procs, s.started,
                 s.steals, s.wakes, s.parks, s.timers);
    if (write(STDERR_FILENO, text, (size_t)used) < 0)
        abort();
}

/* weft_run with a configuration; gives what weft_run gives. Where stop_ns is left to weft it is longer than weft's: some machines
 * stop one of their CPUs for a second, now and then. */
static inline int test_run_config(weft_fn fn, void *arg, const weft_config *config)
{
    weft_config patient = config ? *config : (weft_config){0};
    patient.stop_ns = patient.stop_ns ? patient.stop_ns : 20000 * TEST_MS;
    test_dump_ = test_dump_stats;
    atomic_fetch_add(&test_running_, 1);
    int result = weft_run(fn, arg, &patient);
    atomic_fetch_sub(&test_running_, 1);
    return result;
}

/* weft_run on n processors. */
static inline int test_run_procs(int n, weft_fn fn, void *arg)
{
    weft_config config = {.maxprocs = n};
    return test_run_config(fn, arg, &config);
}

/* weft_run on the processors under test. */
static inline int test_run(weft_fn fn, void *arg)
{
    return test_run_procs(test_procs(2), fn, arg);
}

_Noreturn TEST_UNUSED static void test_stuck(const char *file, int line, const char *what)
{
    test_fail(file, line, "waited too long for: %s", what);
    if (test_dump_)
        test_dump_();
    _exit(1);
}

TEST_UNUSED static int64_t test_patience(void)
{
    return test_now() + 30000 * TEST_MS * (test_slowness() > 1 || test_emulator() ? 3 : 1);
}

/* Give way (on a foreign thread: to other threads) until cond holds; ends the program after 30 s. */
#define TEST_UNTIL(cond)                                                                           \
    do {                                                                                           \
        int64_t limit_ = test_patience();                                                          \
        while (!(cond)) {                                                                          \
            if (test_now() > limit_)                                                               \
                test_stuck(__FILE__, __LINE__, #cond);                                             \
            weft_yield();                                                                          \
        }                                                                                          \
    } while (0)

/* Compute, without calling weft, until cond holds; ends the program after 30 s. The system call now
 * and then lets other threads of a single CPU, and Valgrind, go on. */
#define TEST_COMPUTE_UNTIL(cond)                                                                   \
    do {                                                                                           \
        int64_t limit_ = test_patience();                                                          \
        for (unsigned spins_ = 1; !(cond); spins_++) {                                             \
            if (spins_ % 256 == 0)                                                                 \
                sched_yield();                                                                     \
            if (spins_ % 256 == 0 && test_now() > limit_)                                          \
                test_stuck(__FILE__, __LINE__, #cond);                                             \
        }                                                                                          \
    } while (0)

static inline weft_stats test_stats(void)
{
    weft_stats stats;
    weft_stats_read(&stats);
    return stats;
}

/* Wait until n goroutines or more are parked. */
static inline void test_until_parked(uint64_t n)
{
    TEST_UNTIL(test_stats().parked >= n);
}

/* Wait until every goroutine but the caller is parked or in a blocking section. */
static inline void test_until_idle(void)
{
    uint64_t self = weft_self() != 0;
    weft_stats stats;
    TEST_UNTIL(
        (weft_stats_read(&stats),
         stats.runnable == 0 && stats.parked + stats.in_blocking + self == stats.goroutines));
}

/* Wait until n goroutines are alive, the caller included. */
static inline void test_until_goroutines(int n)
{
    TEST_UNTIL(weft_num_goroutine() == n);
}

/* ---- main ---- */

static void test_on_alarm(int signal_number)
{
    static const char text[] = ": WATCHDOG: the test takes too long\n";
    (void)signal_number;
    const char *note = test_note_ ? test_note_ : "";
    if (write(STDERR_FILENO, test_current_, strlen(test_current_)) < 0 ||
        write(STDERR_FILENO, test_note_ ? ", " : "", test_note_ ? 2 : 0) < 0 ||
        write(STDERR_FILENO, note, strlen(note)) < 0 ||
        write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
        _exit(1);
    if (test_dump_)
        test_dump_();
    abort();
}

/* End the test in so many seconds, 0: never. TSan holds signals back from a thread that computes, so
 * a second timer kills. */
static void test_watchdog(unsigned seconds)
{
    static timer_t killer;
    static bool installed;
    if (!installed) {
        struct sigaction action = {.sa_handler = test_on_alarm,
                                   .sa_flags = SA_ONSTACK | SA_RESTART};
        struct sigevent kill = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
        sigaction(SIGALRM, &action, NULL);
        installed = timer_create(CLOCK_MONOTONIC, &kill, &killer) == 0;
    }
    alarm(seconds);
    struct itimerspec in = {.it_value.tv_sec = seconds ? seconds + 5 : 0};
    if (installed)
        timer_settime(killer, 0, &in, NULL);
}

static bool test_wanted(const char *name, int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], name) == 0)
            return true;
    return argc <= 1;
}

static int test_child(const char *name)
{
    for (struct test_case *c = test_children_; c; c = c->next) {
        if (strcmp(c->name, name) != 0)
            continue;
        test_current_ = c->name;
        c->fn();
        fflush(stdout);
        return atomic_load(&test_failures_) != 0;
    }
    fprintf(stderr, "no child %s\n", name);
    return 99;
}

int main(int argc, char **argv)
{
    volatile int passed = 0, failed = 0, skipped = 0;
    unsigned timeout = (unsigned)test_env("WEFT_TEST_TIMEOUT", test_slowness() > 1 ? 600 : 120);

    test_thread_ = pthread_self();
    test_watchdog(timeout);
    test_storm_begin();
    if (argc == 3 && strcmp(argv[1], "--child") == 0)
        return test_child(argv[2]);
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (struct test_case *t = test_cases_; t; t = t->next)
            puts(t->name);
        return 0;
    }
    for (struct test_case *t = test_cases_; t; t = t->next) {
        if (!test_wanted(t->name, argc, argv))
            continue;
        test_current_ = t->name;
        test_skipped_ = false;
        test_note_ = NULL;
        atomic_store(&test_failures_, 0);
        test_watchdog(timeout);
        int64_t begin = test_now();
        if (setjmp(test_leave_) == 0)
            t->fn();
        test_watchdog(0);
        int failures = atomic_load(&test_failures_);
        const char *verdict = failures ? "FAILED" : test_skipped_ ? "skipped" : "ok";
        failed += failures != 0;
        skipped += failures == 0 && test_skipped_;
        passed += failures == 0 && !test_skipped_;
        fprintf(stderr, "%-7s %6.2f s  %s\n", verdict, (double)(test_now() - begin) / 1e9, t->name);
    }
    test_storm_end();
    fprintf(stderr, "%d passed, %d failed, %d skipped\n", passed, failed, skipped);
    if (failed || passed + skipped == 0)
        return 1;
    return passed ? 0 : TEST_EXIT_SKIP;
}

#endif
