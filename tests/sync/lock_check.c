/* SPDX-License-Identifier: Apache-2.0
 * lock_check.c - WEFT_LOCKCHECK and WEFT_LOCK_HOLD_MS: orders of locks that may deadlock, and locks that are held for long, are
 * told on stderr. Compiled with weft/check_locks.h. Each child is a program with an order of its own, that doesn't deadlock. */
#include "../test.h"

#include "runtime/hooks.h"

#define HOUR (INT64_C(3600) * 1000 * TEST_MS)

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
static void in_goroutine(weft_fn fn)
{
    weft_waitgroup done = {0};
    CHECK_EQ(weft_waitgroup_go(&done, fn, NULL), 0);
    weft_waitgroup_wait(&done);
}

static void run_checked(weft_fn fn)
{
    setenv("WEFT_LOCKCHECK", "1", 1);
    CHECK_EQ(test_run(fn, NULL), 0);
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text++)
        n++;
    return n;
}

#define CYCLE "weft: locks are taken in an order that may deadlock:\n"

/* A child that succeeds and tells of so many cycles. */
static struct test_result *spawn(const char *child, int cycles)
{
    static struct test_result r;
    test_spawn(child, &r);
    CHECK_EXITED(&r, 0);
    CHECK_EQ(count(r.err, CYCLE), cycles);
    if (cycles == 0)
        CHECK_STR_EQ(r.err, "");
    return &r;
}

/* ---- two locks ---- */

static void a_then_b(void *arg)
{
    LOCK(a);
    LOCK(b);
    UNLOCK(b);
    UNLOCK(a);
    (void)arg;
}

static void b_then_a(void *arg)
{
    LOCK(b);
    LOCK(a);
    UNLOCK(a);
    UNLOCK(b);
    (void)arg;
}

