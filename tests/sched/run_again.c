/* SPDX-License-Identifier: Apache-2.0
 * run_again.c - weft_run again and again, and what becomes of goroutines when main returns. */
#include "../test.h"

#include <sys/resource.h>

#include "runtime/hooks.h"

static void nothing(void *arg)
{
    (void)arg;
}

static void done(void *arg)
{
    weft_waitgroup_done(arg);
}

/* Statics, because the abandoned ones still point to them when main has returned. */
static weft_waitgroup never_done;
static weft_priv_gate never_open;
static atomic_int went_on, deferred;

static void count_deferred(void *arg)
{
    (void)arg;
    atomic_fetch_add(&deferred, 1);
}

static void parks_for_ever(void *arg)
{
    (void)arg;
    WEFT_DEFER(count_deferred, NULL);
    weft_waitgroup_wait(&never_done);
    atomic_fetch_add(&went_on, 1);
}

static void parks_at_gate(void *arg)
{
    (void)arg;
    WEFT_DEFER(count_deferred, NULL);
    weft_priv_gate_wait(&never_open);
    atomic_fetch_add(&went_on, 1);
}

static void parks_with_deadline(void *arg)
{
    (void)arg;
    WEFT_DEFER(count_deferred, NULL);
    weft_waitgroup_wait_until(&never_done, weft_now() + WEFT_HOUR);
    atomic_fetch_add(&went_on, 1);
}

static void sleeps_long(void *arg)
{
    (void)arg;
    WEFT_DEFER(count_deferred, NULL);
    weft_sleep(WEFT_HOUR);
    atomic_fetch_add(&went_on, 1);
}

static void sleeps_for_ever(void *arg)
{
    (void)arg;
    WEFT_DEFER(count_deferred, NULL);
    weft_sleep_until(WEFT_FOREVER);
    atomic_fetch_add(&went_on, 1);
}

static void yields_for_ever(void *arg)
{
    atomic_long *turns = arg;
    WEFT_DEFER(count_deferred, NULL);
    for (;;) {
        atomic_fetch_add(turns, 1);
        weft_yield();
    }
}

static void reset(void)
{
    never_done = (weft_waitgroup){0};
    never_open = (weft_priv_gate){0};
    weft_waitgroup_add(&never_done, 1);
    atomic_store(&went_on, 0);
    atomic_store(&deferred, 0);
}

/* ---- a thousand runs ---- */

static void small_run(void *arg)
{
    weft_waitgroup wg = {0};
    (void)arg;
    never_open = (weft_priv_gate){0};
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_waitgroup_go(&wg, nothing, NULL), 0);
    CHECK_EQ(weft_go(parks_for_ever, NULL), 0);
    CHECK_EQ(weft_go(parks_at_gate, NULL), 0);
    CHECK_EQ(weft_go(sleeps_long, NULL), 0);
    CHECK_EQ(weft_go_with(&(weft_go_options){.stack_size = 1 << 20}, parks_with_deadline, NULL), 0);
    weft_waitgroup_wait(&wg);
}

struct usage {
    long rss_kib;
    int threads, descriptors, maps;
};

static int lines(const char *path)
{
    int count = 0, c;
    FILE *f = fopen(path, "re");
    while (f && (c = fgetc(f)) != EOF)
        count += c == '\n';
    if (f)
        fclose(f);
    return count;
}

static struct usage usage(void)
{
    struct usage u;
    u.maps = lines("/proc/self/maps");
    u.threads = test_entries("/proc/self/task");
    u.descriptors = test_entries("/proc/self/fd");
    u.rss_kib = test_rss_kib();
    return u;
}

