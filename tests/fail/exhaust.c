/* SPDX-License-Identifier: Apache-2.0
 * exhaust.c - out of threads (RLIMIT_NPROC) and of address space (RLIMIT_AS), as the kernel says it. Each
 * test has a process of its own, whose limits it lowers. */
#include "programs.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#define FATAL_NO_THREAD                                                                            \
    "fatal error: no thread to be had for goroutines that wait beside a blocking section\n"

/* ---- threads ---- */

/* Become a user that the limit holds for and who has no other processes. As another user than root the
 * process stays what it is: then no more threads can be had than its user has already. */
static void be_limited(void)
{
    if (getuid() == 0) {
        uid_t nobody_else = 30000 + (uid_t)getpid() % 30000;
        REQUIRE(setresuid(nobody_else, nobody_else, nobody_else) == 0);
        prctl(PR_SET_DUMPABLE, 1); /* for LeakSanitizer, which traces its process */
    }
}

static void limit_threads(rlim_t n)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_NPROC, &limit) == 0);
    limit.rlim_cur = n < limit.rlim_max ? n : limit.rlim_max;
    REQUIRE(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

CHILD(run_without_threads)
{
    be_limited();
    limit_threads(1);
    CHECK_EQ(test_run(nothing, NULL), -EAGAIN);
    limit_threads(RLIM_INFINITY);
    CHECK_EQ(test_run(main_go, NULL), 0);
    puts("done");
}

TEST(a_run_without_threads_is_refused)
{
    /* Goal: weft_run gives -EAGAIN when no thread is to be had, and works when one is again. */
    static struct test_result result;
    test_spawn("run_without_threads", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.out, "done\n");
    CHECK_STR_EQ(result.err, "");
}

static atomic_bool limited;

static void then_no_more(void *program)
{
    limit_threads(1);
    atomic_store(&limited, true);
    ((weft_fn)program)(NULL);
    limit_threads(RLIM_INFINITY); /* for the sanitizers */
}

static void one_thread(weft_fn program)
{
    be_limited();
    CHECK_EQ(test_run(then_no_more, (void *)program), 0);
    CHECK_EQ(program_refused(), 0);
    CHECK_EQ(test_run(program, NULL), 0);
    puts("done");
}

CHILD(go_on_one_thread)
{
    one_thread(main_go);
}

CHILD(sleep_on_one_thread)
{
    one_thread(main_sleep);
}

CHILD(deadline_on_one_thread)
{
    one_thread(main_deadline);
}

TEST(what_needs_no_second_thread_goes_on)
{
    /* Goal: goroutines, timers and waits go on on the threads that there are. Method: no more threads from
     * the first line of main on. */
    static const char *const programs_one[] = {"go_on_one_thread", "sleep_on_one_thread",
                                               "deadline_on_one_thread"};
    static struct test_result result;
    for (size_t i = 0; i < TEST_COUNT_OF(programs_one); i++) {
        test_note_ = programs_one[i];
        test_spawn(programs_one[i], &result);
        CHECK_EXITED(&result, 0);
        CHECK_STR_EQ(result.out, "done\n");
    }
}

/* More at once than sysmon may have started Ms before main ran. */
enum { SECTIONS = 8 };

struct chain {
    weft_waitgroup ended;
    int pipes[2], sections;
};

static void next_section(void *arg)
{
    struct chain *c = arg;
    if (++c->sections <= SECTIONS) {
        REQUIRE(weft_waitgroup_go(&c->ended, next_section, c) == 0);
        weft_blocking(byte_from, &c->pipes[0]);
    } else {
        for (int i = 0; i <= SECTIONS; i++)
            write_byte(&c->pipes[1]);
    }
}

/* Blocking sections that end only when the last goroutine gets on. */
static void needs_others(void *arg)
{
    struct chain c = {.sections = 0};
    (void)arg;
    REQUIRE(pipe2(c.pipes, O_CLOEXEC) == 0);
    REQUIRE(weft_waitgroup_go(&c.ended, next_section, &c) == 0);
    weft_blocking(byte_from, &c.pipes[0]);
    weft_waitgroup_wait(&c.ended);
    close(c.pipes[0]), close(c.pipes[1]);
}

CHILD(blocking_on_one_thread)
{
    be_limited();
    test_run(then_no_more, (void *)needs_others);
}

TEST(a_blocking_section_that_needs_a_thread_fails_clearly)
{
    /* Goal: no silent hang where a goroutine waits for a processor that nobody can run. */
    static struct test_result result;
    test_spawn("blocking_on_one_thread", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, FATAL_NO_THREAD);
}

static void *lift_limit(void *arg)
{
    TEST_COMPUTE_UNTIL(atomic_load(&limited));
    struct timespec moment = {.tv_nsec =
                                  20 * TEST_MS}; /* less than weft's patience: see sysmon.c */
    nanosleep(&moment, NULL);
    limit_threads(RLIM_INFINITY);
    return arg;
}

CHILD(blocking_with_a_thread_later)
{
    pthread_t thread;
    be_limited();
    CHECK_EQ(pthread_create(&thread, NULL, lift_limit, NULL), 0);
    CHECK_EQ(test_run(then_no_more, (void *)needs_others), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    puts("done");
}

TEST(a_blocking_section_waits_for_a_thread)
{
    /* Goal: a shortage that passes is not fatal. Method: the limit is lifted 20 ms after
     * it was set. */
    static struct test_result result;
    test_spawn("blocking_with_a_thread_later", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.out, "done\n");
}

/* ---- address space: sanitizers and Valgrind need all of it ----
 *
 * Where little is left one processor is used: jemalloc crashes in a thread that allocates for the first time when
 * it can't map an arena. */

#if !TEST_ASAN && !TEST_TSAN && !defined(WEFT_VALGRIND)

enum { MILLION = 1000000 };

static size_t address_space(void)
{
    size_t pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    REQUIRE(f && fscanf(f, "%zu", &pages) == 1);
    fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void limit_space(size_t more)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = address_space() + more;
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
}

static void lift_space(void)
{
    struct rlimit limit;
    REQUIRE(getrlimit(RLIMIT_AS, &limit) == 0);
    limit.rlim_cur = limit.rlim_max;
    REQUIRE(setrlimit(RLIMIT_AS, &limit) == 0);
}

struct crowd {
    weft_waitgroup all, gate;
    weft_fn fn;
    int started, rc;
    atomic_int ran;
};

static void pass(void *arg)
{
    struct crowd *crowd = arg;
    atomic_fetch_add(&crowd->ran, 1);
    weft_waitgroup_done(&crowd->all);
}

static void pass_gate(void *arg)
{
    struct crowd *crowd = arg;
    weft_waitgroup_wait(&crowd->gate);
    pass(arg);
}

/* What the allocator has mapped already counts, too: use it up but for 2 MiB, in pieces so large that there
 * still is room for its own records. */
static void leave_little(void)
{
    void *last = weft_alloc((size_t)2 << 20);
    limit_space(0);
    while (weft_alloc((size_t)512 << 10))
        ;
    weft_free(last);
}

static void start_million(void *arg)
{
    struct crowd *crowd = arg;
    if (crowd->fn == pass)
        leave_little();
    else
        limit_space((size_t)64 << 20);
    weft_waitgroup_add(&crowd->all, MILLION);
    weft_waitgroup_add(&crowd->gate, 1);
    while (crowd->started < MILLION && !(crowd->rc = weft_go(crowd->fn, crowd))) {
        crowd->started++;
        if (crowd->fn == pass_gate && crowd->started % 100 == 0)
            weft_yield();
    }
    weft_waitgroup_done(&crowd->gate);
    weft_waitgroup_add(&crowd->all, crowd->started - MILLION);
    weft_waitgroup_wait(&crowd->all);
    lift_space();
}

CHILD(queue_a_million)
{
    struct crowd crowd = {.fn = pass};
    CHECK_EQ(test_run_procs(1, start_million, &crowd), 0);
    CHECK_EQ(crowd.rc, -ENOMEM);
    CHECK_GT(crowd.started, 100);
    CHECK_EQ(atomic_load(&crowd.ran), crowd.started);
    CHECK_EQ(test_run(main_go, NULL), 0);
    CHECK_EQ(program_refused(), 0);
    puts("done");
}

TEST(a_million_queued_without_address_space)
{
    /* Goal: weft_go gives -ENOMEM; those that it has started all run, in the address space that there is.
     * Method: one processor, and little space, so that all are queued before main's time slice ends. */
    static struct test_result result;
    test_spawn("queue_a_million", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.out, "done\n");
}

CHILD(park_a_million)
{
    struct crowd crowd = {.fn = pass_gate};
    CHECK_EQ(test_run_procs(1, start_million, &crowd), 0);
    CHECK_EQ(crowd.rc, -ENOMEM);
    CHECK_EQ(atomic_load(&crowd.ran), crowd.started);
    puts("done");
}

TEST(a_million_parked_without_address_space)
{
    /* Goal: each needs a stack, and has one only when it runs; weft_go gives -ENOMEM, or a goroutine that
     * gets none is fatal, clearly. */
    static struct test_result result;
    test_spawn("park_a_million", &result);
    if (WIFEXITED(result.status) && WEXITSTATUS(result.status) == 0) {
        CHECK_STR_EQ(result.out, "done\n");
    } else {
        CHECK_EXITED(&result, 2);
        CHECK_STR_HAS(result.err, "fatal error: out of memory: no stack for a goroutine\n");
    }
}

static void ask_for_much(void *arg)
{
    weft_go_options large = {.stack_size = (size_t)1 << 30};
    (void)arg;
    limit_space((size_t)64 << 20);
    CHECK_EQ(weft_go_with(&large, nothing, NULL), -ENOMEM);
    errno = 0;
    void *block = weft_alloc((size_t)1 << 30);
    CHECK(!block && errno == ENOMEM);
    lift_space();
    CHECK_EQ(weft_go_with(&large, nothing, NULL), 0);
    main_go(NULL);
}

CHILD(much_at_once)
{
    CHECK_EQ(test_run(ask_for_much, NULL), 0);
    puts("done");
}

TEST(large_requests_without_address_space)
{
    /* Goal: a large stack and a large block are refused, and everything goes on. */
    static struct test_result result;
    test_spawn("much_at_once", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.out, "done\n");
    CHECK_STR_EQ(result.err, "");
}

CHILD(large_main_stack)
{
    struct rlimit stack, small;
    REQUIRE(getrlimit(RLIMIT_STACK, &stack) == 0);
    small = stack;
    stack.rlim_cur = (rlim_t)1 << 30;
    REQUIRE(setrlimit(RLIMIT_STACK, &stack) == 0);
    limit_space((size_t)512 << 20);
    CHECK_EQ(test_run(nothing, NULL), -ENOMEM);
    REQUIRE(setrlimit(RLIMIT_STACK, &small) == 0);
    CHECK_EQ(test_run(main_go, NULL), 0);
    puts("done");
}

TEST(no_address_space_for_main)
{
    /* Goal: weft_run gives -ENOMEM when main's stack can't be mapped, and runs when it can. */
    static struct test_result result;
    test_spawn("large_main_stack", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.out, "done\n");
}

static void block_in_little_space(void *arg)
{
    limit_space((size_t)4 << 20); /* a thread's stack has 8 */
    needs_others(arg);
}

CHILD(blocking_in_little_space)
{
    test_run_procs(1, block_in_little_space, NULL);
}

TEST(no_address_space_for_a_thread)
{
    /* Goal: as without threads. */
    static struct test_result result;
    test_spawn("blocking_in_little_space", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, FATAL_NO_THREAD);
}

#endif
