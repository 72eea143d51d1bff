/* SPDX-License-Identifier: Apache-2.0
 * overflow.c - goroutines that run over their stacks, wherever they stand: found and named, before another is hurt. What is in
 * the report's way is in overflow_report.c; what becomes of all other faults is faults.c's. */
#include "overflow.h"

#include <sys/resource.h>
#include <sys/syscall.h>

#include "clash.h"

_Noreturn static void survived(void)
{
    say("survived\n");
    _exit(3);
}

/* ---- who is reported ---- */

CHILD(overflows_with_name)
{
    run_job(overflows, "deep\nthought", 0);
}
CHILD(overflows_in_main)
{
    test_run(overflows, NULL);
}

TEST(an_overflow_is_reported)
{
    /* Goal: a goroutine that runs over its stack ends the process with status 2 and says which, how large
     * the stack was, and where it stood, outermost frame included (GO-20). Method: endless recursion. */
    test_spawn("overflows", &result);
    check_report(STACK_BYTES, "N");
    CHECK_STR_HAS(result.err, " recurse");
    CHECK_STR_HAS(result.err, " sched_goroutine_entry+0x");
}

TEST(an_overflow_names_the_goroutine)
{
    /* Goal: the name is shown, and can't forge a trace. Method: a name with a newline. */
    test_spawn("overflows_with_name", &result);
    check_report(STACK_BYTES, "N (deep?thought)");
}

TEST(main_has_the_stack_of_its_limit)
{
    /* Goal: main's stack is as large as RLIMIT_STACK, and guarded as well. Method: 1 MiB. */
    struct rlimit was, small;
    if (test_emulator())
        SKIP("the emulator takes RLIMIT_STACK for itself");
    REQUIRE(getrlimit(RLIMIT_STACK, &was) == 0);
    small = (struct rlimit){.rlim_cur = 1 << 20, .rlim_max = was.rlim_max};
    REQUIRE(setrlimit(RLIMIT_STACK, &small) == 0);
    test_spawn("overflows_in_main", &result);
    REQUIRE(setrlimit(RLIMIT_STACK, &was) == 0);
    check_report(1 << 20, "1");
    CHECK_STR_HAS(result.err, " sched_goroutine_entry+0x");
}

/* Not so many frames: TSan keeps at most 64 Ki of them. But smaller than the guard page. */
static TEST_NOINLINE int recurse_in_steps(int depth)
{
    volatile char frame[3500];
    frame[depth % 3500] = 1;
    if (depth == INT32_MAX)
        return 0;
    return recurse_in_steps(depth + 1) + frame[depth % 3500];
}

static void overflows_in_steps(void *arg)
{
    (void)arg;
    recurse_in_steps(0);
}

CHILD(overflows_sized)
{
    size_t bytes = (size_t)test_env("OVERFLOW_STACK", 0);
    run_job(bytes > 1 << 20 ? overflows_in_steps : overflows, "sized", bytes);
}

TEST(stacks_of_all_sizes_are_guarded)
{
    /* Goal: sizes of weft_go_with's whole range, default and not. The trace of a deep recursion shows both
     * ends. Method: recursion over each; 1 GiB only where a page's first touch is cheap. */
    size_t sizes[] = {16 << 10, (16 << 10) + 1, 64 << 10, 1 << 20, 64 << 20, (size_t)1 << 30};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes) - (test_slowness() > 1); i++) {
        char text[32];
        snprintf(text, sizeof(text), "%zu", sizes[i]);
        setenv("OVERFLOW_STACK", text, 1);
        test_spawn("overflows_sized", &result);
        unsetenv("OVERFLOW_STACK");
        check_report((sizes[i] + PAGE - 1) / PAGE * PAGE, "N (sized)");
        CHECK_STR_HAS(result.err, " sched_goroutine_entry+0x");
        if (sizes[i] >= 1 << 20)
            CHECK_STR_HAS(result.err, " frames elided...\n");
    }
}

/* ---- nobody else is hurt ---- */

