/* SPDX-License-Identifier: Apache-2.0
 * run_empty: weft_run of an empty main, warm.
 * hello: a whole process that prints one line, from posix_spawn until it is gone and its line is read.
 * The program is $WEFT_BENCH_HELLO, so that a peer's is timed by the same code; else weft-hello in the
 * folder of this program. */
#include "bench/harness.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void empty_main(void *arg)
{
    ++*(int64_t *)arg;
}

static int64_t run_empty_row(struct bench *bench, int64_t iterations)
{
    int64_t ran = 0;
    int64_t begin = weft_now();
    for (int64_t i = 0; i < iterations; i++) {
        int error = weft_run(empty_main, &ran, NULL);
        if (error) {
            bench_fail(bench, "weft_run: %s", strerror(-error));
            return 0;
        }
    }
    int64_t elapsed_ns = weft_now() - begin;
    if (ran != iterations) {
        bench_fail(bench, "main ran %lld times, not %lld", (long long)ran, (long long)iterations);
    }
    return elapsed_ns;
}

static const char *hello_path(void)
{
    static char path[PATH_MAX];
    const char *named = getenv("WEFT_BENCH_HELLO");
    if (named && *named) {
        return named;
    }
    ssize_t length = readlink("/proc/self/exe", path, sizeof(path) - sizeof("weft-hello"));
    if (length < 0) {
        return "weft-hello";
    }
    path[length] = '\0';
    strcpy(strrchr(path, '/') + 1, "weft-hello");
    return path;
}

/* Read until the other end is closed; how many bytes came, of which text keeps the first size. */
static size_t read_all(int fd, char *text, size_t size)
{
    size_t length = 0;
    char surplus[64];
    for (;;) {
        bool full = length >= size;
        ssize_t n =
            full ? read(fd, surplus, sizeof(surplus)) : read(fd, text + length, size - length);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return length;
        }
        length += (size_t)n;
    }
}

/* One process from start to end; its wait status in *status. 0, or a positive errno. */
static int spawn_and_wait(const char *path, char *text, size_t size, size_t *length, int *status)
{
    extern char **environ;
    char *const argv[] = {(char *)path, NULL};
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) {
        return errno;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    pid_t pid;
    int error = posix_spawn(&pid, path, &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (!error) {
        *length = read_all(ends[0], text, size);
        while (waitpid(pid, status, 0) < 0 && errno == EINTR) {
        }
    }
    close(ends[0]);
    return error;
}

static int64_t hello_row(struct bench *bench, int64_t iterations)
{
    static const char line[] = "hello\n";
    const char *path = hello_path();
    int64_t begin = weft_now();
    for (int64_t i = 0; i < iterations; i++) {
        char text[sizeof(line) - 1];
        size_t length = 0;
        int status = 0;
        int error = spawn_and_wait(path, text, sizeof(text), &length, &status);
        if (error) {
            bench_fail(bench, "%s: %s", path, strerror(error));
            return 0;
        }
        if (status != 0) {
            bench_fail(bench, "%s: %s %d", path, WIFSIGNALED(status) ? "signal" : "exit status",
                       WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
            return 0;
        }
        if (length != sizeof(text) || memcmp(text, line, sizeof(text)) != 0) {
            bench_fail(bench, "%s printed something else", path);
            return 0;
        }
    }
    return weft_now() - begin;
}

void add_process_rows(void)
{
    static const struct bench_row run_empty = {
        .name = "run_empty", .body = run_empty_row, .warmup = 20};
    static const struct bench_row hello = {.name = "hello", .body = hello_row, .warmup = 3};
    bench_add(&run_empty);
    bench_add(&hello);
}
