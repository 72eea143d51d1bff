/* SPDX-License-Identifier: Apache-2.0
 * lock_order.c - WEFT_LOCKCHECK: locks that are taken in an order that may deadlock are told on stderr, with who had them and
 * where. */
#include "lock_check.h"

/* ---- two locks ---- */

/* "mutex 0x1234, taken at lock_check.h:12, " */
static void print_taken(const weft_mutex *m, int line)
{
    printf(TEST_LINES ? "mutex 0x%" PRIxPTR ", taken at lock_check.h:%d, \n"
                      : "mutex 0x%" PRIxPTR ", taken at \n",
           (uintptr_t)m, line);
}

static void one_after_the_other(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        in_goroutine(a_then_b);
        if (i == 0)
            print_taken(&a, a_line);
        in_goroutine(b_then_a);
        if (i == 0)
            print_taken(&b, b_line);
    }
}

CHILD(abba)
{
    run_checked(one_after_the_other);
}

TEST(two_orders_are_told_with_both_places)
{
    /* Goal: told though nothing deadlocks, once, with both locks, who had them and where. Method: two goroutines one after the
     * other, again and again; the child prints what is to be told. */
    struct test_result *r = spawn("abba", 1);
    CHECK_EQ(count(r->err, "\n  goroutine "), 2);
    CHECK_EQ(count(r->err, ", when it asked for 0x"), 2);
    CHECK_EQ(count(r->err, "a_then_b+0x"), 2);
    CHECK_EQ(count(r->err, "b_then_a+0x"), 2);
    char *rest, *line = strtok_r(r->out, "\n", &rest);
    CHECK(line);
    for (; line; line = strtok_r(NULL, "\n", &rest))
        CHECK_STR_HAS(r->err, line);
}

static void one_order(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++) {
        in_goroutine(a_then_b);
        LOCK(a);
        LOCK(b);
        LOCK(c);
        UNLOCK(a); /* in whatever order */
        UNLOCK(c);
        UNLOCK(b);
        LOCK(b);
        LOCK(c);
        UNLOCK(b);
        UNLOCK(c);
    }
}

CHILD(consistent)
{
    run_checked(one_order);
}

TEST(one_order_is_not_told)
{
    /* Goal: nothing is told of locks that are always taken in the same order, nor of that of their release. */
    spawn("consistent", 0);
}

CHILD(unset)
{
    CHECK_EQ(test_run(one_after_the_other, NULL), 0);
    setenv("WEFT_LOCKCHECK", "1", 1); /* too late */
    CHECK_EQ(test_run(one_after_the_other, NULL), 0);
}

TEST(it_is_off_by_default)
{
    /* Goal: nothing is told unless it is asked for, before the first lock. */
    spawn("unset", 0);
}

CHILD(fatal)
{
    setenv("WEFT_LOCKCHECK", "fatal", 1);
    CHECK_EQ(test_run(one_after_the_other, NULL), 0);
}

TEST(it_may_be_fatal)
{
    /* Goal: told, then the end, with status 2. */
    static struct test_result r;
    test_spawn("fatal", &r);
    CHECK_EXITED(&r, 2);
    CHECK_STR_HAS(r.err, CYCLE);
    CHECK_STR_HAS(r.err, "fatal error: WEFT_LOCKCHECK");
}

static void *b_then_a_thread(void *arg)
{
    b_then_a(arg);
    return NULL;
}

static void with_a_thread(void *arg)
{
    pthread_t thread;
    in_goroutine(a_then_b);
    REQUIRE(pthread_create(&thread, NULL, b_then_a_thread, arg) == 0);
    pthread_join(thread, NULL);
}

CHILD(foreign)
{
    run_checked(with_a_thread);
}

TEST(a_foreign_thread_has_locks_too)
{
    /* Goal: an order of a thread's against a goroutine's is told. */
    struct test_result *r = spawn("foreign", 1);
    CHECK_EQ(count(r->err, "\n  goroutine "), 1);
    CHECK_EQ(count(r->err, "\n  thread "), 1);
}

CHILD(two_runs)
{
    run_checked(a_then_b);
    run_checked(b_then_a);
    run_checked(one_after_the_other);
}

TEST(the_next_run_begins_anew)
{
    /* Goal: what was taken in one run is no order of the next, whose locks may lie where others did. Method: a third run has both
     * orders. */
    spawn("two_runs", 1);
}

/* ---- more of them ---- */

static void three_in_a_ring(void *arg)
{
    (void)arg;
    a_then_b(NULL);
    LOCK(b);
    LOCK(c);
    UNLOCK(c);
    UNLOCK(b);
    LOCK(c);
    LOCK(a);
    UNLOCK(a);
    UNLOCK(c);
}

CHILD(ring)
{
    run_checked(three_in_a_ring);
}

TEST(a_cycle_may_have_three_locks)
{
    /* Goal: each of them has its line. */
    CHECK_EQ(count(spawn("ring", 1)->err, "\n  goroutine "), 3);
}

#define MANY 64
static weft_mutex many[MANY];

static void a_long_ring(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY; i++) {
        weft_mutex_lock(&many[i]);
        weft_mutex_lock(&many[(i + 1) % MANY]);
        weft_mutex_unlock(&many[(i + 1) % MANY]);
        weft_mutex_unlock(&many[i]);
    }
}

CHILD(long_ring)
{
    run_checked(a_long_ring);
}

TEST(of_a_long_cycle_the_beginning_is_told)
{
    /* Goal: a report has an end. */
    struct test_result *r = spawn("long_ring", 1);
    CHECK_EQ(count(r->err, "\n  goroutine "), 8);
    CHECK_STR_HAS(r->err, "\n  ... and more locks");
}

static void many_pairs(void *arg)
{
    (void)arg;
    for (int i = 0; i < MANY; i++)
        for (int j = 0; j < i; j++) {
            weft_mutex_lock(&many[i]);
            weft_mutex_lock(&many[j]);
            weft_mutex_unlock(&many[i]);
            weft_mutex_lock(&many[i]);
            weft_mutex_unlock(&many[i]);
            weft_mutex_unlock(&many[j]);
        }
}

CHILD(pairs)
{
    int64_t begin = test_now();
    run_checked(many_pairs);
    printf("%d\n", (int)((test_now() - begin) / (1000 * TEST_MS) + 1));
}

TEST(no_more_than_ten_are_told_in_a_second)
{
    /* Goal: a program full of them isn't drowned. Method: 2016 cycles. */
    static struct test_result r;
    test_spawn("pairs", &r);
    CHECK_EXITED(&r, 0);
    CHECK_GE(count(r.err, CYCLE), 1);
    CHECK_LE(count(r.err, CYCLE), 10 * atoi(r.out));
}