/* A neighbour's stack that must not be written to. */
static void watches_its_frame(void *arg)
{
    volatile unsigned char frame[2048];
    (void)arg;
    memset((unsigned char *)frame, 0x5A, sizeof(frame));
    for (;;) {
        for (size_t i = 0; i < sizeof(frame); i++)
            if (frame[i] != 0x5A) {
                say("corrupted\n");
                _exit(4);
            }
        weft_yield();
    }
}

static void overflow_among_others(void *arg)
{
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(weft_go(watches_its_frame, NULL), 0);
        if (i == 10)
            CHECK_EQ(weft_go_with(&(weft_go_options){.name = "eleventh"}, overflows, arg), 0);
    }
    for (;;)
        weft_yield();
}

CHILD(overflows_among_others)
{
    test_run(overflow_among_others, NULL);
}

TEST(an_overflow_writes_to_no_other_stack)
{
    /* Goal: the process ends before another's frames change. Method: goroutines that watch theirs. */
    test_spawn("overflows_among_others", &result);
    CHECK_STR_EQ(result.out, "");
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "fatal error: stack overflow\n");
    CHECK_STR_HAS(result.err, " (eleventh) [running]:\n");
}

static atomic_int at_the_line;

static void overflow_together(void *arg)
{
    int n = test_procs(2) > 2 ? 2 : test_procs(2);
    atomic_fetch_add(&at_the_line, 1);
    TEST_COMPUTE_UNTIL(atomic_load(&at_the_line) >= n);
    overflows(arg);
}

static void start_two(void *arg)
{
    static weft_priv_gate never;
    CHECK_EQ(weft_go(overflow_together, arg), 0);
    CHECK_EQ(weft_go(overflow_together, arg), 0);
    weft_priv_gate_wait(&never);
}

CHILD(two_overflow)
{
    test_run(start_two, NULL);
}

TEST(two_overflows_make_one_report)
{
    /* Goal: goroutines that overflow at once give one whole report. Method: count them. Ten times. */
    for (int i = 0; i < test_scale(10); i++) {
        test_spawn("two_overflow", &result);
        CHECK_EXITED(&result, 2);
        int reports = 0;
        for (const char *at = result.err; (at = strstr(at, "fatal error:")) != NULL; at++)
            reports++;
        CHECK_EQ(reports, 1);
    }
}

/* ---- at any instruction ---- */

static volatile int pad;

static TEST_NOINLINE void yield_deeper(void)
{
    volatile char *frame = __builtin_alloca((size_t)pad);
    frame[0] = 1;
    weft_yield();
    if (pad > 0)
        yield_deeper();
    frame[0] = 2;
}

static void yields_deeper(void *arg)
{
    (void)arg;
    yield_deeper();
}

static void yields(void *arg)
{
    (void)arg;
    for (;;)
        weft_yield();
}

static void start_yielders(void *arg)
{
    pad = (int)test_env("OVERFLOW_PAD", 16);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(yields, NULL), 0);
    CHECK_EQ(weft_go_with(&(weft_go_options){.name = "deeper"}, yields_deeper, arg), 0);
    yields(NULL);
}

CHILD(overflows_in_yield)
{
    test_run(start_yielders, NULL);
}

TEST(an_overflow_within_a_switch_is_the_leavers)
{
    /* Goal: whatever instruction hits the guard, inside weft and just before a switch too, the
     * goroutine that stands there is the one that is named. Method: recursion that yields at each
     * depth, with frames of many sizes, so that the last bytes of the stack end up everywhere. */
    if (TEST_TSAN)
        SKIP("TSan's own functions stand on a goroutine's stack, too, and can't be interrupted");
    int step = 16 * test_slowness() * (test_env("WEFT_TEST_QUICK", 0) ? 4 : 1);
    for (int i = 16; i < 1024; i += step) {
        char text[16];
        snprintf(text, sizeof(text), "%d", i);
        setenv("OVERFLOW_PAD", text, 1);
        test_spawn("overflows_in_yield", &result);
        unsetenv("OVERFLOW_PAD");
        CHECK_EXITED(&result, 2);
        CHECK_STR_HAS(result.err, "fatal error: stack overflow\n");
        CHECK_STR_HAS(result.err, " (deeper) [running]:\n");
    }
}

