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
 * What needs weft is `static inline`, so that tests of internal structures can do without the library. */
#ifndef WEFT_TEST_H
#define WEFT_TEST_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <weft/weft.h>

#include "storm.h"

#if __has_include("weft-config.h")
#include "weft-config.h"
#endif

#if defined(__SANITIZE_ADDRESS__)
#define TEST_ASAN 1
#endif
#if defined(__SANITIZE_THREAD__)
#define TEST_TSAN 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TEST_ASAN 1
#endif
#if __has_feature(thread_sanitizer)
#define TEST_TSAN 1
#endif
#endif
#ifndef TEST_ASAN
#define TEST_ASAN 0
#endif
#ifndef TEST_TSAN
#define TEST_TSAN 0
#endif

/* Reports have lines of the source. */
#ifdef WEFT_SOURCE_LINES
#define TEST_LINES 1
#else
#define TEST_LINES 0
#endif

#define TEST_MS INT64_C(1000000)
#define TEST_UNUSED __attribute__((unused))
#define TEST_NOINLINE __attribute__((noinline))
#if defined(__clang__)
#define TEST_NO_TSAN __attribute__((no_sanitize("thread")))
#else
#define TEST_NO_TSAN __attribute__((no_sanitize_thread))
#endif
#define TEST_COUNT_OF(a) (sizeof(a) / sizeof((a)[0]))

enum { TEST_EXIT_SKIP = 77 };

struct test_case {
    const char *name;
    void (*fn)(void);
    struct test_case *next;
};

static struct test_case *test_cases_, **test_cases_end_ = &test_cases_;
static struct test_case *test_children_;
static const char *test_current_ = "(none)";
static atomic_int test_failures_; /* of the test that runs */
static atomic_int test_running_;  /* inside test_run */
static bool test_skipped_;
static jmp_buf test_leave_;
static pthread_t test_thread_;
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

/* ---- what kind of run this is ---- */

TEST_UNUSED static int64_t test_env(const char *name, int64_t otherwise)
{
    const char *text = getenv(name);
    return text && *text ? strtoll(text, NULL, 10) : otherwise;
}

/* CLOCK_MONOTONIC in ns, straight from the system: weft_now() is itself under test. */
TEST_UNUSED static int64_t test_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

TEST_UNUSED static bool test_valgrind(void)
{
    const char *preload = getenv("LD_PRELOAD");
    return preload && strstr(preload, "vgpreload");
}

/* In a cross build meson names the emulator (qemu-user) that programs run under. */
static const char *test_emulator(void)
{
    const char *wrapper = getenv("MESON_EXE_WRAPPER");
    return wrapper && *wrapper ? wrapper : NULL;
}

/* Memory use says nothing here, and everything is slow. */
TEST_UNUSED static bool test_instrumented(void)
{
    return TEST_ASAN || TEST_TSAN || test_valgrind();
}

/* Resident memory is what the program uses: no tool or emulator has a share in it. */
TEST_UNUSED static bool test_rss_tells(void)
{
    return !test_instrumented() && !test_emulator();
}

/* How many times slower than a release build this may be. */
TEST_UNUSED static int test_slowness(void)
{
    int slowness = TEST_TSAN ? 10 : TEST_ASAN ? 5 : 1;
#ifdef WEFT_TEST_BUILD
    slowness *= 4;
#endif
    return test_valgrind() ? slowness * 25 : slowness;
}

/* n repetitions, fewer where they would take too long; at least one. */
TEST_UNUSED static int test_scale(int n)
{
    int scaled = n / test_slowness() / (test_env("WEFT_TEST_QUICK", 0) ? 10 : 1);
    return scaled > 0 ? scaled : 1;
}

/* n goroutines alive at once: as test_scale, and at most 2000 where TSan or Valgrind has its limits. */
TEST_UNUSED static int test_scale_goroutines(int n)
{
    int scaled = n / (test_env("WEFT_TEST_QUICK", 0) ? 10 : 1);
#ifdef WEFT_TEST_BUILD
    scaled = scaled > 20000 ? 20000 : scaled;
#endif
    return test_instrumented() && scaled > 2000 ? 2000 : scaled > 0 ? scaled : 1;
}

/* Processors under test. */
TEST_UNUSED static int test_procs(int otherwise)
{
    return (int)test_env("WEFT_TEST_PROCS", otherwise);
}

/* The same, for tests that only make sense with `least` or more. */
TEST_UNUSED static int test_procs_min(int least)
{
    int procs = test_procs(least);
    return procs > least ? procs : least;
}

