/* SPDX-License-Identifier: Apache-2.0
 * child.c - processes that goroutines start with fork and exec, while others run. */
#include "../test.h"

#include <sys/prctl.h>

extern char **environ;

/* What a program inherits: CPUs, timer slack, blocked signals, open files. */
CHILD(report)
{
    cpu_set_t set;
    sigset_t blocked;
    REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
    REQUIRE(sigprocmask(SIG_SETMASK, NULL, &blocked) == 0);
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &set))
            printf("cpu %d, ", i);
    printf("slack %d, ", prctl(PR_GET_TIMERSLACK));
    for (int i = 1; i < 32; i++)
        if (sigismember(&blocked, i))
            printf("signal %d, ", i);
    for (int i = 0; i < 1024; i++)
        if (fcntl(i, F_GETFD) >= 0)
            printf("file %d, ", i);
}

struct child {
    char report[512];
    int pipe[2];
    pid_t pid;
    int status;
    bool in_section;
    const char *expected;
};

static char self[4096];

static void *fork_report(void *arg)
{
    struct child *c = arg;
    char *argv[] = {self, (char *)"--child", (char *)"report", NULL};
    c->pid = fork();
    if (c->pid == 0) {
        dup2(c->pipe[1], STDOUT_FILENO);
        execve(self, argv, environ);
        _exit(98);
    }
    return arg;
}

static void *collect(void *arg)
{
    struct child *c = arg;
    size_t used = 0;
    ssize_t got;
    close(c->pipe[1]);
    while ((got = read(c->pipe[0], c->report + used, sizeof c->report - 1 - used)) != 0)
        used += got > 0 ? (size_t)got : 0;
    close(c->pipe[0]);
    while (waitpid(c->pid, &c->status, 0) < 0 && errno == EINTR)
        ;
    return arg;
}

static void run_child(void *arg)
{
    struct child *c = arg;
    REQUIRE(pipe2(c->pipe, O_CLOEXEC) == 0);
    if (c->in_section)
        weft_blocking(fork_report, c);
    else
        fork_report(c);
    REQUIRE(c->pid > 0);
    weft_blocking(collect, c);
    CHECK(WIFEXITED(c->status) && WEXITSTATUS(c->status) == 0);
    CHECK_STR_EQ(c->report, c->expected);
}

static atomic_bool enough;

static void *sleep_a_little(void *arg)
{
    struct timespec little = {.tv_nsec = 100000};
    nanosleep(&little, NULL);
    return arg;
}

static void keep_busy(void *arg)
{
    while (!atomic_load(&enough)) {
        weft_sleep(50000);
        weft_free(weft_alloc(1000));
        weft_blocking(sleep_a_little, arg);
    }
}

static void children(void *arg)
{
    enum { CHILDREN = 6, BUSY = 4 };
    static struct child c[CHILDREN];
    weft_waitgroup busy = {0}, all = {0};
    memset(c, 0, sizeof c);
    atomic_store(&enough, false);
    for (int i = 0; i < BUSY; i++)
        REQUIRE(weft_waitgroup_go(&busy, keep_busy, NULL) == 0);
    for (int i = 0; i < CHILDREN; i++) {
        c[i].expected = arg;
        c[i].in_section = i % 2;
        REQUIRE(weft_waitgroup_go(&all, run_child, &c[i]) == 0);
    }
    weft_waitgroup_wait(&all);
    atomic_store(&enough, true);
    weft_waitgroup_wait(&busy);
}

static void report_of_main(struct child *c)
{
    memset(c, 0, sizeof *c);
    REQUIRE(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    REQUIRE(pipe2(c->pipe, O_CLOEXEC) == 0);
    fork_report(c);
    collect(c);
    CHECK_STR_HAS(c->report, "cpu ");
}

TEST(a_child_of_a_goroutine_is_like_one_of_main)
{
    /* Goal: a program that a goroutine starts has the process's own affinity mask and timer slack, not those
     * of the thread that the goroutine ran on, and no files of weft's. Method: compare what it finds
     * with what one started before the run finds; as many processors as CPUs, so that threads are bound. */
    struct child before;
    report_of_main(&before);
    weft_config config = {.maxprocs = weft_num_cpu()};
    CHECK_EQ(test_run_config(children, before.report, &config), 0);
    CHECK_EQ(test_run(children, before.report), 0);
}

static void count_cpus(void *arg)
{
    cpu_set_t set;
    REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
    *(int *)arg = CPU_COUNT(&set);
}

TEST(threads_are_bound)
{
    /* Goal: the test above has something to find. */
    int cpus;
    weft_config config;
    count_cpus(&cpus);
    config = (weft_config){.maxprocs = cpus};
    CHECK_EQ(test_run_config(count_cpus, &cpus, &config), 0);
    CHECK_EQ(cpus, 1);
}
