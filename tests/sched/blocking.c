/* SPDX-License-Identifier: Apache-2.0
 * blocking.c - weft_blocking: fn may block its thread, and nobody else (GO-22). Most tests here hang
 * when a blocked goroutine keeps its processor; the watchdog tells. */
#include "../test.h"

#include <sys/syscall.h>

#include "runtime/hooks.h"

static int fds[2];
static weft_waitgroup all;
static atomic_int counted;

static void reset(void)
{
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    all = (weft_waitgroup){0};
    atomic_store(&counted, 0);
}

static void close_pipe(void)
{
    close(fds[0]);
    close(fds[1]);
}

static void *read_byte(void *arg)
{
    char c = 0;
    (void)arg;
    return (void *)(intptr_t)(test_read(fds[0], &c, 1) == 1 ? c : -1);
}

static void write_byte(void *arg)
{
    char c = (char)(intptr_t)arg;
    CHECK_EQ(write(fds[1], &c, 1), 1);
}

/* On one processor and on those under test. */
static void run_both(weft_fn fn)
{
    reset();
    CHECK_EQ(test_run_procs(1, fn, NULL), 0);
    close_pipe();
    reset();
    CHECK_EQ(test_run(fn, NULL), 0);
    close_pipe();
}

/* ---- what fn sees ---- */

static void *look_around(void *arg)
{
    CHECK_EQ(weft_self(), 0);
    CHECK_EQ(weft_priv_proc(), -1);
    CHECK_EQ(test_stats().in_blocking, 1);
    return (char *)arg + 1;
}

static void sees_nothing(void *arg)
{
    char bytes[2];
    (void)arg;
    CHECK_PTR_EQ(weft_blocking(look_around, bytes), bytes + 1);
    CHECK_EQ(weft_self(), 1);
    CHECK_GE(weft_priv_proc(), 0);
    CHECK_EQ(test_stats().in_blocking, 0);
}

TEST(fn_is_foreign_and_its_result_returned)
{
    /* Goal: argument and result pass; inside, there is no goroutine. Method: look from inside. */
    run_both(sees_nothing);
}

static void *own_thread(void *arg)
{
    (void)arg;
    return (void *)(intptr_t)syscall(SYS_gettid);
}

static void *nested(void *arg)
{
    intptr_t thread = syscall(SYS_gettid);
    CHECK_EQ((intptr_t)weft_blocking(own_thread, arg), thread);
    return NULL;
}

static void nests(void *arg)
{
    weft_blocking(nested, arg);
    CHECK_EQ(weft_self(), 1);
}

TEST(on_a_foreign_thread_fn_is_just_called)
{
    /* Goal: outside of goroutines weft_blocking is a plain call. Method: thread ids, outside of a
     * run and inside another blocking section. */
    CHECK_EQ((intptr_t)weft_blocking(own_thread, NULL), (intptr_t)syscall(SYS_gettid));
    run_both(nests);
}

static TEST_NOINLINE size_t use_stack(size_t bytes)
{
    volatile char frame[4096];
    memset((char *)frame, 1, sizeof(frame));
    size_t below = bytes > sizeof(frame) ? use_stack(bytes - sizeof(frame)) : 0;
    return below + (size_t)frame[bytes % sizeof(frame)];
}

static void *use_much_stack(void *arg)
{
    (void)arg;
    return (void *)(uintptr_t)use_stack(TEST_TSAN ? 2 << 20 : 6 << 20);
}

static void blocks_deep(void *arg)
{
    (void)arg;
    CHECK_EQ((uintptr_t)weft_blocking(use_much_stack, NULL),
             (TEST_TSAN ? 2 << 20 : 6 << 20) / 4096);
}

static void blocks_deep_everywhere(void *arg)
{
    for (int i = 0; i < 8; i++)
        CHECK_EQ(weft_waitgroup_go(&all, blocks_deep, arg), 0);
    blocks_deep(arg);
    weft_waitgroup_wait(&all);
}

TEST(fn_has_a_large_stack)
{
    /* Goal: fn runs on a thread's stack of 8 MiB, not on the goroutine's. Method: use 6 MiB in
     * several sections at once. */
    run_both(blocks_deep_everywhere);
}

static char order[16];
static int order_used;

static void note(void *arg)
{
    order[order_used++] = (char)(intptr_t)arg;
}

static void *defers_in_section(void *arg)
{
    WEFT_DEFER(note, (void *)'b');
    WEFT_DEFER(note, (void *)'a');
    return arg;
}

