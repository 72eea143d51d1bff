/* SPDX-License-Identifier: Apache-2.0
 * stacks.c - the sizes of stacks: what is asked for can be used. What becomes of who uses more is death/overflow.c's. */
#include "../test.h"

#include <sys/resource.h>

struct depth {
    size_t bytes;  /* to use */
    uintptr_t top; /* where it began */
    uint64_t sum;
    bool lends; /* what lies at the bottom, to another goroutine */
    weft_waitgroup wg;
};

struct loan {
    weft_waitgroup back;
    int value;
};

static void use_loan(void *arg)
{
    struct loan *loan = arg;
    weft_yield();
    loan->value++;
    weft_waitgroup_done(&loan->back);
}

static TEST_NOINLINE void lend(void)
{
    struct loan loan = {.value = 41};
    weft_waitgroup_add(&loan.back, 1);
    CHECK_EQ(weft_go(use_loan, &loan), 0);
    weft_waitgroup_wait(&loan.back);
    CHECK_EQ(loan.value, 42);
}

/* Uses the stack a frame at a time until d->bytes are used, yields or lends at the bottom, and sums up what it
 * left in each frame on the way back. */
static TEST_NOINLINE uint64_t use_stack(struct depth *d, uint64_t level)
{
    volatile uint64_t frame[64];
    for (size_t i = 0; i < TEST_COUNT_OF(frame); i++)
        frame[i] = level;
    uint64_t below = 0;
    if (d->top - (uintptr_t)frame < d->bytes)
        below = use_stack(d, level + 1) - (level + 1);
    else if (d->lends)
        lend();
    else
        weft_yield();
    for (size_t i = 0; i < TEST_COUNT_OF(frame); i++)
        below += frame[i] != level;
    return below + level;
}

static void use_depth(void *arg)
{
    struct depth *d = arg;
    d->top = (uintptr_t)__builtin_frame_address(0);
    d->sum = use_stack(d, 7);
    weft_waitgroup_done(&d->wg);
}

static void use_stack_size(size_t stack_size, size_t bytes)
{
    struct depth d = {.bytes = bytes};
    weft_waitgroup_add(&d.wg, 1);
    CHECK_EQ(weft_go_with(&(weft_go_options){.stack_size = stack_size}, use_depth, &d), 0);
    weft_waitgroup_wait(&d.wg);
    if (d.sum != 7)
        FAIL("stack of %zu bytes: %zu bytes of it lost words: %" PRIu64, stack_size, bytes,
             d.sum - 7);
}

static void stack_sizes(void *arg)
{
    (void)arg;
    use_stack_size(16 * 1024, TEST_TSAN || TEST_ASAN ? 5 * 1024 : 8 * 1024);
    use_stack_size(17 * 1024 + 1, TEST_TSAN || TEST_ASAN ? 5 * 1024 : 8 * 1024);
    use_stack_size(0, 48 * 1024);
    use_stack_size(1 << 20, 960 * 1024);
    use_stack_size(16 << 20, TEST_TSAN ? 8 << 20 : 15 << 20);
    use_stack_size((size_t)1 << 30, 1 << 20);
    use_stack_size(16 << 20, TEST_TSAN ? 8 << 20 : 15 << 20);
    use_stack_size(16 * 1024, TEST_TSAN || TEST_ASAN ? 5 * 1024 : 8 * 1024);
}

TEST(stacks_have_their_size)
{
    /* Goal: stacks of 16 KiB to 1 GiB can be used, also one after the other (caches by size).
     * Method: recursion that fills frames, yields at the bottom, and checks on the way back. */
    CHECK_EQ(test_run(stack_sizes, NULL), 0);
}

enum { DEEP = 300 << 20 };

static void recurse_deep(void *arg)
{
    /* Where pages and frames cost more, less deep. */
    struct depth d = {.bytes = TEST_TSAN             ? DEEP / 40
                               : test_instrumented() ? DEEP / 10
                                                     : DEEP,
                      .lends = true};
    (void)arg;
    weft_waitgroup_add(&d.wg, 1);
    CHECK_EQ(weft_go_with(&(weft_go_options){.stack_size = 512 << 20}, use_depth, &d), 0);
    weft_waitgroup_wait(&d.wg);
    CHECK_EQ(d.sum, 7);
}

TEST(recursion_hundreds_of_mib_deep)
{
    /* Goal: it returns, on any goroutine that has the stack for it; and what lies on that stack is good for others
     * while its owner is parked (GO-21). Method: 300 MiB deep, what another goroutine writes to there, and all of the frames
     * on the way back. */
    CHECK_EQ(test_run(recurse_deep, NULL), 0);
}

static void default_stack(void *arg)
{
    use_stack_size(0, *(size_t *)arg);
}

TEST(the_run_sets_the_default_stack)
{
    /* Goal: config.stack_size is the size of stacks that name none. Method: 1 MiB, use most of it. */
    weft_config config = {.maxprocs = test_procs(2), .stack_size = 1 << 20};
    size_t bytes = 900 * 1024;
    CHECK_EQ(test_run_config(default_stack, &bytes, &config), 0);
}

static void use_main_stack(void *arg)
{
    use_depth(arg);
}

TEST(main_has_a_large_stack)
{
    /* Goal: goroutine 1 has RLIMIT_STACK's size. Method: use 7/8 of it, up to 7 MiB. */
    struct rlimit limit;
    struct depth d = {0};
    REQUIRE(getrlimit(RLIMIT_STACK, &limit) == 0);
    d.bytes = limit.rlim_cur > (8 << 20) ? 7 << 20 : limit.rlim_cur / 8 * 7;
    if (TEST_TSAN)
        d.bytes /= 2;
    weft_waitgroup_add(&d.wg, 1);
    CHECK_EQ(test_run(use_main_stack, &d), 0);
    CHECK_EQ(d.sum, 7);
}
