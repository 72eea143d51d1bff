/* SPDX-License-Identifier: Apache-2.0
 * idle.c - a runtime with nothing to do uses less than 1 % of a CPU, and its threads sleep on (GO-30). */
#include "../test.h"

#include <limits.h>
#include <sys/resource.h>

static void check_used(const char *when, int64_t cpu, int64_t wall)
{
    /* Sanitizers have threads of their own. */
    int64_t limit = wall / 100 * (test_instrumented() ? 5 : 1);
    fprintf(stderr, "    %s: %.2f ms of CPU in %.0f ms\n", when, (double)cpu / 1e6,
            (double)wall / 1e6);
    if (cpu > limit)
        FAIL("%s: %.2f ms of CPU in %.0f ms", when, (double)cpu / 1e6, (double)wall / 1e6);
}

/* How often the threads that there are have fallen asleep. */
static long sleeps(void)
{
    char path[64], line[128];
    long all = 0, n;
    DIR *dir = opendir("/proc/self/task");
    REQUIRE(dir);
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        snprintf(path, sizeof(path), "/proc/self/task/%.20s/status", e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
        while (f && fgets(line, sizeof(line), f))
            all += sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1 ? n : 0;
        if (f)
            fclose(f);
    }
    closedir(dir);
    return all;
}

/* In a second of rest: the one that counts, and sysmon, which looks for deadlocks less and less often. One thread that
 * looked every 10 ms would fall asleep 100 times. */
#define SLEEPS_MAX 10
#define SECONDS_MAX                                                                                \
    10 /* until there is such a second: sysmon must have got the CPU to find that all are idle */

/* On a thread that has no P. */
static void *rest_a_second(void *arg)
{
    struct timespec second = {.tv_sec = 1};
    long n = LONG_MAX;
    for (int i = 0; i < SECONDS_MAX && n > SLEEPS_MAX; i++) {
        long before = sleeps();
        nanosleep(&second, NULL);
        n = sleeps() - before;
        fprintf(stderr, "    %ld sleeps in a second\n", n);
    }
    CHECK_LE(n, SLEEPS_MAX);
    return arg;
}

static weft_waitgroup never;

static void park(void *arg)
{
    weft_waitgroup_wait(arg);
}

static void sleep_far(void *arg)
{
    (void)arg;
    weft_sleep(WEFT_HOUR);
}

static int fds[2];

static void *read_pipe(void *arg)
{
    char c;
    return read(fds[0], &c, 1) == 1 ? arg : NULL;
}

static void block(void *arg)
{
    weft_blocking(read_pipe, arg);
}

static void surround(void)
{
    never = (weft_waitgroup){0};
    weft_waitgroup_add(&never, 1);
    for (int i = 0; i < 100; i++) {
        CHECK_EQ(weft_go(park, &never), 0);
        CHECK_EQ(weft_go(sleep_far, NULL), 0);
    }
    CHECK_EQ(weft_go(block, NULL), 0);
    test_until_idle();
}

/* Let the blocked one go, so that the end of the run has nobody to wait for. */
static void unblock(void)
{
    CHECK_EQ(write(fds[1], "x", 1), 1);
    TEST_UNTIL(test_stats().in_blocking == 0);
}

static void sleep_a_second(void *arg)
{
    (void)arg;
    surround();
    int64_t cpu = test_cpu_ns(), begin = test_now();
    weft_sleep(WEFT_SECOND);
    check_used("main slept", test_cpu_ns() - cpu, test_now() - begin);
    unblock();
}

TEST(sleeping_uses_no_cpu)
{
    /* Goal: main sleeps a second among parked, sleeping and blocked goroutines; nobody spins.
     * Method: the process's CPU time before and after. */
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    CHECK_EQ(test_run(sleep_a_second, NULL), 0);
}

static void *wake_after_a_second(void *arg)
{
    rest_a_second(arg);
    weft_waitgroup_done(arg);
    return NULL;
}

static void park_a_second(void *arg)
{
    weft_waitgroup wg = {0};
    pthread_t thread;
    (void)arg;
    surround();
    weft_waitgroup_add(&wg, 1);
    REQUIRE(pthread_create(&thread, NULL, wake_after_a_second, &wg) == 0);
    int64_t cpu = test_cpu_ns(), begin = test_now();
    weft_waitgroup_wait(&wg);
    check_used("main was parked", test_cpu_ns() - cpu, test_now() - begin);
    pthread_join(thread, NULL);
    unblock();
}