TEST(a_thousand_runs_leak_nothing)
{
    /* Goal: weft_run 1000 times grows neither memory nor threads nor descriptors nor mappings, also
     * when each run abandons goroutines. Method: figures after a warm-up and at the end. A thread
     * that has been joined may show in /proc for a moment, so that count is waited for. */
    int runs = test_scale(1000);
    reset();
    for (int i = 0; i < runs / 2 + 10; i++)
        CHECK_EQ(test_run(small_run, NULL), 0);
    struct usage before = usage();
    for (int i = 0; i < runs; i++)
        CHECK_EQ(test_run(small_run, NULL), 0);
    TEST_UNTIL(test_entries("/proc/self/task") <= before.threads);
    struct usage after = usage();
    CHECK_LE(after.descriptors, before.descriptors);
    if (test_rss_tells()) {
        CHECK_LE(after.maps, before.maps + 8);
        CHECK_LT(after.rss_kib - before.rss_kib, 1024);
    }
    CHECK_EQ(atomic_load(&went_on), 0);
    CHECK_EQ(atomic_load(&deferred), 0);
}

TEST(runs_of_different_sizes)
{
    /* Goal: any number of processors may follow any other. Method: 1 to 8 and back. */
    static const int procs[] = {1, 2, 1, 4, 8, 3, 8, 1, 2};
    reset();
    for (size_t i = 0; i < TEST_COUNT_OF(procs); i++)
        CHECK_EQ(test_run_procs(procs[i], small_run, NULL), 0);
}

static void *run_on_thread(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)test_run(small_run, NULL);
}

TEST(runs_from_different_threads)
{
    /* Goal: weft_run may be called from any thread, one after the other, also one that then ends.
     * Method: ten pthreads, and the first thread in between. */
    reset();
    int before = test_entries("/proc/self/task");
    for (int i = 0; i < 10; i++) {
        pthread_t thread;
        void *result = NULL;
        REQUIRE(pthread_create(&thread, NULL, run_on_thread, NULL) == 0);
        pthread_join(thread, &result);
        CHECK_EQ((intptr_t)result, 0);
        CHECK_EQ(test_run(small_run, NULL), 0);
    }
    TEST_UNTIL(test_entries("/proc/self/task") <= before);
}

/* ---- what main abandons ---- */

static const weft_fn waiting[] = {parks_for_ever, parks_at_gate, parks_with_deadline, sleeps_long,
                                  sleeps_for_ever};

static void abandon_waiting(void *arg)
{
    size_t kind = *(size_t *)arg;
    /* A gate takes one waiter. */
    int n = waiting[kind] == parks_at_gate ? 1 : 50;
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_go(waiting[kind], NULL), 0);
    test_until_parked((uint64_t)n);
    CHECK_EQ(weft_num_goroutine(), n + 1);
}

TEST(waiting_goroutines_are_abandoned)
{
    /* Goal: main returning ends the run although others wait; they never go on and their deferred
     * calls don't run (GO-01, DL-03). Method: each kind of wait, then an ordinary run. */
    for (size_t kind = 0; kind < TEST_COUNT_OF(waiting); kind++) {
        reset();
        int64_t begin = test_now();
        CHECK_EQ(test_run(abandon_waiting, &kind), 0);
        CHECK_LT(test_now() - begin, 10000 * TEST_MS);
        CHECK_EQ(weft_num_goroutine(), 0);
        CHECK_EQ(test_run(small_run, NULL), 0);
        CHECK_EQ(atomic_load(&went_on), 0);
        CHECK_EQ(atomic_load(&deferred), 0);
    }
}

static void abandon_queued(void *arg)
{
    static char bytes[1000];
    (void)arg;
    for (int i = 0; i < 200; i++) {
        CHECK_EQ(weft_go(parks_for_ever, NULL), 0);
        CHECK_EQ(weft_go_copy(parks_for_ever, bytes, sizeof(bytes)), 0);
    }
}

TEST(queued_goroutines_are_abandoned)
{
    /* Goal: what has not run yet when main returns is freed (LSan), copies included.
     * Method: 400 started, main returns at once; three runs. */
    for (int i = 0; i < 3; i++) {
        reset();
        CHECK_EQ(test_run(abandon_queued, NULL), 0);
        CHECK_EQ(atomic_load(&went_on), 0);
    }
}

static void abandon_yielding(void *arg)
{
    atomic_long *turns = arg;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_go(yields_for_ever, turns), 0);
    TEST_UNTIL(atomic_load(turns) > 1000);
}

