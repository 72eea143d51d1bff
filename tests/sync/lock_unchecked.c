/* SPDX-License-Identifier: Apache-2.0
 * lock_unchecked.c - WEFT_LOCKCHECK in a program that is not compiled with weft/check_locks.h: of its mutexes and readers nothing is
 * told, whichever of their steps weft sees.
 *
 * A visitor calls one function after another. Each has to wait, so that it goes through weft, and what it does after that
 * is inline. Nobody ever has two locks, but where a test says so. */
#include "lock_check.h"

static weft_cond cond = WEFT_COND_INIT(&a);

/* keep and let_go are what others do: before the visitor calls, and when he is parked or through. */
struct visit {
    void (*keep)(void), (*let_go)(void), (*call)(void);
};

static const struct visit *visits;
static atomic_int allowed, done;

static void visitor(void *arg)
{
    (void)arg;
    for (int i = 0; visits[i].call; i++) {
        TEST_UNTIL(atomic_load(&allowed) > i);
        visits[i].call();
        atomic_store(&done, i + 1);
    }
}

static void receive(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(visitor, NULL), 0);
    for (int i = 0; visits[i].call; i++) {
        visits[i].keep();
        atomic_store(&allowed, i + 1);
        TEST_UNTIL(test_stats().parked >= 1 || atomic_load(&done) > i);
        visits[i].let_go();
        TEST_UNTIL(atomic_load(&done) == i + 1);
    }
}

static void run_visits(const struct visit *of_child)
{
    visits = of_child;
    run_checked(receive);
}

/* ---- what is called, and what it waits for ---- */

static void nothing(void) {}

static void keep_a(void)
{
    weft_mutex_lock(&a);
}

static void let_a_go(void)
{
    weft_mutex_unlock(&a);
}

static void visit_a(void)
{
    keep_a();
    let_a_go();
}

static void keep_b(void)
{
    weft_mutex_lock(&b);
}

static void let_b_go(void)
{
    weft_mutex_unlock(&b);
}

static void visit_b(void)
{
    keep_b();
    let_b_go();
}

static void write_rw(void)
{
    weft_rwmutex_lock(&rw);
}

static void stop_writing(void)
{
    weft_rwmutex_unlock(&rw);
}

static void read_rw(void)
{
    weft_rwmutex_rlock(&rw);
    weft_rwmutex_runlock(&rw);
}

#define WAITS_FOR_A keep_a, let_a_go
#define WAITS_FOR_B keep_b, let_b_go
#define WAITS_TO_READ write_rw, stop_writing

/* ---- mutexes ---- */

CHILD(mutexes)
{
    run_visits((struct visit[]){
        {WAITS_FOR_A, visit_a}, {WAITS_FOR_B, visit_b}, {WAITS_FOR_A, visit_a}, {0}});
}

TEST(a_mutex_that_was_waited_for_is_not_held_for_good)
{
    /* Goal: the wait is seen and the inline unlock isn't: two mutexes that are never nested make no order. (They made two.) */
    spawn("mutexes", 0);
}

static void visit_b_checked(void)
{
    weft_mutex_lock_checked(&b);
    weft_mutex_unlock_checked(&b);
}

static void visit_a_with_b_checked(void)
{
    weft_mutex_lock_checked(&b);
    visit_a();
    weft_mutex_unlock_checked(&b);
}

CHILD(beside_checked)
{
    run_visits((struct visit[]){{WAITS_FOR_A, visit_a},
                                {WAITS_FOR_B, visit_b_checked},
                                {WAITS_FOR_A, visit_a_with_b_checked},
                                {0}});
}

TEST(nor_in_a_program_with_a_part_that_is_checked)
{
    /* Goal: the checked part's locks have no order with the others. Method: it takes b, and calls the other part for a. */
    spawn("beside_checked", 0);
}

/* ---- conds ---- */

static void signal_cond(void)
{
    keep_a();
    weft_cond_signal(&cond);
    let_a_go();
}