TEST(being_parked_uses_no_cpu)
{
    /* Goal: the same with main parked; a foreign thread wakes it after a second, in which next to nobody woke up. Method:
     * the process's CPU time, and the kernel's counts of each thread's voluntary context switches. */
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    CHECK_EQ(test_run(park_a_second, NULL), 0);
}

static void main_blocks(void *arg)
{
    int64_t cpu = test_cpu_ns(), begin = test_now();
    weft_blocking(rest_a_second, arg);
    check_used("main was in a blocking section", test_cpu_ns() - cpu, test_now() - begin);
}

TEST(blocking_uses_no_cpu)
{
    /* Goal: the same with main in the kernel. Method: the same. */
    CHECK_EQ(test_run(main_blocks, NULL), 0);
}

/* What it costs here and now to wake up every 10 ms: a thread that does nothing else. */
static atomic_bool ticked;
static int64_t bare_cpu, bare_wakes;

static void *sleep_in_steps(void *arg)
{
    struct rusage u;
    while (!atomic_load(&ticked)) {
        nanosleep(&(struct timespec){.tv_nsec = 10 * TEST_MS}, NULL);
        bare_wakes++;
    }
    getrusage(RUSAGE_THREAD, &u);
    bare_cpu = (u.ru_utime.tv_sec + u.ru_stime.tv_sec) * INT64_C(1000000000) +
               (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * INT64_C(1000);
    return arg;
}

/* What all of the machine has done, in ns; -1: unknown. */
static int64_t machine_ns(void)
{
    FILE *f = fopen("/proc/stat", "re");
    int64_t user, nice, system, idle, iowait, irq, soft, steal;
    int fields = f ? fscanf(f,
                            "cpu %" SCNd64 "%" SCNd64 "%" SCNd64 "%" SCNd64 "%" SCNd64 "%" SCNd64
                            "%" SCNd64 "%" SCNd64,
                            &user, &nice, &system, &idle, &iowait, &irq, &soft, &steal)
                   : 0;
    if (f)
        fclose(f);
    return fields == 8 ? (user + nice + system + irq + soft + steal) *
                             (INT64_C(1000000000) / sysconf(_SC_CLK_TCK))
                       : -1;
}

#define TICKS 200

struct ticking {
    int64_t used, wall, bare; /* ns of CPU; bare: a wake-up */
    bool alone;               /* the machine had next to nothing else to do */
};

static struct ticking measure(weft_chan *ticks)
{
    pthread_t thread;
    struct ticking t;
    int64_t machine = machine_ns(), cpu = test_cpu_ns(), begin = test_now();
    bare_wakes = 0;
    atomic_store(&ticked, false);
    REQUIRE(pthread_create(&thread, NULL, sleep_in_steps, NULL) == 0);
    for (int i = 0; i < TICKS; i++)
        CHECK(weft_chan_recv(ticks, NULL));
    atomic_store(&ticked, true);
    pthread_join(thread, NULL);
    int64_t own = test_cpu_ns() - cpu, busy = machine_ns() - machine;
    t.wall = test_now() - begin;
    t.used = own - bare_cpu;
    t.bare = bare_cpu / bare_wakes;
    t.alone = machine >= 0 && busy - own < t.wall / 50;
    fprintf(stderr, "    %.0f us of CPU a tick, %.0f for a bare thread%s\n",
            (double)t.used / TICKS / 1e3, (double)t.bare / 1e3,
            t.alone ? ", alone on the machine" : "");
    return t;
}

/* A hundredth of a CPU, where a wake-up costs so little that it can be. */
static bool is_little(const struct ticking *t)
{
    int64_t hundredth = t->wall / 100 * (test_instrumented() ? 5 : 1);
    return t->used < hundredth || t->used / TICKS < (t->alone ? 5 : 8) * t->bare;
}

static void tick(void *arg)
{
    struct ticking t;
    (void)arg;
    surround();
    weft_ticker *every = weft_ticker_new(10 * WEFT_MILLISECOND);
    int tries = 0;
    do
        t = measure(weft_ticker_chan(every));
    while (!is_little(&t) && ++tries < 3);
    if (tries == 3)
        FAIL("%.2f ms of CPU in %.0f ms", (double)t.used / 1e6, (double)t.wall / 1e6);
    weft_ticker_unref(every);
    unblock();
}

TEST(a_ticker_of_10_ms_uses_less_than_a_hundredth_of_a_cpu)
{
    /* Goal: to wake up on time is not to watch the clock, nor to wake up several threads. Method: getrusage around 200
     * ticks, the best of three times. Where the kernel takes more than 20 us to wake anybody it may be 5 of those a
     * tick; 8 on a machine with other things to do. */
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    CHECK_EQ(test_run(tick, NULL), 0);
}