/* For how long a stress test goes on. */
TEST_UNUSED static double test_seconds(void)
{
    const char *text = getenv("WEFT_TEST_SECONDS");
    return text && *text ? strtod(text, NULL) : 1.0;
}

/* A seed, printed so that a failure can be repeated: WEFT_TEST_SEED=n. */
TEST_UNUSED static uint64_t test_seed(void)
{
    uint64_t seed = (uint64_t)test_env("WEFT_TEST_SEED", 0);
    if (seed == 0)
        seed = (uint64_t)test_now() ^ ((uint64_t)getpid() << 32);
    fprintf(stderr, "    WEFT_TEST_SEED=%" PRIu64 "\n", seed);
    return seed;
}

/* The next number of a splitmix64 sequence. */
TEST_UNUSED static uint64_t test_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

/* ---- checks ---- */

/* One write a report, so that those of several threads stay apart. */
__attribute__((format(printf, 3, 4))) TEST_UNUSED static void test_fail(const char *file, int line,
                                                                        const char *format, ...)
{
    char text[1024];
    int used = snprintf(text, sizeof(text), "%s:%d: in %s: ", file, line, test_current_);
    va_list args;
    va_start(args, format);
    used += vsnprintf(text + used, sizeof(text) - (size_t)used - 1, format, args);
    va_end(args);
    used = used > (int)sizeof(text) - 2 ? (int)sizeof(text) - 2 : used;
    text[used++] = '\n';
    int failed_before = atomic_fetch_add(&test_failures_, 1);
    if (failed_before < 20 && write(STDERR_FILENO, text, (size_t)used) < 0)
        abort();
}

_Noreturn TEST_UNUSED static void test_leave(void)
{
    if (atomic_load(&test_running_) == 0 && pthread_equal(pthread_self(), test_thread_))
        longjmp(test_leave_, 1);
    _exit(1);
}