TEST(running_goroutines_are_stopped)
{
    /* Goal: goroutines that run when main returns are stopped at a weft call, before weft_run
     * returns. Method: ten yield for ever; afterwards the count stands still. */
    static atomic_long turns;
    reset();
    CHECK_EQ(test_run(abandon_yielding, &turns), 0);
    long at_end = atomic_load(&turns);
    CHECK_EQ(test_run(nothing, NULL), 0);
    for (int i = 0; i < 1000; i++)
        sched_yield();
    CHECK_EQ(atomic_load(&turns), at_end);
    CHECK_EQ(atomic_load(&deferred), 0);
}

static atomic_bool computing, main_returned;

static void computes_a_while(void *arg)
{
    (void)arg;
    atomic_store(&computing, true);
    TEST_COMPUTE_UNTIL(atomic_load(&main_returned));
    int64_t until = test_now() + 20 * TEST_MS;
    TEST_COMPUTE_UNTIL(test_now() > until);
    weft_yield();
    atomic_fetch_add(&went_on, 1);
    weft_yield();
    atomic_fetch_add(&went_on, 1);
}

static void note_return(void *arg)
{
    (void)arg;
    atomic_store(&main_returned, true);
}

static void abandon_computing(void *arg)
{
    (void)arg;
    WEFT_DEFER(note_return, NULL);
    CHECK_EQ(weft_go(computes_a_while, NULL), 0);
    TEST_UNTIL(atomic_load(&computing));
}

TEST(a_computing_goroutine_is_waited_for)
{
    /* Goal: one that computes is waited for and stopped at its next weft call; the run succeeds.
     * Method: it computes 20 ms beyond main's return, then yields: does not come back. */
    reset();
    atomic_store(&computing, false);
    atomic_store(&main_returned, false);
    weft_config config = {.maxprocs = test_procs_min(2), .stop_ns = 20000 * TEST_MS};
    CHECK_EQ(test_run_config(abandon_computing, NULL, &config), 0);
    CHECK_EQ(atomic_load(&went_on), 0);
    CHECK_EQ(test_run(small_run, NULL), 0);
    CHECK_EQ(atomic_load(&went_on), 0);
}

/* ---- blocked in the kernel ---- */

static int pipe_fds[2];
static atomic_int reads_returned;

static void *read_pipe(void *arg)
{
    char c;
    (void)arg;
    ssize_t got = test_read(pipe_fds[0], &c, 1);
    atomic_fetch_add(&reads_returned, got == 1);
    return NULL;
}

static void blocks(void *arg)
{
    (void)arg;
    WEFT_DEFER(count_deferred, NULL);
    weft_blocking(read_pipe, NULL);
    atomic_fetch_add(&went_on, 1);
}

static void abandon_blocked(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(blocks, NULL), 0);
    TEST_UNTIL(test_stats().in_blocking == 3);
}

TEST(blocked_goroutines_are_abandoned)
{
    /* Goal: main returning abandons goroutines in blocking sections: the run ends without waiting for
     * them, other runs work meanwhile, and when the kernel lets the threads go, these end without
     * running on.
     * Method: three read an empty pipe; then a run; then three bytes; then the thread count. */
    weft_config config = {.maxprocs = test_procs(2), .stop_ns = 60 * WEFT_SECOND};
    reset();
    atomic_store(&reads_returned, 0);
    REQUIRE(pipe2(pipe_fds, O_CLOEXEC) == 0);
    CHECK_EQ(test_run(small_run, NULL), 0);
    int threads = test_entries("/proc/self/task");
    int64_t begin = test_now();
    CHECK_EQ(test_run_config(abandon_blocked, NULL, &config), 0);
    CHECK_LT(test_now() - begin, 10000 * TEST_MS);
    CHECK_EQ(atomic_load(&reads_returned), 0);
    CHECK_EQ(test_run(small_run, NULL), 0);
    CHECK_EQ(write(pipe_fds[1], "abc", 3), 3);
    TEST_UNTIL(atomic_load(&reads_returned) == 3);
    CHECK_EQ(test_run(small_run, NULL), 0);
    TEST_UNTIL(test_entries("/proc/self/task") <= threads);
    CHECK_EQ(atomic_load(&went_on), 0);
    CHECK_EQ(atomic_load(&deferred), 0);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

/* ---- objects that outlive a run ---- */

static void wait_never_done(void *arg)
{
    weft_waitgroup_wait(&never_done);
    atomic_fetch_add(&went_on, 1);
    weft_waitgroup_done(arg);
}

static void use_left_over(void *arg)
{
    weft_waitgroup wg = {0};
    (void)arg;
    weft_waitgroup_add(&wg, 10);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_go(wait_never_done, &wg), 0);
    test_until_parked(10);
    weft_waitgroup_done(&never_done);
    weft_waitgroup_wait(&wg);
}

