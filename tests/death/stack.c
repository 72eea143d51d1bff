/* SPDX-License-Identifier: Apache-2.0
 * stack.c - weft_stack: reports of a program that lives on; and for how long goroutines have waited. */
#include "states.h"

#include "runtime/hooks.h"

/* ---- weft_stack ---- */

static char text[1 << 16];

static TEST_NOINLINE size_t stack_of_caller(char *buf, size_t n, bool all)
{
    size_t used = weft_stack(buf, n, all);
    KEEP_FRAME();
    return used;
}

static void looks_at_itself(void *arg)
{
    char small[40];
    (void)arg;
    size_t n = stack_of_caller(text, sizeof(text), false);
    CHECK_EQ(n, strlen(text));
    CHECK_EQ(strncmp(text, "goroutine 1 [running]:\n0x", 25), 0);
    CHECK(!strstr(text, "\n\n"));
    if (has_names()) {
        CHECK_STR_HAS(text, " stack_of_caller");
        CHECK_STR_HAS(text, " looks_at_itself+0x");
        CHECK(!strstr(text, " weft_stack"));
    }
    memset(small, 'x', sizeof(small));
    CHECK_EQ(weft_stack(small, 30, false), 29);
    CHECK_EQ(strlen(small), 29);
    CHECK_EQ(small[30], 'x');
    CHECK_EQ(strncmp(small, text, 25), 0);
    CHECK_EQ(weft_stack(small, 1, true), 0);
    CHECK_STR_EQ(small, "");
    CHECK_EQ(weft_stack(NULL, 0, true), 0);
}

TEST(stack_gives_the_callers_trace)
{
    /* Goal: weft_stack is the caller's header and frames; cut off where the buffer ends, and terminated. */
    CHECK_EQ(test_run(looks_at_itself, NULL), 0);
}

static void looks_at_all(void *arg)
{
    (void)arg;
    start_all();
    size_t n;
    TEST_UNTIL((n = weft_stack(text, sizeof(text), true), !strstr(text, "stack unavailable")));
    CHECK_EQ(n, strlen(text));
    CHECK_EQ(strncmp(text, "goroutine 1 [running]:\n0x", 25), 0);
    check_all_states(text);
    _exit(0);
}

CHILD(looks_at_all)
{
    test_run(looks_at_all, NULL);
}

TEST(stack_of_all_is_a_report)
{
    /* Goal: weft_stack(all) says the same of a process that lives. Method: every state, in a child, as they wait for ever. */
    test_spawn("looks_at_all", &result);
    CHECK_EXITED(&result, 0);
}

static void looks_at_broken(void *arg)
{
    (void)arg;
    break_one();
    for (int i = 0; i < 3; i++) {
        TEST_UNTIL((weft_stack(text, sizeof(text), true), !strstr(text, "stack unavailable")));
        CHECK_STR_HAS(text, "(broken) [chan receive]:\n0x");
        CHECK_STR_HAS(text, "(b) [chan receive]:\n0x");
        weft_yield();
    }
    _exit(0);
}

CHILD(looks_at_broken)
{
    test_run(looks_at_broken, NULL);
}

TEST(stack_survives_what_makes_no_sense)
{
    if (TEST_ASAN || TEST_TSAN)
        SKIP("instrumented frames are laid out otherwise");
    test_spawn("looks_at_broken", &result);
    CHECK_EXITED(&result, 0);
}

static void looks_small(void *arg)
{
    char buf[512];
    (void)arg;
    CHECK_GT(weft_stack(buf, sizeof(buf), true), 100);
    weft_waitgroup_done(&one_of);
}

static void looks_on_small_stacks(void *arg)
{
    one_of = (weft_waitgroup){0};
    weft_waitgroup_add(&one_of, 4);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_go_with(&(weft_go_options){.stack_size = 16 << 10}, looks_small, arg), 0);
    weft_waitgroup_wait(&one_of);
}

TEST(stack_needs_little_stack)
{
    /* Goal: it works on the smallest stack, for several at once. */
    CHECK_EQ(test_run(looks_on_small_stacks, NULL), 0);
}

static void *looks_from_thread(void *arg)
{
    static char mine[1 << 15];
    size_t n = weft_stack(mine, sizeof(mine), true);
    CHECK_EQ(n, strlen(mine));
    CHECK_EQ(strncmp(mine, "foreign thread:\n0x", 18), 0);
    if (arg)
        CHECK_STR_HAS(mine, "goroutine 1 [");
    return NULL;
}

static void looked_at_from_thread(void *arg)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, looks_from_thread, arg ? arg : text) == 0);
    pthread_join(thread, NULL);
}

TEST(stack_on_a_foreign_thread)
{
    CHECK_EQ(test_run(looked_at_from_thread, NULL), 0);
    looks_from_thread(NULL);
}

/* ---- many at once, while others run ---- */

static atomic_int lookers_left;
static weft_chan *ball;

static void plays(void *arg)
{
    (void)arg;
    while (atomic_load(&lookers_left) > 0) {
        weft_chan_send(ball, NULL);
        weft_chan_recv(ball, NULL);
    }
}

static void looks_on(void *arg)
{
    static char mine[4][1 << 14];
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < test_scale(100); i++) {
        size_t n = weft_stack(mine[me], sizeof(mine[me]), true);
        CHECK_EQ(n, strlen(mine[me]));
        CHECK_EQ(strncmp(mine[me], "goroutine ", 10), 0);
        weft_yield();
    }
    atomic_fetch_sub(&lookers_left, 1);
    weft_waitgroup_done(&one_of);
}

static void look_on_together(void *arg)
{
    (void)arg;
    one_of = (weft_waitgroup){0};
    atomic_store(&lookers_left, 4);
    ball = weft_chan_new(0, 1);
    weft_waitgroup_add(&one_of, 4);
    for (intptr_t i = 0; i < 4; i++) {
        CHECK_EQ(weft_go(plays, NULL), 0);
        CHECK_EQ(weft_go(looks_on, (void *)i), 0);
    }
    weft_waitgroup_wait(&one_of);
}

TEST(stacks_of_all_while_all_run)
{
    /* Goal: whatever the others do meanwhile, each text is whole and nobody stands still for ever. Method: 4 that look at
     * all, among 4 that never stop. */
    CHECK_EQ(test_run(look_on_together, NULL), 0);
}

/* ---- how long ---- */

static bool says_minutes(void)
{
    weft_stack(text, sizeof(text), true);
    return strstr(text, " (b) [chan receive, ") && strstr(text, " minutes]:\n");
}

static void waits_for_minutes(void *arg)
{
    (void)arg;
    never = weft_chan_new(0, 0);
    start("b", receives);
    test_until_parked(1);
    weft_stack(text, sizeof(text), true);
    CHECK_STR_HAS(text, " (b) [chan receive]:\n");
    TEST_UNTIL((weft_priv_clock_move(INT64_C(70) * 1000 * TEST_MS), says_minutes()));
    _exit(0);
}

CHILD(waits_for_minutes)
{
    if (!weft_priv_clock_move(0))
        _exit(TEST_EXIT_SKIP);
    test_run(waits_for_minutes, NULL);
}

TEST(a_long_wait_is_told_in_minutes)
{
    /* Goal: who waits for a minute or longer has that beside the reason (PN-10). Method: a clock that is moved. */
    test_spawn("waits_for_minutes", &result);
    if (WIFEXITED(result.status) && WEXITSTATUS(result.status) == TEST_EXIT_SKIP)
        SKIP("the clock moves in the test build only");
    CHECK_EXITED(&result, 0);
}
