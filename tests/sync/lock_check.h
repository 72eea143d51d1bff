/* SPDX-License-Identifier: Apache-2.0
 * lock_check.h - for tests of WEFT_LOCKCHECK and WEFT_LOCK_HOLD_MS, which are compiled with weft/check_locks.h: each child is a
 * program with locks of its own, that doesn't deadlock. */
#ifndef WEFT_TESTS_LOCK_CHECK_H
#define WEFT_TESTS_LOCK_CHECK_H

#include "../test.h"

static weft_mutex a, b, c;
static weft_rwmutex rw;
static int a_line, b_line, c_line; /* where they were locked last */

#define LOCK(m)                                                                                    \
    do {                                                                                           \
        m##_line = __LINE__;                                                                       \
        weft_mutex_lock(&m);                                                                       \
    } while (0)
#define UNLOCK(m) weft_mutex_unlock(&m)

/* Run fn in a goroutine, to its end. */
TEST_UNUSED static void in_goroutine(weft_fn fn)
{
    weft_waitgroup done = {0};
    CHECK_EQ(weft_waitgroup_go(&done, fn, NULL), 0);
    weft_waitgroup_wait(&done);
}

TEST_UNUSED static void run_checked(weft_fn fn)
{
    setenv("WEFT_LOCKCHECK", "1", 1);
    CHECK_EQ(test_run(fn, NULL), 0);
}

TEST_UNUSED static int count(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

#define CYCLE "weft: locks are taken in an order that may deadlock:\n"

/* A child that succeeds and tells of so many cycles. */
TEST_UNUSED static struct test_result *spawn(const char *child, int cycles)
{
    static struct test_result r;
    test_spawn(child, &r);
    CHECK_EXITED(&r, 0);
    CHECK_EQ(count(r.err, CYCLE), cycles);
    if (cycles == 0)
        CHECK_STR_EQ(r.err, "");
    return &r;
}

TEST_UNUSED static void a_then_b(void *arg)
{
    LOCK(a);
    LOCK(b);
    UNLOCK(b);
    UNLOCK(a);
    (void)arg;
}

TEST_UNUSED static void b_then_a(void *arg)
{
    LOCK(b);
    LOCK(a);
    UNLOCK(a);
    UNLOCK(b);
    (void)arg;
}

#endif