TEST(objects_hold_no_waiters_of_an_ended_run)
{
    /* Goal: a WaitGroup that outlives the run of its waiters serves the next run. Method: 50 waiters
     * abandoned (plain, then with deadlines); in the next run ten others wait and are released. */
    static const size_t kinds[] = {0, 2};
    for (size_t i = 0; i < TEST_COUNT_OF(kinds); i++) {
        size_t kind = kinds[i];
        reset();
        CHECK_EQ(test_run(abandon_waiting, &kind), 0);
        CHECK_EQ(weft_waitgroup_wait_until(&never_done, 0), -ETIMEDOUT);
        CHECK_EQ(test_run(use_left_over, NULL), 0);
        CHECK_EQ(atomic_load(&went_on), 10);
        CHECK_EQ(weft_waitgroup_wait_until(&never_done, 0), 0);
    }
}

TEST(done_after_the_run_finds_no_stale_waiter)
{
    /* Goal: bringing such a group to zero outside of any run wakes nobody and harms nothing.
     * Method: 50 abandoned waiters, done, then ordinary runs (ASan). */
    static const size_t kinds[] = {0, 2};
    for (size_t i = 0; i < TEST_COUNT_OF(kinds); i++) {
        size_t kind = kinds[i];
        reset();
        CHECK_EQ(test_run(abandon_waiting, &kind), 0);
        weft_waitgroup_done(&never_done);
        weft_waitgroup_wait(&never_done);
        CHECK_EQ(test_run(nothing, NULL), 0);
        CHECK_EQ(atomic_load(&went_on), 0);
    }
}

static atomic_bool foreign_waits, foreign_went_on;

static void *foreign_waiter(void *arg)
{
    atomic_store(&foreign_waits, true);
    weft_waitgroup_wait(arg);
    atomic_store(&foreign_went_on, true);
    return NULL;
}

static void until_foreign_waits(void *arg)
{
    (void)arg;
    TEST_UNTIL(atomic_load(&foreign_waits));
    for (int i = 0; i < 100; i++)
        sched_yield();
}

TEST(a_foreign_waiter_outlives_the_run)
{
    /* Goal: a foreign thread that waits when a run ends goes on waiting, and a later done, outside of
     * any run, releases it. Method: one pthread; a run ends around it. */
    pthread_t thread;
    static weft_waitgroup wg;
    atomic_store(&foreign_waits, false);
    atomic_store(&foreign_went_on, false);
    weft_waitgroup_add(&wg, 1);
    REQUIRE(pthread_create(&thread, NULL, foreign_waiter, &wg) == 0);
    CHECK_EQ(test_run(until_foreign_waits, NULL), 0);
    CHECK_EQ(test_run(nothing, NULL), 0);
    CHECK(!atomic_load(&foreign_went_on));
    weft_waitgroup_done(&wg);
    pthread_join(thread, NULL);
    CHECK(atomic_load(&foreign_went_on));
}

static void mains_deferred(void *arg)
{
    weft_waitgroup wg = {0};
    WEFT_DEFER(count_deferred, NULL);
    weft_waitgroup_add(&wg, 1);
    CHECK_EQ(weft_go(done, &wg), 0);
    weft_waitgroup_wait(&wg);
    (void)arg;
}

TEST(mains_deferred_calls_run)
{
    /* Goal: main's own deferred calls do run (GO-01). Method: count one. */
    reset();
    CHECK_EQ(test_run(mains_deferred, NULL), 0);
    CHECK_EQ(atomic_load(&deferred), 1);
}
