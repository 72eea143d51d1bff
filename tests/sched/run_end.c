/* SPDX-License-Identifier: Apache-2.0
 * run_end.c - how a run ends around goroutines that yield, compute, block or were just woken. What those that it leaves
 * behind do later is in orphan.c. */
#include "threads.h"

#include "runtime/hooks.h"

#include <sys/mman.h>

/* Longer than any machine delays a thread; only a run that fails waits for so long. */
#define PATIENT (20 * WEFT_SECOND)

static void yields_thrice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        weft_yield();
}

static void leave_fifty(void *arg)
{
    (void)arg;
    for (int i = 0; i < 50; i++)
        CHECK_EQ(weft_go(yields_thrice, NULL), 0);
}

/* ---- goroutines that yield ---- */

static atomic_long turns;

static void yields_for_ever(void *arg)
{
    (void)arg;
    for (;;) {
        atomic_fetch_add(&turns, 1);
        weft_yield();
    }
}

static void leave_yielding(void *arg)
{
    atomic_store(&turns, 0);
    for (int i = *(int *)arg; i > 0; i--)
        CHECK_EQ(weft_go(yields_for_ever, NULL), 0);
    TEST_UNTIL(atomic_load(&turns) > 100);
    weft_sleep(TEST_MS); /* main comes back by a timer, and may be alone on its processor */
}

TEST(yielding_goroutines_stop_in_time)
{
    /* Goal: those that yield see the end at one of their next yields. The story: main left each
     * processor a hint at the tick to look at, which was in the past when the processor had gone on
     * meanwhile, so it yielded on for stop_ns and weft_run gave -ETIMEDOUT.
     * Method: 2 to 5 yield, main sleeps and returns, again and again. */
    weft_config config = {.maxprocs = test_procs(2), .stop_ns = PATIENT};
    for (int i = 0; i < test_scale(100); i++) {
        int n = 2 + i % 4;
        int64_t begin = test_now();
        CHECK_EQ(test_run_config(leave_yielding, &n, &config), 0);
        CHECK_LT(test_now() - begin, 10000 * TEST_MS);
    }
}

static void leave_four_yielding(void *arg)
{
    (void)arg;
    atomic_store(&turns, 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_go(yields_for_ever, NULL), 0);
    TEST_UNTIL(atomic_load(&turns) > 100);
}

TEST(a_tiny_stop_ns_leaves_time_to_stop)
{
    /* Goal: a stop_ns of next to nothing still grants what an orderly end takes. The story: with 1 ns
     * threads that were just about to leave were given up, and weft_run gave -ETIMEDOUT.
     * Method: four that yield are left behind; on a busy machine some ends may be late, but not half. */
    weft_config config = {.maxprocs = test_procs(2), .stop_ns = 1};
    int runs = test_scale(200), late = 0, threads = threads_at_rest();
    for (int i = 0; i < runs; i++) {
        int rc = test_run_config(leave_four_yielding, NULL, &config);
        CHECK(rc == 0 || rc == -ETIMEDOUT);
        late += rc != 0;
    }
    fprintf(stderr, "    %d of %d ends were late\n", late, runs);
    if (!test_instrumented())
        CHECK_LE(late, runs / 2);
    until_threads(threads);
    CHECK_EQ(test_run(nothing, NULL), 0);
}

/* ---- a goroutine that computes ---- */

static atomic_bool computing, may_stop;

static void computes(void *arg)
{
    (void)arg;
    atomic_store(&computing, true);
    TEST_COMPUTE_UNTIL(atomic_load(&may_stop));
}

static void leave_computing(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(computes, NULL), 0);
    TEST_UNTIL(atomic_load(&computing));
    for (int i = 0; i < 2000; i++) /* the deque grows several times */
        CHECK_EQ(weft_go(nothing, NULL), 0);
}

TEST(a_grown_queue_does_not_wait_for_an_orphan)
{
    /* Goal: -ETIMEDOUT comes after stop_ns, whatever was retired meanwhile. The story: a deque had
     * grown, and weft_run waited for the orphan, which computed on, to let go of the old array.
     * Method: one computes until weft_run has returned; 2000 are queued meanwhile. */
    weft_config config = {.maxprocs = test_procs_min(2), .stop_ns = 20 * TEST_MS};
    int threads = threads_at_rest();
    atomic_store(&computing, false);
    atomic_store(&may_stop, false);
    CHECK_EQ(test_run_config(leave_computing, NULL, &config), -ETIMEDOUT);
    CHECK_EQ(test_run(leave_fifty, NULL), 0); /* beside the orphan */
    atomic_store(&may_stop, true);
    until_threads(threads);
    CHECK_EQ(test_run(leave_fifty, NULL), 0);
}

