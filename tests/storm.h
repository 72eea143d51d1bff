/* SPDX-License-Identifier: Apache-2.0
 * storm.h - a storm of signals over a test program (see test.h): a process of its own, so that the one under
 * test has no thread more, sends one to each of its threads every 100 us.
 *
 * WEFT_TEST_STORM=restart: system calls go on by themselves; =interrupt: they end with EINTR. */
#ifndef WEFT_TEST_STORM_H
#define WEFT_TEST_STORM_H

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t test_gusts_; /* signals seen, some lost */
static pid_t test_storm_;

static void test_on_gust(int signal_number)
{
    (void)signal_number;
    test_gusts_ = test_gusts_ + 1;
}

_Noreturn static void test_blow(pid_t target)
{
    char path[64];
    struct timespec pause = {.tv_nsec = 100000};
    snprintf(path, sizeof(path), "/proc/%d/task", (int)target);
    while (getppid() == target) {
        DIR *dir = opendir(path);
        for (struct dirent *entry; dir && (entry = readdir(dir)) != NULL;)
            if (atoi(entry->d_name) > 0)
                syscall(SYS_tgkill, target, atoi(entry->d_name), SIGURG);
        if (dir)
            closedir(dir);
        nanosleep(&pause, NULL);
    }
    _exit(0);
}

static void test_storm_begin(void)
{
    const char *kind = getenv("WEFT_TEST_STORM");
    if (!kind)
        return;
    struct sigaction action = {.sa_handler = test_on_gust,
                               .sa_flags = strcmp(kind, "restart") == 0 ? SA_RESTART : 0};
    sigaction(SIGURG, &action, NULL);
    pid_t self = getpid();
    test_storm_ = fork();
    if (test_storm_ == 0)
        test_blow(self);
    while (test_storm_ > 0 && test_gusts_ == 0)
        sched_yield();
}

static void test_storm_end(void)
{
    if (test_storm_ <= 0)
        return;
    kill(test_storm_, SIGKILL);
    while (waitpid(test_storm_, NULL, 0) < 0 && errno == EINTR)
        ;
    fprintf(stderr, "    %d signals or more\n", (int)test_gusts_);
}

#endif