static void wait_for_cond(void)
{
    keep_a();
    weft_cond_wait(&cond);
    let_a_go();
}

static void wait_for_cond_for_long(void)
{
    keep_a();
    CHECK_EQ(weft_cond_wait_until(&cond, weft_now() + 3600 * INT64_C(1000000000)), 0);
    let_a_go();
}

static void time_out_then_wait(void)
{
    keep_a();
    CHECK_EQ(weft_cond_wait_until(&cond, weft_now() - 1), -ETIMEDOUT);
    let_a_go();
    wait_for_cond();
}

CHILD(waits)
{
    run_visits((struct visit[]){{nothing, signal_cond, wait_for_cond},
                                {WAITS_FOR_B, visit_b},
                                {nothing, signal_cond, wait_for_cond},
                                {0}});
}

CHILD(long_waits)
{
    run_visits((struct visit[]){{nothing, signal_cond, wait_for_cond_for_long},
                                {WAITS_FOR_B, visit_b},
                                {nothing, signal_cond, wait_for_cond_for_long},
                                {0}});
}

static void time_out_with_b_checked(void)
{
    weft_mutex_lock_checked(&b);
    time_out_then_wait();
    weft_mutex_unlock_checked(&b);
}

CHILD(time_outs)
{
    run_visits((struct visit[]){{nothing, signal_cond, time_out_then_wait},
                                {WAITS_FOR_B, visit_b_checked},
                                {nothing, signal_cond, time_out_with_b_checked},
                                {0}});
}

TEST(a_wait_notes_no_mutex_that_it_did_not_know)
{
    /* Goal: the mutex that a wait gives back and takes again isn't held for good either, with and without a deadline. */
    spawn("waits", 0);
    spawn("long_waits", 0);
    spawn("time_outs", 0);
}

/* ---- readers ---- */

static void keep_reading(void)
{
    weft_rwmutex_rlock(&rw);
}

static void stop_reading(void)
{
    weft_rwmutex_runlock(&rw);
}

static void try_to_read(void)
{
    CHECK(weft_rwmutex_try_rlock(&rw));
    weft_rwmutex_runlock(&rw);
    visit_b();
}

static void read_with_b_checked(void)
{
    weft_mutex_lock_checked(&b);
    weft_rwmutex_rlock_checked(&rw);
    weft_rwmutex_runlock_checked(&rw);
    weft_mutex_unlock_checked(&b);
}

/* While others read: for a lock that nobody has, or a writer locks, the record begins anew. */
#define FINDS_READERS keep_reading, stop_reading

CHILD(readers)
{
    run_visits((struct visit[]){{WAITS_TO_READ, read_rw},
                                {WAITS_FOR_B, visit_b_checked},
                                {FINDS_READERS, read_with_b_checked},
                                {0}});
}

CHILD(tries)
{
    run_visits(
        (struct visit[]){{WAITS_FOR_B, try_to_read}, {FINDS_READERS, read_with_b_checked}, {0}});
}

TEST(a_reader_is_not_there_for_good)
{
    /* Goal: the same of reading, whether it waited or tried. */
    spawn("readers", 0);
    spawn("tries", 0);
}

/* ---- writers ---- */

static void write_with_b_checked(void)
{
    weft_mutex_lock_checked(&b);
    write_rw();
    stop_writing();
    weft_mutex_unlock_checked(&b);
}

static void b_checked_within_a_write(void)
{
    write_rw();
    visit_b_checked();
    stop_writing();
}

CHILD(writers)
{
    run_visits((struct visit[]){
        {WAITS_TO_READ, write_with_b_checked}, {WAITS_FOR_B, b_checked_within_a_write}, {0}});
}

TEST(who_writes_is_seen_everywhere)
{
    /* Goal: the silence has an end: writing is never inline, so its orders with a checked part's locks are told. */
    spawn("writers", 1);
}