/* ---- goroutines in blocking sections ---- */

static int pipe_fds[2];
static atomic_int reads_returned;

static void *read_pipe(void *arg)
{
    char c;
    ssize_t got = test_read(pipe_fds[0], &c, 1);
    atomic_fetch_add(&reads_returned, got == 1);
    return arg;
}

static void blocks(void *arg)
{
    weft_blocking(read_pipe, arg);
    FAIL("an abandoned goroutine went on");
}

static void leave_blocked(void *arg)
{
    CHECK_EQ(weft_go(blocks, arg), 0);
    TEST_UNTIL(test_stats().in_blocking == 1);
}

static void open_pipe(void)
{
    atomic_store(&reads_returned, 0);
    REQUIRE(pipe2(pipe_fds, O_CLOEXEC) == 0);
}

static void release_reader(void)
{
    CHECK_EQ(write(pipe_fds[1], "x", 1), 1);
    TEST_UNTIL(atomic_load(&reads_returned) == 1);
}

/* When no thread uses it any more. */
static void close_pipe(void)
{
    close(pipe_fds[0]);
    close(pipe_fds[1]);
}

static void release_in_run(void *arg)
{
    leave_fifty(arg);
    release_reader();
}

TEST(an_orphans_stack_outlives_a_change_of_stack_size)
{
    /* Goal: a blocking section that outlives its run keeps the stack that it returns its result to.
     * The story: a run with another stack size unmapped all stacks of the old one, the orphan's too,
     * and its return crashed.
     * Method: a read is abandoned, and returns during or after a run with another stack size. */
    for (int during = 0; during < 2; during++) {
        weft_config config = {.maxprocs = test_procs(2), .stack_size = 128 << 10};
        int threads = threads_at_rest();
        open_pipe();
        CHECK_EQ(test_run(leave_blocked, NULL), 0);
        CHECK_EQ(test_run_config(during ? release_in_run : leave_fifty, NULL, &config), 0);
        if (!during)
            release_reader();
        until_threads(threads);
        CHECK_EQ(test_run(leave_fifty, NULL), 0);
        close_pipe();
    }
}

TEST(an_abandoned_read_uses_up_no_slots)
{
    /* Goal: any number of runs may follow an abandoned one. The story: while there was an orphan no
     * run gave its threads' slots back, and after 10000 threads weft_run gave -ENOMEM.
     * Method: a read is abandoned; then runs for 10100 threads or more. */
    if (test_procs(2) != 2)
        SKIP("the same on any number of processors, and takes a second");
    weft_config config = {.maxprocs = 1};
    int runs = test_scale(10100), threads = threads_at_rest();
    open_pipe();
    CHECK_EQ(test_run(leave_blocked, NULL), 0);
    for (int i = 0; i < runs; i++) {
        int rc = test_run_config(nothing, NULL, &config);
        CHECK_EQ(rc, 0);
        if (rc)
            break;
    }
    release_reader();
    until_threads(threads);
    close_pipe();
}

enum { BLOCKED_A_RUN = 40 };

static void leave_many_blocked(void *arg)
{
    for (int i = 0; i < BLOCKED_A_RUN; i++)
        CHECK_EQ(weft_go(blocks, arg), 0);
    TEST_UNTIL(test_stats().in_blocking == BLOCKED_A_RUN);
}

static void release_readers(int n)
{
    int before = atomic_load(&reads_returned);
    for (int i = 0; i < n; i++)
        CHECK_EQ(write(pipe_fds[1], "x", 1), 1);
    TEST_UNTIL(atomic_load(&reads_returned) == before + n);
}

TEST(slots_beside_living_orphans_are_used_again)
{
    /* Goal: runs may go on for ever beside abandoned reads. The story: slots of threads were given back
     * only from the top down to the newest orphan, so runs that each left one used them up, and
     * weft_run hung. Method: each run abandons 40 reads, one more than return; in the test build 20 runs
     * need more threads than there are slots. */
    enum { RUNS = 20 };
    int threads = threads_at_rest();
    open_pipe();
    for (int i = 0; i < RUNS; i++) {
        CHECK_EQ(test_run(leave_many_blocked, NULL), 0);
        release_readers(BLOCKED_A_RUN - 1);
        until_threads(threads + i + 1);
    }
    release_readers(RUNS);
    until_threads(threads);
    close_pipe();
}

static void *blocks_shortly(void *arg)
{
    struct timespec pause = {.tv_nsec = 10 * TEST_MS - (intptr_t)arg};
    nanosleep(&pause, NULL);
    return NULL;
}