static void defers_around(void *arg)
{
    order_used = 0;
    memset(order, 0, sizeof(order));
    {
        WEFT_DEFER(note, (void *)'d');
        weft_blocking(defers_in_section, arg);
        WEFT_DEFER(note, (void *)'c');
    }
    CHECK_STR_EQ(order, "abcd");
}

TEST(deferred_calls_of_a_section_are_its_own)
{
    /* Goal: WEFT_DEFER inside fn and around weft_blocking don't mix. Method: order of four. */
    run_both(defers_around);
}

/* ---- others go on ---- */

static void blocked_reader(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(write_byte, (void *)'x'), 0);
    CHECK_EQ((intptr_t)weft_blocking(read_byte, NULL), 'x');
}

TEST(a_queued_goroutine_runs_meanwhile)
{
    /* Goal: what was runnable before a goroutine blocked runs, also on one processor. Method: read
     * an empty pipe that the queued goroutine will write. */
    run_both(blocked_reader);
}

static void sleep_then_write(void *arg)
{
    weft_sleep(2 * TEST_MS);
    write_byte(arg);
}

static void blocked_beside_sleeper(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(sleep_then_write, (void *)'s'), 0);
    TEST_UNTIL(test_stats().parked == 1 || weft_num_goroutine() == 1);
    CHECK_EQ((intptr_t)weft_blocking(read_byte, NULL), 's');
}

TEST(a_sleeper_wakes_meanwhile)
{
    /* Goal: nothing was runnable when the goroutine blocked; a timer comes due. Method: as above, the
     * writer sleeps first. */
    run_both(blocked_beside_sleeper);
}

static void *start_writer(void *arg)
{
    CHECK_EQ(weft_go(write_byte, arg), 0);
    return NULL;
}

static void *start_writer_when_blocked(void *arg)
{
    TEST_UNTIL(test_stats().in_blocking == 1);
    return start_writer(arg);
}

static void blocked_alone(void *arg)
{
    pthread_t thread;
    (void)arg;
    REQUIRE(pthread_create(&thread, NULL, start_writer_when_blocked, (void *)'f') == 0);
    CHECK_EQ((intptr_t)weft_blocking(read_byte, NULL), 'f');
    pthread_join(thread, NULL);
}

TEST(a_foreign_start_runs_meanwhile)
{
    /* Goal: the only goroutine is blocked, all else idle; one started by a foreign thread runs.
     * Method: a pthread starts the writer once main is in its blocking section. */
    run_both(blocked_alone);
}

static void *start_writer_and_read(void *arg)
{
    start_writer(arg);
    return read_byte(NULL);
}

static void starts_from_inside(void *arg)
{
    (void)arg;
    CHECK_EQ((intptr_t)weft_blocking(start_writer_and_read, (void *)'i'), 'i');
}

TEST(a_start_from_inside_runs_meanwhile)
{
    /* Goal: fn itself may start goroutines and block for them. Method: fn starts the writer. */
    run_both(starts_from_inside);
}

static weft_priv_gate gate;
static weft_waitgroup released;

static void write_after_gate(void *arg)
{
    weft_priv_gate_wait(&gate);
    write_byte(arg);
}

static void write_after_release(void *arg)
{
    weft_waitgroup_wait(&released);
    write_byte(arg);
}

static void *open_and_read(void *arg)
{
    (void)arg;
    weft_priv_gate_open(&gate);
    intptr_t first = (intptr_t)read_byte(NULL);
    weft_waitgroup_done(&released);
    return (void *)(first * 256 + (intptr_t)read_byte(NULL));
}

static void wakes_from_inside(void *arg)
{
    (void)arg;
    gate = (weft_priv_gate){0};
    released = (weft_waitgroup){0};
    weft_waitgroup_add(&released, 1);
    CHECK_EQ(weft_go(write_after_gate, (void *)'g'), 0);
    CHECK_EQ(weft_go(write_after_release, (void *)'w'), 0);
    test_until_parked(2);
    CHECK_EQ((intptr_t)weft_blocking(open_and_read, NULL), 'g' * 256 + 'w');
}

TEST(a_wake_up_from_inside_runs_meanwhile)
{
    /* Goal: fn may wake goroutines and block for them. Method: by a gate, by a WaitGroup. */
    run_both(wakes_from_inside);
}

