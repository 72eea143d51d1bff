/* SPDX-License-Identifier: Apache-2.0
 * once.c - weft_once from inside: who waits while its function runs, in runs that end and among threads; objects
 * that vanish. */
#include "queued.h"

static weft_once once;
static atomic_int calls, over;
static atomic_bool go_on;
static long plain; /* written by the function */

static void work(void *arg)
{
    (void)arg;
    atomic_fetch_add(&calls, 1);
    plain++;
    TEST_UNTIL(atomic_load(&go_on));
    plain++;
}

static void do_once(void *arg)
{
    (void)arg;
    weft_once_do(&once, work, NULL);
    CHECK_EQ(plain, 2);
    CHECK(weft_once_done(&once));
    atomic_fetch_add(&over, 1);
}

static void reset(void)
{
    once = (weft_once){0};
    atomic_store(&calls, 0);
    atomic_store(&over, 0);
    atomic_store(&go_on, false);
    plain = 0;
}

/* ---- all wait for one ---- */

static void many(void *arg)
{
    struct outsider *o = arg;
    for (int i = 0; i < 10; i++)
        CHECK_EQ(weft_go(do_once, NULL), 0);
    for (int i = 0; i < 3; i++)
        outsider_start(&o[i], do_once, NULL);
    until_queued(&once.state_, 12);
    CHECK_EQ(atomic_load(&over), 0);
    CHECK(!weft_once_done(&once));
    atomic_store(&go_on, true);
    TEST_UNTIL(atomic_load(&over) == 13);
}

TEST(all_wait_for_the_first)
{
    /* Goal: nobody returns before the one call of the function has, and then all do, goroutines and threads. Method: it
     * waits until the others stand in the queue. */
    struct outsider o[3];
    reset();
    CHECK_EQ(test_run(many, o), 0);
    for (int i = 0; i < 3; i++)
        outsider_join(&o[i]);
    CHECK_EQ(atomic_load(&calls), 1);
    CHECK_EQ(peek(&once.state_), 1);
}

/* ---- the end of a run ---- */

static void leave_waiting(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(do_once, NULL), 0);
    until_queued(&once.state_, 4);
}

TEST(waiters_of_an_ended_run_are_forgotten)
{
    /* Goal: of those who wait those whose run has ended are forgotten, the others released. Method: the function runs on
     * one thread, another waits, and so do goroutines whose main returns. */
    struct outsider first, second;
    reset();
    outsider_start(&first, do_once, NULL);
    TEST_UNTIL(atomic_load(&calls) == 1);
    outsider_start(&second, do_once, NULL);
    until_queued(&once.state_, 1);
    CHECK_EQ(test_run(leave_waiting, NULL), 0);
    CHECK_EQ(queued(&once.state_), 1);
    atomic_store(&go_on, true);
    outsider_join(&first);
    outsider_join(&second);
    CHECK_EQ(atomic_load(&over), 2);
    CHECK_EQ(peek(&once.state_), 1);
}

/* ---- objects that vanish ---- */

enum { OBJECTS = 64, USERS = 3 };

struct object {
    weft_once once;
    atomic_int users;
    int value;
};

static _Atomic(struct object *) objects[OBJECTS];

static void set_value(void *arg)
{
    ((struct object *)arg)->value = 7;
    weft_yield();
}

static void use_all(void *arg)
{
    (void)arg;
    for (int i = 0; i < OBJECTS; i++) {
        struct object *o = atomic_load(&objects[i]);
        weft_once_do(&o->once, set_value, o);
        CHECK_EQ(o->value, 7);
        if (atomic_fetch_sub(&o->users, 1) == 1) {
            memset(o, 0xff, sizeof(*o));
            free(o);
        }
    }
}

TEST(the_last_user_frees_it)
{
    /* Goal: nothing touches the object when the last call has returned. Method: whoever is the last frees it; ASan, or
     * a pattern that stops who comes late. */
    for (int round = 0; round < test_scale(100); round++) {
        for (int i = 0; i < OBJECTS; i++) {
            struct object *o = calloc(1, sizeof(*o));
            REQUIRE(o);
            atomic_store(&o->users, USERS);
            atomic_store(&objects[i], o);
        }
        crowd_run(USERS - 1, 1, use_all, NULL);
    }
}