static void calls_shortly(void *arg)
{
    weft_blocking(blocks_shortly, arg);
}

static void leave_short_calls(void *arg)
{
    (void)arg;
    for (intptr_t i = 0; i < 16; i++)
        CHECK_EQ(weft_go(calls_shortly, (void *)(i * 10000)), 0);
    weft_sleep(50 * WEFT_MICROSECOND);
}

TEST(short_calls_are_no_time_out)
{
    /* Goal: a blocking section never makes the result -ETIMEDOUT. The story: one that returned just
     * when it was to be abandoned counted as a goroutine that computes, and wasn't waited for.
     * Method: 16 calls that end about when the grace of 10 ms does. */
    weft_config config = {.maxprocs = test_procs(2), .stop_ns = PATIENT};
    int threads = threads_at_rest();
    for (int i = 0; i < test_scale(40); i++)
        CHECK_EQ(test_run_config(leave_short_calls, NULL, &config), 0);
    until_threads(threads);
}

/* ---- goroutines that were woken and haven't run ---- */

static weft_waitgroup *mapped;

static void waits(void *arg)
{
    (void)arg;
    weft_waitgroup_wait(mapped);
}

static void waits_with_deadline(void *arg)
{
    (void)arg;
    weft_waitgroup_wait_until(mapped, weft_now() + WEFT_HOUR);
}

struct woken {
    weft_fn wait;
    int n;
};

static void wake_and_leave(void *arg)
{
    struct woken *woken = arg;
    weft_waitgroup_add(mapped, 1);
    for (int i = 0; i < woken->n; i++)
        CHECK_EQ(weft_go(woken->wait, NULL), 0);
    test_until_parked((uint64_t)woken->n);
    weft_waitgroup_done(mapped);
    CHECK_EQ(mprotect(mapped, (size_t)sysconf(_SC_PAGESIZE), PROT_NONE), 0);
}

TEST(a_group_may_go_right_after_done)
{
    /* Goal: the end of a run doesn't touch a WaitGroup whose waiters were woken already. The story:
     * main freed the group after done and returned; the end looked into it for the waiters' sake.
     * Method: the group lies in a page of its own, which main makes inaccessible. */
    static const weft_fn waits_of[] = {waits, waits_with_deadline};
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < test_scale(400) + 8; i++) {
        struct woken woken = {waits_of[i % 2], 1 + i / 2 % 2};
        mapped = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(mapped != MAP_FAILED);
        CHECK_EQ(test_run_procs(i / 4 % 2 ? test_procs(2) : 1, wake_and_leave, &woken), 0);
        munmap(mapped, page);
    }
}

/* ---- a thread that is stopped within the scheduler ---- */

#ifdef WEFT_TEST_BUILD

static atomic_bool has_yielded;

static void is_held(void *n)
{
    weft_priv_hold_at((unsigned)(uintptr_t)n);
    weft_yield();
    atomic_store(&has_yielded, true);
}

static void twenty_yield(void *arg)
{
    weft_waitgroup all = {0};
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_waitgroup_go(&all, yields_thrice, arg), 0);
    weft_waitgroup_wait(&all);
}

static void *release_later(void *arg)
{
    struct timespec moment = {.tv_nsec = 15000000}; /* longer than stop_ns comes to */
    TEST_UNTIL(weft_priv_held() || atomic_load(&has_yielded));
    nanosleep(&moment, NULL);
    weft_priv_release();
    return arg;
}

static pthread_t releaser;

static void return_when_held(void *n)
{
    atomic_store(&has_yielded, false);
    REQUIRE(pthread_create(&releaser, NULL, release_later, NULL) == 0);
    CHECK_EQ(weft_go(is_held, n), 0);
    while (!weft_priv_held() && !atomic_load(&has_yielded))
        weft_yield();
}

TEST(a_thread_that_is_stopped_within_the_scheduler)
{
    /* Goal: the end of a run that finds a thread stopped anywhere within a switch leaves later runs alone. */
    weft_config config = {.maxprocs = 2, .stop_ns = 1};
    int threads = threads_at_rest();
    for (uintptr_t n = 1; n <= 40; n++) {
        int rc = test_run_config(return_when_held, (void *)n, &config);
        CHECK(rc == 0 || rc == -ETIMEDOUT);
        CHECK_EQ(test_run(twenty_yield, NULL), 0);
        pthread_join(releaser, NULL);
        until_threads(threads);
        CHECK_EQ(test_run(twenty_yield, NULL), 0);
    }
}

#endif
