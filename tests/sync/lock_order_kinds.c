/* SPDX-License-Identifier: Apache-2.0
 * lock_order_kinds.c - WEFT_LOCKCHECK: what makes an order, and what is held: tries, readers, conds, locks that others unlock,
 * and new ones in an old one's place. */
#include "lock_check.h"

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