#define CHECK(cond) ((cond) ? (void)0 : test_fail(__FILE__, __LINE__, "%s does not hold", #cond))
#define REQUIRE(cond)                                                                              \
    ((cond) ? (void)0 : (test_fail(__FILE__, __LINE__, "%s does not hold", #cond), test_leave()))
#define FAIL(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* Takes the expressions as text too: as arguments of a further macro they would be expanded first. */
#define CHECK_COMPARE_(a, op, b, a_text, b_text)                                                   \
    do {                                                                                           \
        intmax_t a_ = (intmax_t)(a), b_ = (intmax_t)(b);                                           \
        if (!(a_ op b_))                                                                           \
            test_fail(__FILE__, __LINE__, "%s " #op " %s does not hold: %jd, %jd", a_text, b_text, \
                      a_, b_);                                                                     \
    } while (0)
#define CHECK_EQ(a, b) CHECK_COMPARE_(a, ==, b, #a, #b)
#define CHECK_NE(a, b) CHECK_COMPARE_(a, !=, b, #a, #b)
#define CHECK_LT(a, b) CHECK_COMPARE_(a, <, b, #a, #b)
#define CHECK_LE(a, b) CHECK_COMPARE_(a, <=, b, #a, #b)
#define CHECK_GT(a, b) CHECK_COMPARE_(a, >, b, #a, #b)
#define CHECK_GE(a, b) CHECK_COMPARE_(a, >=, b, #a, #b)
#define CHECK_PTR_EQ(a, b)                                                                         \
    do {                                                                                           \
        const void *a_ = (a), *b_ = (b);                                                           \
        if (a_ != b_)                                                                              \
            test_fail(__FILE__, __LINE__, "%s == %s does not hold: %p, %p", #a, #b, a_, b_);       \
    } while (0)
#define CHECK_STR_EQ(a, b)                                                                         \
    do {                                                                                           \
        const char *a_ = (a), *b_ = (b);                                                           \
        if (!a_ || !b_ || strcmp(a_, b_) != 0)                                                     \
            test_fail(__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #a, a_ ? a_ : "(null)",      \
                      b_ ? b_ : "(null)");                                                         \
    } while (0)
#define CHECK_STR_HAS(text, part)                                                                  \
    do {                                                                                           \
        const char *text_ = (text), *part_ = (part);                                               \
        if (!text_ || !strstr(text_, part_))                                                       \
            test_fail(__FILE__, __LINE__, "%s lacks \"%s\": \"%.300s\"", #text, part_,             \
                      text_ ? text_ : "(null)");                                                   \
    } while (0)

#define SKIP(reason)                                                                               \
    do {                                                                                           \
        fprintf(stderr, "    skipped: %s\n", (reason));                                            \
        test_skipped_ = true;                                                                      \
        return;                                                                                    \
    } while (0)

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

/* weft_run with a configuration; gives what weft_run gives. */
static inline int test_run_config(weft_fn fn, void *arg, const weft_config *config)
{
    test_dump_ = test_dump_stats;
    atomic_fetch_add(&test_running_, 1);
    int result = weft_run(fn, arg, config);
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

/* ---- the process ---- */

/* Entries of a directory, e.g. /proc/self/task, /proc/self/fd (without the one that reads it). */
TEST_UNUSED static int test_entries(const char *path)
{
    DIR *dir = opendir(path);
    int entries = 0;
    if (!dir)
        return -1;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        entries += entry->d_name[0] != '.' && atoi(entry->d_name) != dirfd(dir);
    closedir(dir);
    return entries;
}

/* Resident memory in KiB. */
TEST_UNUSED static long test_rss_kib(void)
{
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    long pages = 0;
    if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0)
        sscanf(text, "%*s %ld", &pages);
    if (fd >= 0)
        close(fd);
    return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

/* read(2) that goes on after a signal. */
TEST_UNUSED static ssize_t test_read(int fd, void *buf, size_t n)
{
    ssize_t got;
    while ((got = read(fd, buf, n)) < 0 && errno == EINTR)
        ;
    return got;
}

/* What a child process did. */
struct test_result {
    int status; /* of waitpid */
    char out[8192];
    char err[65536];
};

#define CHECK_EXITED(result, code)                                                                 \
    do {                                                                                           \
        int status_ = (result)->status;                                                            \
        if (!WIFEXITED(status_) || WEXITSTATUS(status_) != (code))                                 \
            test_fail(__FILE__, __LINE__, "%s %d, not exit status %d; stderr: \"%.300s\"",         \
                      WIFEXITED(status_) ? "exit status" : "signal",                               \
                      WIFEXITED(status_) ? WEXITSTATUS(status_) : WTERMSIG(status_), (code),       \
                      (result)->err);                                                              \
    } while (0)

/* Run CHILD(name) of the program in a file in a process of its own; its whole output and its status go to
 * *result. */
TEST_UNUSED static void test_spawn_file(const char *file, const char *name,
                                        struct test_result *result)
{
    extern char **environ;
    int out[2], err[2];
    pid_t pid;
    posix_spawn_file_actions_t actions;

    memset(result, 0, sizeof(*result));
    REQUIRE(pipe2(out, O_CLOEXEC) == 0 && pipe2(err, O_CLOEXEC) == 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err[1], STDERR_FILENO);
    char emulator[4096], *argv[16], **end = argv;
    snprintf(emulator, sizeof(emulator), "%s", test_emulator() ? test_emulator() : "");
    for (char *rest, *word = strtok_r(emulator, " ", &rest); word;
         word = strtok_r(NULL, " ", &rest)) {
        REQUIRE(end - argv < (ptrdiff_t)TEST_COUNT_OF(argv) - 4);
        *end++ = word;
    }
    *end++ = (char *)file;
    *end++ = (char *)"--child";
    *end++ = (char *)name;
    *end = NULL;
    REQUIRE(posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);

    struct pollfd fds[2] = {{.fd = out[0], .events = POLLIN}, {.fd = err[0], .events = POLLIN}};
    char *texts[2] = {result->out, result->err};
    size_t sizes[2] = {sizeof(result->out), sizeof(result->err)}, used[2] = {0, 0};
    while (fds[0].fd >= 0 || fds[1].fd >= 0) {
        if (poll(fds, 2, -1) < 0)
            continue;
        for (int i = 0; i < 2; i++) {
            char spill[512];
            bool room = used[i] + 1 < sizes[i];
            if (fds[i].fd < 0 || !fds[i].revents)
                continue;
            ssize_t got = test_read(fds[i].fd, room ? texts[i] + used[i] : spill,
                                    room ? sizes[i] - used[i] - 1 : sizeof(spill));
            if (got <= 0)
                fds[i].fd = -1;
            else if (room)
                used[i] += (size_t)got;
        }
    }
    close(out[0]);
    close(err[0]);
    while (waitpid(pid, &result->status, 0) < 0 && errno == EINTR)
        ;
}

/* The same in this program's own file. */
TEST_UNUSED static void test_spawn(const char *name, struct test_result *result)
{
    char self[4096] = "";
    REQUIRE(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
    test_spawn_file(self, name, result);
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
