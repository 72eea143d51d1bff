/* SPDX-License-Identifier: Apache-2.0
 * partial.h - for the tests of WEFT_DEADLOCK=partial: a run with it, and waiting for looks. */
#ifndef WEFT_TEST_DEATH_PARTIAL_H
#define WEFT_TEST_DEATH_PARTIAL_H

#include "../test.h"

#include "runtime/hooks.h"

#define KEEP_FRAME() __asm__ volatile("" ::: "memory")

static struct test_result result;

/* The memory of a sanitized program is too large to be looked through, and a child under Valgrind isn't under it. */
static bool can_look(void)
{
    return !TEST_ASAN && !TEST_TSAN && !test_emulator();
}

static int run_partial(weft_fn fn, void *arg)
{
    setenv("WEFT_DEADLOCK", "partial", 1);
    return test_run(fn, arg);
}

/* Until it has been looked twice, so once since this began; where it can't be looked, for a while. */
static void until_looked(void)
{
    uint64_t looks = weft_priv_partial_looks();
    int64_t limit = test_patience();
    for (int i = 0; can_look() ? weft_priv_partial_looks() < looks + 2 : i < 20; i++) {
        if (test_now() > limit)
            test_stuck(__FILE__, __LINE__, "two looks");
        weft_sleep(TEST_MS);
    }
}

struct pair {
    weft_chan *mine, *other;
};

static weft_chan *sync_chan(void)
{
    weft_chan *ch = weft_chan_new(0, 0);
    REQUIRE(ch);
    return ch;
}

static TEST_NOINLINE void start(weft_fn fn)
{
    CHECK_EQ(weft_go(fn, NULL), 0);
    KEEP_FRAME();
}

#endif
