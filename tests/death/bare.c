/* SPDX-License-Identifier: Apache-2.0
 * bare.c - stacks that have no guard page because the kernel can't give so many: in the test build, $WEFT_GUARDS. Who runs over
 * one isn't stopped, but found when it has ended. */
#include "../test.h"

/* A stack's record and its colour take up to 2.2 KiB at its top, and the page that isn't a guard is 4 KiB. */
enum { LARGE = 256 << 10, SMALL = 64 << 10, WITHIN = 8 << 10, OVER = 3 << 10 };

struct user {
    size_t stack_bytes, bytes;
    uintptr_t top;
    weft_waitgroup ended;
};

static TEST_NOINLINE int use(const struct user *u, int depth)
{
    volatile char frame[128];
    memset((char *)frame, 'x', sizeof(frame));
    if (u->top - (uintptr_t)frame >= u->bytes)
        return 0;
    return use(u, depth + 1) + frame[depth % 128];
}

static void use_stack(void *arg)
{
    struct user *u = arg;
    u->top = (uintptr_t)__builtin_frame_address(0);
    CHECK_GT(use(u, 0), 0);
    weft_waitgroup_done(&u->ended);
}

static void start_user(struct user *u)
{
    weft_go_options options = {.name = "user", .stack_size = u->stack_bytes};
    weft_waitgroup_add(&u->ended, 1);
    CHECK_EQ(weft_go_with(&options, use_stack, u), 0);
    weft_waitgroup_wait(&u->ended);
}

static void use_all_but_little(void *arg)
{
    struct user small = {.stack_bytes = SMALL, .bytes = SMALL - WITHIN};
    struct user large = {.stack_bytes = LARGE, .bytes = LARGE - WITHIN};
    (void)arg;
    for (int i = 0; i < 3; i++) {
        start_user(&small);
        start_user(&large);
    }
}

static void use_more(void *stack_bytes)
{
    static weft_waitgroup never;
    size_t n = *(size_t *)stack_bytes;
    struct user u = {.stack_bytes = n, .bytes = n - OVER};
    start_user(&u);
    weft_waitgroup_add(&never, 1);
    weft_waitgroup_wait(&never); /* the stack may be looked at after its user is done */
}

static void without_guards(weft_fn fn, size_t stack_bytes)
{
    weft_config config = {.maxprocs = test_procs(2), .stack_size = SMALL};
    setenv("WEFT_GUARDS", "1", 1); /* main's */
    CHECK_EQ(test_run_config(fn, &stack_bytes, &config), 0);
}

CHILD(within)
{
    without_guards(use_all_but_little, 0);
}

CHILD(over_small)
{
    without_guards(use_more, SMALL);
}

CHILD(over_large)
{
    without_guards(use_more, LARGE);
}

#define NOTICE                                                                                     \
    "weft: this kernel can't guard more stacks (MADV_GUARD_INSTALL needs Linux 6.13); further "    \
    "goroutines have no guard page\n"

static struct test_result result;

TEST(who_stays_on_its_stack_is_left_alone)
{
    /* Goal: no false alarm, and one line that says that guards have run out. Method: nearly all of stacks of both kinds. */
    test_spawn("within", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.err, NOTICE);
}

static void check_found(const char *child, const char *size)
{
    char text[320];
    test_spawn(child, &result);
    CHECK_EXITED(&result, 2);
    snprintf(text, sizeof(text),
             NOTICE
             "runtime: goroutine stack exceeds %s-byte limit\nfatal error: stack overflow\n\n"
             "goroutine ",
             size);
    CHECK_STR_HAS(result.err, text);
    CHECK_STR_HAS(result.err, " (user) [ended]: its stack had no guard page\n");
}

TEST(who_ran_over_it_is_found_at_its_end)
{
    /* Goal: the end of the process, who it was and how large the stack was. Method: frames that end within the page that
     * would be the guard, on a stack of the default size and on one of its own. */
    check_found("over_small", "65536");
    check_found("over_large", "262144");
}
