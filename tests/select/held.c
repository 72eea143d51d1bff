/* SPDX-License-Identifier: Apache-2.0
 * held.c - threads that are stopped at each atomic operation of what they do with a channel that is watched (runtime/chan/watch.h): who
 * sends to it, or closes it, stops at most the one whom he has claimed; and a close reaches who is stopped in a select. */
#include "../test.h"

#include "runtime/hooks.h"

enum { ROUNDS = 40 };

struct loop {
    weft_chan *in, *done, *other;
};

static void loop_init(struct loop *l)
{
    l->in = weft_chan_new(sizeof(int64_t), 0);
    l->done = weft_chan_new(0, 0);
    l->other = weft_chan_new(sizeof(int64_t), 0);
}

static void loop_fini(struct loop *l)
{
    weft_chan_unref(l->in);
    weft_chan_unref(l->done);
    weft_chan_unref(l->other);
}

static unsigned hold_at;
static bool victim_closes;
static atomic_bool victim_armed, victim_done;

static void *victim(void *arg)
{
    struct loop *l = arg;
    CHECK(weft_priv_hold_at(hold_at));
    atomic_store(&victim_armed, true);
    if (victim_closes)
        weft_chan_close(l->done);
    else
        weft_chan_try_send(l->done, NULL);
    weft_priv_hold_at(0);
    atomic_store(&victim_done, true);
    return NULL;
}

/* Each second wait is for something else. */
static void loops_on(void *arg)
{
    struct loop *l = arg;
    int64_t v;
    bool open = true;
    while (open) {
        CHECK_EQ(WEFT_SELECT(WEFT_RECV(l->in, &v), WEFT_RECV(l->other, &v)), 0);
        WEFT_SELECT(WEFT_RECV(l->in, &v), WEFT_RECV_OK(l->done, NULL, &open));
    }
}

static void hold_once(void *arg)
{
    struct loop l;
    pthread_t thread;
    int64_t v = 0;
    loop_init(&l);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(loops_on, &l), 0);
    for (int i = 0; i < 12; i++) {
        test_until_idle();
        weft_chan_send(l.in, &v);
    }
    test_until_idle();
    REQUIRE(pthread_create(&thread, NULL, victim, &l) == 0);
    TEST_UNTIL(atomic_load(&victim_armed));
    TEST_UNTIL(weft_priv_held() || atomic_load(&victim_done));
    *(bool *)arg = weft_priv_held();
    for (int i = 0; i < ROUNDS; i++)
        if (WEFT_SELECT(WEFT_SEND(l.in, &v), WEFT_RECV(l.done, NULL)) == 1)
            break;
    weft_priv_release();
    pthread_join(thread, NULL);
    if (!victim_closes)
        weft_chan_close(l.done);
    weft_chan_close(l.in);
    test_until_goroutines(1);
    loop_fini(&l);
}

TEST(who_is_stopped_there_stops_nobody_else)
{
    int points = 0;
    for (int i = 0; i < 2; i++) {
        bool was_held = true;
        victim_closes = i;
        for (hold_at = 1; was_held && hold_at < 200; hold_at++, points++) {
            atomic_store(&victim_armed, false);
            atomic_store(&victim_done, false);
            weft_priv_release();
            CHECK_EQ(test_run(hold_once, &was_held), 0);
        }
    }
    CHECK_GT(points, 10);
}

/* ---- a goroutine that is stopped in a select ---- */

static void is_held(void *arg)
{
    struct loop *l = arg;
    int64_t v;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(WEFT_SELECT(WEFT_RECV(l->in, &v), WEFT_RECV(l->done, NULL)), 0);
    CHECK(weft_priv_hold_at(hold_at));
    atomic_store(&victim_armed, true);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(l->in, &v), WEFT_RECV(l->done, NULL)), 1);
    atomic_store(&victim_done, true);
}

static bool was_held;

/* When it is held, or waits as main does. */
static void *closes(void *arg)
{
    struct loop *l = arg;
    TEST_UNTIL(atomic_load(&victim_armed));
    TEST_UNTIL(weft_priv_held() || test_stats().parked == 2);
    was_held = weft_priv_held();
    weft_chan_close(l->done);
    weft_priv_release();
    return NULL;
}

static void hold_the_select(void *arg)
{
    struct loop l;
    pthread_t thread;
    weft_waitgroup all = {0};
    int64_t v = 0;
    (void)arg;
    loop_init(&l);
    CHECK_EQ(weft_waitgroup_go(&all, is_held, &l), 0);
    for (int i = 0; i < 3; i++) {
        test_until_idle();
        weft_chan_send(l.in, &v);
    }
    REQUIRE(pthread_create(&thread, NULL, closes, &l) == 0);
    weft_waitgroup_wait(&all);
    pthread_join(thread, NULL);
    CHECK(atomic_load(&victim_done));
    loop_fini(&l);
}

TEST(a_close_reaches_who_is_stopped_in_a_select)
{
    int points = 0;
    was_held = true;
    for (hold_at = 1; was_held && hold_at < 60; hold_at++, points++) {
        atomic_store(&victim_armed, false);
        atomic_store(&victim_done, false);
        weft_priv_release();
        CHECK_EQ(test_run(hold_the_select, NULL), 0);
    }
    CHECK_GT(points, 5);
}