static void on_user_signal(int signal_number)
{
    (void)signal_number;
}

static TEST_NOINLINE int recurse_to(const char *bottom)
{
    volatile char frame[256];
    frame[0] = 1;
    if ((char *)frame - bottom > 1500)
        return recurse_to(bottom) + frame[0];
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), SIGUSR1);
    return frame[0];
}

static void signalled_at_the_bottom(void *arg)
{
    (void)arg;
    recurse_to(stack_bottom());
    survived();
}

CHILD(signalled_at_the_bottom)
{
    signal(SIGUSR1, on_user_signal); /* runs on the goroutine's stack */
    run_job(signalled_at_the_bottom, NULL, 0);
}

TEST(no_room_for_a_signal_is_an_overflow)
{
    /* Goal: a handler without SA_ONSTACK needs room for the kernel's frame; where there is none that is an
     * overflow like others. Method: a signal 1.5 KB above the guard. */
    test_spawn("signalled_at_the_bottom", &result);
    CHECK_STR_EQ(result.out, "");
    check_report(STACK_BYTES, "N");
}

/* ---- large frames ---- */

void clash_touch(volatile char *p)
{
    *p = 1;
}

static void large_frame(void *arg)
{
    (void)arg;
    clash_large_frame();
    survived();
}

static void large_alloca(void *arg)
{
    (void)arg;
    clash_alloca((size_t)20 << 20);
    survived();
}

CHILD(large_frame)
{
    run_job(large_frame, NULL, 0);
}
CHILD(large_alloca)
{
    run_job(large_alloca, NULL, 1 << 20);
}

TEST(a_frame_compiled_with_probes_cannot_jump_the_guard)
{
    /* Goal: -fstack-clash-protection in the program's code makes a frame of any size hit the guard page.
     * Method: frames of 3 and 20 MiB, fixed and by alloca, on stacks of 64 KiB and 1 MiB. */
    if (test_emulator())
        SKIP("for aarch64 gcc probes every 64 KiB, for guards of that size");
    test_spawn("large_frame", &result);
    CHECK_STR_EQ(result.out, "");
    check_report(STACK_BYTES, "N");
    test_spawn("large_alloca", &result);
    CHECK_STR_EQ(result.out, "");
    check_report(1 << 20, "N");
}

static TEST_NOINLINE int reads_upwards(void)
{
    volatile size_t bytes = 96 << 10;
    volatile char *frame = __builtin_alloca(bytes);
    int sum = 0;
    for (size_t i = 0; i < bytes; i += 512)
        sum += frame[i];
    return sum;
}

static void jumps_its_guard(void *arg)
{
    *(volatile int *)arg = reads_upwards();
    survived();
}

static void parks(void *arg)
{
    weft_priv_gate_wait(arg);
}

static void start_jumper(void *arg)
{
    static weft_priv_gate never[8];
    static int sum;
    (void)arg;
    for (int i = 0; i < 6; i++) { /* they take the lower stacks of the first slab of eight */
        CHECK_EQ(weft_go(parks, &never[i]), 0);
        test_until_parked((uint64_t)i + 1);
    }
    CHECK_EQ(weft_go(jumps_its_guard, &sum), 0);
    weft_priv_gate_wait(&never[7]);
}

CHILD(jumps_its_guard)
{
    test_run_procs(1, start_jumper, NULL);
}

TEST(a_frame_that_jumps_the_guard_is_found_at_the_next)
{
    /* Goal: without probes such a frame is at least recognised where it hits another stack's guard. Method:
     * one of 96 KiB, read from its low end, above six other stacks. */
    if (TEST_TSAN)
        SKIP("under TSan no two stacks are of one mapping");
    test_spawn("jumps_its_guard", &result);
    CHECK_STR_EQ(result.out, "");
    check_report(STACK_BYTES, "N");
}