/* "mutex 0x1234, taken at lock_check.c:12, " */
static void print_taken(const weft_mutex *m, int line)
{
    printf(TEST_LINES ? "mutex 0x%" PRIxPTR ", taken at lock_check.c:%d, \n"
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

/* ---- what is an order ---- */

static void try_in_both_orders(void *arg)
{
    (void)arg;
    LOCK(a);
    CHECK(weft_mutex_try_lock(&b));
    CHECK(weft_rwmutex_try_lock(&rw));
    weft_rwmutex_unlock(&rw);
    UNLOCK(b);
    UNLOCK(a);
    b_then_a(NULL);
    weft_rwmutex_rlock(&rw);
    LOCK(a);
    UNLOCK(a);
    weft_rwmutex_runlock(&rw);
}

CHILD(tries)
{
    run_checked(try_in_both_orders);
}

TEST(who_only_tries_never_waits)
{
    /* Goal: a try is no order. */
    spawn("tries", 0);
}

static void got_by_trying(void *arg)
{
    (void)arg;
    CHECK(weft_mutex_try_lock(&a));
    LOCK(b);
    UNLOCK(b);
    UNLOCK(a);
    CHECK(weft_mutex_try_lock(&b));
    LOCK(a);
    UNLOCK(a);
    UNLOCK(b);
}

CHILD(got)
{
    run_checked(got_by_trying);
}

TEST(what_was_got_by_trying_is_held)
{
    /* Goal: who has a lock keeps others waiting however he came by it. */
    spawn("got", 1);
}

static void read_and_write(void *arg)
{
    (void)arg;
    weft_rwmutex_rlock(&rw);
    LOCK(a);
    UNLOCK(a);
    weft_rwmutex_runlock(&rw);
    LOCK(a);
    weft_rwmutex_lock(&rw);
    weft_rwmutex_unlock(&rw);
    UNLOCK(a);
    LOCK(b);
    weft_rwmutex_rlock(&rw);
    weft_rwmutex_runlock(&rw);
    UNLOCK(b);
    weft_rwmutex_lock(&rw);
    LOCK(b);
    UNLOCK(b);
    weft_rwmutex_unlock(&rw);
}

CHILD(readers)
{
    run_checked(read_and_write);
}

TEST(reading_and_writing_are_orders)
{
    /* Goal: an rwmutex is a lock like others, for reading and for writing. */
    struct test_result *r = spawn("readers", 2);
    CHECK_STR_HAS(r->err, " had rwmutex (to read) 0x");
    CHECK_STR_HAS(r->err, " had rwmutex 0x");
}

static weft_cond cond = WEFT_COND_INIT(&a);

static void signal_it(void *arg)
{
    (void)arg;
    LOCK(a);
    weft_cond_signal(&cond);
    UNLOCK(a);
}

static void wait_holding(void *arg)
{
    (void)arg;
    LOCK(a);
    LOCK(b);
    CHECK_EQ(weft_go(signal_it, NULL), 0);
    weft_cond_wait(&cond);
    UNLOCK(b);
    UNLOCK(a);
}

CHILD(waits)
{
    run_checked(wait_holding);
}

TEST(a_wait_takes_its_mutex_again)
{
    /* Goal: who waits on a cond holding another lock takes the mutex after that, though before it the first time. */
    spawn("waits", 1);
}

static void wait_alone(void *arg)
{
    (void)arg;
    LOCK(a);
    CHECK_EQ(weft_go(signal_it, NULL), 0);
    weft_cond_wait(&cond);
    UNLOCK(a);
    LOCK(b);
    LOCK(a);
    CHECK_EQ(weft_cond_wait_until(&cond, weft_now() - 1), -ETIMEDOUT);
    UNLOCK(a);
    UNLOCK(b);
}

CHILD(waits_alone)
{
    run_checked(wait_alone);
}

TEST(a_wait_with_nothing_else_is_in_order)
{
    /* Goal: the mutex isn't held while it waits, and is when it is over. */
    spawn("waits_alone", 0);
}

static void wait_then_lock(void *arg)
{
    (void)arg;
    LOCK(a);
    CHECK_EQ(weft_go(signal_it, NULL), 0);
    weft_cond_wait(&cond);
    LOCK(b);
    UNLOCK(b);
    UNLOCK(a);
    b_then_a(NULL);
}

CHILD(holds_after_wait)
{
    run_checked(wait_then_lock);
}

TEST(after_a_wait_the_mutex_is_held)
{
    /* Goal: what is taken then is taken behind it. */
    spawn("holds_after_wait", 1);
}

static void unlock_a(void *arg)
{
    (void)arg;
    UNLOCK(a);
}

static void handed_on(void *arg)
{
    (void)arg;
    LOCK(a);
    in_goroutine(unlock_a); /* as anybody may */
    LOCK(b);
    UNLOCK(b);
    b_then_a(NULL);
}

CHILD(unlocked_by_another)
{
    run_checked(handed_on);
}

TEST(who_has_had_it_unlocked_by_another_has_it_no_more)
{
    /* Goal: a hold ends with the unlock, whoever does it. */
    spawn("unlocked_by_another", 0);
}

static void reuse(void *arg)
{
    (void)arg;
    a_then_b(NULL);
    LOCK(a);
    a = (weft_mutex){
        0}; /* as if it were freed, as the last to lock it may, and another lay there */
    b_then_a(NULL);
    weft_rwmutex_rlock(&rw);
    LOCK(b);
    UNLOCK(b);
    rw = (weft_rwmutex){0};
    LOCK(b);
    weft_rwmutex_rlock(&rw);
    weft_rwmutex_runlock(&rw);
    weft_rwmutex_lock(&rw);
    weft_rwmutex_unlock(&rw);
    UNLOCK(b);
}

CHILD(reused)
{
    run_checked(reuse);
}

TEST(another_lock_in_the_same_place_begins_anew)
{
    /* Goal: a lock that went while it was locked is taken for no part of the one that lies there now. */
    spawn("reused", 0);
}

static void lock_twice(void *arg)
{
    (void)arg;
    LOCK(a);
    CHECK_EQ(weft_go(unlock_a, NULL), 0);
    LOCK(a);
    UNLOCK(a);
}

CHILD(twice)
{
    run_checked(lock_twice);
}

TEST(a_lock_is_no_order_with_itself)
{
    /* Goal: who asks again for what he has may get it from another. */
    spawn("twice", 0);
}

/* ---- locks that are held for long ---- */

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
