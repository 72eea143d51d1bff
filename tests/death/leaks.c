/* SPDX-License-Identifier: Apache-2.0
 * leaks.c - config.report_leaks: who is still there when main has returned. */
#include "../test.h"

/* At the end of a function: its last call is no jump, so its frame is there. */
#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

static struct test_result result;
static weft_chan *ch;
static atomic_int in_section;

static void receives(void *arg)
{
    (void)arg;
    weft_chan_recv(ch, NULL);
    KEEP_FRAME();
}

static void *pauses(void *arg)
{
    atomic_fetch_add(&in_section, 1);
    for (;;)
        pause();
    return arg;
}

static void blocks(void *arg)
{
    weft_blocking(pauses, arg);
    KEEP_FRAME();
}

static TEST_NOINLINE void start(const char *name, weft_fn fn)
{
    CHECK_EQ(weft_go_with(&(weft_go_options){.name = name}, fn, NULL), 0);
}

static void leaks(void *arg)
{
    (void)arg;
    ch = weft_chan_new(0, 0);
    start("leaky", receives);
    start("blocking", blocks);
    test_until_parked(1);
    TEST_UNTIL(atomic_load(&in_section) == 1);
}

static void leaks_none(void *arg)
{
    ch = weft_chan_new(0, 0);
    CHECK_EQ(weft_go(receives, arg), 0);
    weft_chan_close(ch);
    test_until_goroutines(1);
}

static int run(weft_fn fn, int report)
{
    weft_config config = {.maxprocs = test_procs(2), .report_leaks = report};
    return test_run_config(fn, NULL, &config);
}

CHILD(leaks_some)
{
    CHECK_EQ(run(leaks, 1), 0);
    fprintf(stderr, "second\n");
    CHECK_EQ(run(leaks_none, 1), 0);
}
CHILD(leaks_silently)
{
    CHECK_EQ(run(leaks, 0), 0);
}
CHILD(leaks_nothing)
{
    CHECK_EQ(run(leaks_none, 1), 0);
}

TEST(those_left_are_told)
{
    /* Goal: each goroutine that is there when main returns is on stderr in the form of a report, the run still gives 0, and a later
     * run tells only of its own. */
    test_spawn("leaks_some", &result);
    CHECK_EXITED(&result, 0);
    CHECK_EQ(strncmp(result.err, "goroutine ", 10), 0);
    CHECK_STR_HAS(result.err, " (leaky) [chan receive]:\n0x");
    CHECK_STR_HAS(result.err, " (blocking) [blocking]:\n0x");
    CHECK_STR_HAS(result.err, "\n\ngoroutine ");
    CHECK_STR_HAS(result.err, " in goroutine 1\nsecond\n");
    CHECK(!strstr(result.err, "goroutine 1 ["));
    CHECK_STR_EQ(strstr(result.err, "second\n"), "second\n");
    if (!test_emulator()) {
        CHECK_STR_HAS(result.err, " receives+0x");
        CHECK_STR_HAS(result.err, " blocks+0x");
        CHECK_STR_HAS(result.err, "\ncreated by start");
    }
}

TEST(nothing_is_told_where_none_is_left)
{
    test_spawn("leaks_nothing", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.err, "");
}

TEST(nothing_is_told_where_nobody_asks)
{
    test_spawn("leaks_silently", &result);
    CHECK_EXITED(&result, 0);
    CHECK_STR_EQ(result.err, "");
}
