/* SPDX-License-Identifier: Apache-2.0
 * held.c - a thread that is stopped anywhere while it sends to, or closes, what three goroutines watch (runtime/chan/watch.h)
 * stops at most the one whom it has claimed. */
#include "../test.h"

#include "runtime/hooks.h"

enum { ROUNDS = 40 };

struct loop {
    weft_chan *in, *done;
};

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

static void loops_on(void *arg)
{
    struct loop *l = arg;
    int64_t v;
    bool open = true;
    while (open)
        WEFT_SELECT(WEFT_RECV(l->in, &v), WEFT_RECV_OK(l->done, NULL, &open));
}

static void hold_once(void *arg)
{
    struct loop l = {.in = weft_chan_new(sizeof(int64_t), 0), .done = weft_chan_new(0, 0)};
    pthread_t thread;
    int64_t v = 0;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(loops_on, &l), 0);
    for (int i = 0; i < 9; i++)
        weft_chan_send(l.in, &v);
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
    test_until_goroutines(1);
    weft_chan_unref(l.in);
    weft_chan_unref(l.done);
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