static void *wait_inside(void *arg)
{
    weft_waitgroup wg = {0};
    (void)arg;
    int64_t begin = test_now();
    weft_sleep(TEST_MS);
    CHECK_GE(test_now() - begin, TEST_MS);
    weft_yield();
    CHECK_EQ(weft_waitgroup_go(&wg, write_byte, (void *)'q'), 0);
    weft_waitgroup_wait(&wg);
    return read_byte(NULL);
}

static void waits_inside(void *arg)
{
    CHECK_EQ((intptr_t)weft_blocking(wait_inside, arg), 'q');
}

TEST(fn_may_wait_as_a_foreign_thread)
{
    /* Goal: yield, sleep and WaitGroups work in fn as on any foreign thread. Method: use them. */
    run_both(waits_inside);
}

/* ---- many ---- */

static void read_and_count(void *arg)
{
    (void)arg;
    CHECK_EQ((intptr_t)weft_blocking(read_byte, NULL), 'm');
    atomic_fetch_add(&counted, 1);
}

static void hundred_blocked(void *arg)
{
    enum { N = 100 };
    (void)arg;
    for (int i = 0; i < N; i++)
        CHECK_EQ(weft_waitgroup_go(&all, read_and_count, NULL), 0);
    TEST_UNTIL(test_stats().in_blocking == N);
    CHECK_EQ(atomic_load(&counted), 0);
    CHECK_EQ(weft_num_goroutine(), N + 1);
    for (int i = 0; i < N; i++)
        write_byte((void *)'m');
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&counted), N);
    CHECK_EQ(test_stats().in_blocking, 0);
}

TEST(a_hundred_block_at_once)
{
    /* Goal: any number may be blocked while main goes on. Method: 100 read one pipe; when all are
     * inside, main writes 100 bytes. */
    run_both(hundred_blocked);
}

static void read_one(void *arg)
{
    (void)arg;
    weft_blocking(read_byte, NULL);
    atomic_fetch_add(&counted, 1);
}

static void thousands_blocked(void *arg)
{
    int n = *(int *)arg;
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_waitgroup_go(&all, read_one, NULL), 0);
    TEST_UNTIL(test_stats().in_blocking == (uint64_t)n);
    CHECK_GE(test_stats().threads, n);
    for (int i = 0; i < n; i++)
        write_byte((void *)'m');
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&counted), n);
}

TEST(thousands_block_at_once)
{
    /* Goal: 10 000 functions block at once (WEFT_TEST_MILLION, else fewer), each on its thread, and all
     * come back. */
    int n = getenv("WEFT_TEST_MILLION") ? 10000 : 400;
    reset();
    CHECK_EQ(test_run(thousands_blocked, &n), 0);
    close_pipe();
}

static void *return_arg(void *arg)
{
    return arg;
}

static void block_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < test_scale(2000); i++) {
        CHECK_EQ((intptr_t)weft_blocking(return_arg, (void *)(intptr_t)i), i);
        atomic_fetch_add(&counted, 1);
        if (i % 3 == 0)
            weft_yield();
    }
}

static void four_block_often(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_waitgroup_go(&all, block_often, NULL), 0);
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&counted), 4 * test_scale(2000));
    /* Each P, each that may block at once, the monitor, and as many again in transit. */
    CHECK_LE(test_stats().threads, 2 * (test_stats().procs + 4) + 2);
}

TEST(threads_are_used_again)
{
    /* Goal: short blocking sections one after the other need no new thread each. Method: 4
     * goroutines block thousands of times; then the number of threads. */
    run_both(four_block_often);
}

static void *wait_for_turn(void *arg)
{
    CHECK_EQ((intptr_t)read_byte(NULL), 't');
    return arg;
}

static void ring_member(void *arg)
{
    for (int i = 0; i < (int)(intptr_t)arg; i++) {
        weft_blocking(wait_for_turn, NULL);
        atomic_fetch_add(&counted, 1);
        CHECK_EQ(weft_go(write_byte, (void *)'t'), 0);
    }
}

static void ring(void *arg)
{
    int each = test_scale(200);
    (void)arg;
    for (int i = 0; i < 8; i++)
        CHECK_EQ(weft_waitgroup_go(&all, ring_member, (void *)(intptr_t)each), 0);
    write_byte((void *)'t');
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&counted), 8 * each);
}

TEST(a_token_passes_through_blocking_sections)
{
    /* Goal: no wake-up is lost between leaving a section, starting a goroutine and entering the next
     * section. Method: one byte in a pipe; each reader starts the goroutine that puts it back. */
    run_both(ring);
}
