/* SPDX-License-Identifier: Apache-2.0
 * inject.c - each call that can fail is made to fail (WEFT_FAIL=n, n = 1, 2, ...), for a number of small
 * programs, until a run passes without a failure. Each n has a process of its own, which runs its
 * program, in which something fails, and again, when nothing does any more.
 *
 * What may come of a failure:
 *   - nothing: weft has done without it;
 *   - an error from the call that documents it: -ENOMEM, from weft_run -EAGAIN too, NULL from weft_alloc;
 *   - a fatal error with status 2, where the failing call can't give an error: the stack that a
 *     goroutine gets when it first runs; what a foreign thread needs to wait or to defer; what a select, or a
 *     channel operation with a deadline, needs to wait; what a timer needs that somebody waits for, or that is
 *     reset.
 * After the first two the next run is as good as new, and nothing is leaked (ASan, Valgrind). */
#include "programs.h"

#include <sys/mman.h>

enum verdict { NOTHING, ERROR, FATAL, BAD };

static const char *const fatal_texts[] = {
    "fatal error: out of memory: no stack for a goroutine\n",
    "fatal error: out of memory: a foreign thread can't wait\n",
    "fatal error: out of memory: no record for a foreign thread\n",
    "fatal error: out of memory: a select can't wait\n",
    "fatal error: out of memory: a select can't wait until a deadline\n",
    "fatal error: out of memory: a timer can't be set\n",
    "fatal error: out of memory: a timer's function can't be started\n",
    "fatal error: out of memory: a context's function can't be started\n",
    "fatal error: no thread to be had for goroutines that wait beside a blocking section\n",
};

static int log_fd; /* what the child writes to stderr */

static int new_log(void)
{
    int fd = memfd_create("stderr", MFD_CLOEXEC);
    REQUIRE(fd >= 0 && fcntl(fd, F_SETFL, O_APPEND) == 0);
    return fd;
}

/* Whether weft has said that it made something fail, since the last time. */
static bool has_failed(void)
{
    static off_t seen;
    char text[8192] = "";
    ssize_t got = pread(log_fd, text, sizeof text - 1, seen);
    seen += got > 0 ? got : 0;
    return strstr(text, "WEFT_FAIL: ");
}

/* How the child exits; 2 is a fatal error. END: n was too high, nothing failed. */
enum { STATUS_NOTHING = 10, STATUS_ERROR, STATUS_BAD, STATUS_END };

static int run_one_child(const struct program *program, bool persistent)
{
    alarm(test_instrumented() ? 240 : 60);
    for (int attempt = 0; attempt < 2; attempt++) {
        int rc = program_run(program);
        bool refused = rc != 0 || program_refused() > 0;
        if (test_failures_ || (rc && rc != -ENOMEM && rc != -EAGAIN)) {
            FAIL("weft_run gave %d", rc);
            return STATUS_BAD;
        }
        if (has_failed()) {
            int again = persistent ? 0 : program_run(program);
            if (again || test_failures_ || (!persistent && program_refused())) {
                FAIL("the next run gave %d, %d calls were refused", again, program_refused());
                return STATUS_BAD;
            }
            return refused ? STATUS_ERROR : STATUS_NOTHING;
        }
        if (refused) {
            FAIL("without a failure weft_run gave %d, %d calls were refused", rc,
                 program_refused());
            return STATUS_BAD;
        }
    }
    return STATUS_END;
}

static bool is_known_fatal(const char *text)
{
    if (strstr(text, "weft: on_fatal faulted\n")) /* or the report itself */
        return false;
    for (size_t i = 0; i < TEST_COUNT_OF(fatal_texts); i++)
        if (strstr(text, fatal_texts[i]))
            return true;
    return false;
}

/* Run the program with $WEFT_FAIL. False: nothing failed any more. */
static bool run_one(const struct program *program, const char *setting, int counts[4])
{
    log_fd = new_log();
    fflush(stderr);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(log_fd, STDERR_FILENO);
        setenv("WEFT_FAIL", setting, 1);
        atomic_store(&test_failures_, 0);
        exit(run_one_child(program, strchr(setting, '+')));
    }
    int status = 0;
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    static char text[65536];
    ssize_t got = pread(log_fd, text, sizeof text - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    close(log_fd);
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    enum verdict verdict = code == STATUS_NOTHING              ? NOTHING
                           : code == STATUS_ERROR              ? ERROR
                           : code == 2 && is_known_fatal(text) ? FATAL
                                                               : BAD;
    if (code == STATUS_END)
        return false;
    counts[verdict]++;
    if (verdict == BAD)
        FAIL("%s, WEFT_FAIL=%s: status %d\n%.3000s", program->name, setting, code, text);
    return true;
}

