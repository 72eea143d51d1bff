/* SPDX-License-Identifier: Apache-2.0
 * lock_hold.c - WEFT_LOCK_HOLD_MS: locks that are held for long are told on stderr. */
#include "lock_check.h"

#include "runtime/hooks.h"

#define HOUR (INT64_C(3600) * 1000 * TEST_MS)

static void hold_for_hours(void *arg)
{
    (void)arg;
    CHECK(weft_priv_clock_move(1));
    a_then_b(NULL);
    LOCK(a);
    CHECK(weft_priv_clock_move(2 * HOUR));
    UNLOCK(a);
    weft_rwmutex_rlock(&rw);
    CHECK(weft_priv_clock_move(3 * HOUR));
    weft_rwmutex_runlock(&rw);
    a_then_b(NULL);
}

static void run_timed(weft_fn fn)
{
    setenv("WEFT_LOCK_HOLD_MS", "3600000", 1);
    CHECK_EQ(test_run(fn, NULL), 0);
}

CHILD(holds)
{
    run_timed(hold_for_hours);
}

/* Number of "weft: mutex 0x1 was held for 7200000 ms by goroutine 1, taken at PLACE, given back at PLACE". */
static int holds(const char *text, const char *lock, const char *how, int hours, const char *then)
{
    char line[128];
    int n = 0;
    for (const char *at = text; (at = strstr(at, "weft: ")); at++) {
        unsigned long address, ms;
        snprintf(line, sizeof(line), "weft: %s 0x%%lx %s for %%lu ms by goroutine 1, taken at %%n",
                 lock, how);
        int end = 0;
        /* NOLINTNEXTLINE(clang-diagnostic-format-nonliteral) */
        if (sscanf(at, line, &address, &ms, &end) == 2 && end &&
            ms / 3600000 == (unsigned long)hours && strstr(at + end, then))
            n++;
    }
    return n;
}

TEST(a_long_hold_is_told_when_it_ends)
{
    /* Goal: how long, by whom, from where to where; nothing of short ones. Method: hours pass by the virtual clock. */
    static struct test_result r;
    test_spawn("holds", &r);
    CHECK_EXITED(&r, 0);
    CHECK_EQ(count(r.err, "weft: "), 2);
    CHECK_EQ(holds(r.err, "mutex", "was held", 2, ", given back at "), 1);
    CHECK_EQ(holds(r.err, "rwmutex (to read)", "was held", 3, ", given back at "), 1);
    CHECK_EQ(count(r.err, "hold_for_hours+0x"), 4);
}

static void ask_for_it(void *arg)
{
    (void)arg;
    weft_mutex_lock(&a); /* not LOCK: three do so at once */
    UNLOCK(a);
}

static void hold_while_others_ask(void *arg)
{
    weft_waitgroup all = {0};
    (void)arg;
    CHECK(weft_priv_clock_move(1));
    LOCK(a);
    CHECK(weft_priv_clock_move(2 * HOUR));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_waitgroup_go(&all, ask_for_it, NULL), 0);
    test_until_parked(3);
    UNLOCK(a);
    weft_waitgroup_wait(&all);
}

CHILD(holds_on)
{
    run_timed(hold_while_others_ask);
}

TEST(a_long_hold_is_told_to_who_asks)
{
    /* Goal: one that may never end is told as well, once. Method: three ask after hours. */
    static struct test_result r;
    test_spawn("holds_on", &r);
    CHECK_EXITED(&r, 0);
    CHECK_EQ(holds(r.err, "mutex", "has been held", 2, ", wanted at "), 1);
    CHECK_EQ(holds(r.err, "mutex", "was held", 2, ", given back at "), 1);
}
