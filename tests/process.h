/* SPDX-License-Identifier: Apache-2.0
 * process.h - what tests ask of their process, and children of it: CHILD() in test.h. */
#ifndef WEFT_TEST_PROCESS_H
#define WEFT_TEST_PROCESS_H

#include "check.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/wait.h>
#include <weft/go.h>

/* id: its entry in /proc/self/task. */
TEST_UNUSED static bool test_thread_is_named(const char *id, const char *name)
{
    char path[64], text[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", id);
    FILE *f = fopen(path, "re");
    bool read = f && fgets(text, sizeof text, f);
    if (f)
        fclose(f);
    text[strcspn(text, "\n")] = 0;
    return read && strcmp(text, name) == 0;
}

TEST_UNUSED static int test_threads_named(const char *name)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/task");
    REQUIRE(dir);
    for (struct dirent *e; (e = readdir(dir));)
        n += test_thread_is_named(e->d_name, name);
    closedir(dir);
    return n;
}

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

/* The same of a copy of this program, which isn't where its rpath counts from. */
TEST_UNUSED static void test_spawn_copy(const char *copy, const char *name,
                                        struct test_result *result)
{
    char library[4096];
    Dl_info weft;
    REQUIRE(dladdr((void *)(uintptr_t)weft_run, &weft) != 0);
    snprintf(library, sizeof(library), "%.*s", (int)(strrchr(weft.dli_fname, '/') - weft.dli_fname),
             weft.dli_fname);
    setenv("LD_LIBRARY_PATH", library, 1);
    test_spawn_file(copy, name, result);
    unsetenv("LD_LIBRARY_PATH");
}

#endif