static void walk(const char *suffix)
{
    unsigned patience = (unsigned)test_env("WEFT_TEST_TIMEOUT", test_slowness() > 1 ? 600 : 120);
    int step = test_env("WEFT_TEST_QUICK", 0) || TEST_TSAN ? 7 : 1;
    for (const struct program *program = programs; program->name; program++) {
        int counts[4] = {0};
        char setting[64];
        int64_t begin = test_now();
        test_note_ = program->name;
        test_watchdog(patience); /* for each of them, not for all */
        for (int n = 1;; n += step) {
            snprintf(setting, sizeof setting, "%d%s", n, suffix);
            if (!run_one(program, setting, counts) || counts[BAD] > 2)
                break;
        }
        fprintf(stderr, "    %-14s %3d without effect, %3d errors, %3d fatal (%.1f s)\n",
                program->name, counts[NOTHING], counts[ERROR], counts[FATAL],
                (double)(test_now() - begin) / 1e9);
        CHECK_GT(counts[NOTHING] + counts[ERROR] + counts[FATAL], 0);
    }
}

TEST(any_one_call_fails)
{
    /* Goal: a failing call gives a clear error, and weft goes on. Method: see above. */
    walk("");
}

TEST(all_calls_from_one_on_fail)
{
    /* Goal: the same for what is exhausted and stays so: no crash, no hang. Method: WEFT_FAIL=n+. */
    walk("+");
}

TEST(no_threads_from_one_on)
{
    /* Goal: no hang when only threads are exhausted. Method: WEFT_FAIL=n+:thread. */
    walk("+:thread");
}

static void panics_inside(void *arg)
{
    (void)arg;
    weft_panic("inner");
}

static void panics_twice(void *arg)
{
    WEFT_DEFER(panics_inside, arg);
    weft_panic("outer");
}

/* What stderr says of it with the nth call failing; false: none failed. */
static bool panic_without_memory(int n, char *text, size_t bytes)
{
    char setting[32];
    int status = 0, fd = new_log();
    snprintf(setting, sizeof setting, "%d:map", n);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd, STDERR_FILENO);
        setenv("WEFT_FAIL", setting, 1);
        exit(test_run(panics_twice, NULL) == -ENOMEM ? STATUS_ERROR : STATUS_BAD);
    }
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    ssize_t got = pread(fd, text, bytes - 1, 0);
    text[got > 0 ? got : 0] = '\0';
    close(fd);
    if (!WIFEXITED(status) || (WEXITSTATUS(status) != 2 && WEXITSTATUS(status) != STATUS_ERROR))
        FAIL("%s: status %#x\n%.3000s", setting, (unsigned)status, text);
    else if (WEXITSTATUS(status) == 2 && !strstr(text, "panic: inner\n") && !is_known_fatal(text))
        FAIL("%s: no panic is told\n%.3000s", setting, text);
    return strstr(text, "WEFT_FAIL: ");
}

TEST(a_chain_of_panics_is_cut_short_without_memory)
{
    /* Goal: the report of a panic in a deferred call has the last one at least. Method: each place fails; at one of them
     * the panic before is left out, without a failure it isn't. Which place comes when differs from run to run, as threads are
     * started meanwhile: so there are several walks, if need be. */
    static char text[65536];
    int cut = 0, whole = 0;
    for (int walks = 0; walks < 20 && !cut; walks++) {
        bool failed = true;
        for (int n = 1; failed; n++) {
            failed = panic_without_memory(n, text, sizeof text);
            cut += strstr(text, "panic: inner\n") && !strstr(text, "panic: outer\n");
            whole += strstr(text, "panic: outer\n\tpanic: inner\n") != NULL;
        }
    }
    CHECK_GT(cut, 0);
    CHECK_GT(whole, 0);
}

static void count_child(void)
{
    setenv("WEFT_FAIL", "count", 1);
    program_run(&programs[0]);
}

TEST(count)
{
    /* Goal: WEFT_FAIL=count tells how far to walk, and fails nothing. Method: compare with a walk. */
    int counts[4] = {0};
    char setting[16], text[4096] = "";
    int status = 0, fd = new_log();
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fd, STDERR_FILENO);
        count_child();
        exit(0);
    }
    REQUIRE(pid > 0 && waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    REQUIRE(pread(fd, text, sizeof text - 1, 0) > 0);
    close(fd);
    const char *counted = strstr(text, "WEFT_FAIL: ");
    REQUIRE(counted);
    int places = atoi(counted + strlen("WEFT_FAIL: "));
    CHECK_GT(places, 10);
    snprintf(setting, sizeof setting, "%d", places / 2); /* by some a run differs from the next */
    CHECK(run_one(&programs[0], setting, counts));
    CHECK_EQ(counts[NOTHING] + counts[ERROR] + counts[FATAL], 1);
    snprintf(setting, sizeof setting, "%d", places * 4);
    CHECK(!run_one(&programs[0], setting, counts));
}
