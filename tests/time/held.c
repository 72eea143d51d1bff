/* SPDX-License-Identifier: Apache-2.0
 * held.c - a thread that is stopped anywhere inside a call on a timer holds up neither that timer nor others.
 *
 * A foreign thread is held at the 1st, 2nd, 3rd ... atomic operation of a call, until the call has no more of them.
 * While it is held goroutines must get on with the same timers: set them, be given values, be called, stop. (One
 * value may go to the thread that is held.) Then it goes on, and in the end nothing is armed. */
#include "../test.h"

#include "runtime/hooks.h"

enum op { OP_RESET, OP_STOP, OP_RECV_UNTIL, OP_SELECT, OP_RESET_FUNC, OP_STOP_FUNC, OP_NEW, OPS };

static const char *const op_names[OPS] = {"reset",      "stop",      "recv_until", "select",
                                          "reset-func", "stop-func", "new"};

static weft_timer *timer, *func;
static weft_chan *never;
static enum op op;
static unsigned hold_at;
static atomic_bool victim_armed, victim_done;
static atomic_int calls;

static void count(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
}

static void victim_call(void)
{
    weft_chan *ch = weft_timer_chan(timer);
    switch (op) {
    case OP_RESET:
        weft_timer_reset(timer, 20000);
        return;
    case OP_STOP:
        weft_timer_stop(timer);
        return;
    case OP_RECV_UNTIL:
        weft_chan_recv_until(ch, NULL, weft_now() + TEST_MS);
        return;
    case OP_SELECT:
        WEFT_SELECT(WEFT_RECV(ch, NULL), WEFT_RECV(never, NULL), WEFT_AFTER(TEST_MS));
        return;
    case OP_RESET_FUNC:
        weft_timer_reset(func, 20000);
        return;
    case OP_STOP_FUNC:
        weft_timer_stop(func);
        return;
    default:
        weft_timer_unref(weft_after_func(WEFT_HOUR, count, &calls));
        weft_timer_unref(weft_after_func(0, count, &calls));
        weft_timer_unref(weft_timer_new(WEFT_HOUR));
    }
}

static void *victim(void *arg)
{
    (void)arg;
    CHECK(weft_priv_hold_at(hold_at));
    atomic_store(&victim_armed, true);
    victim_call();
    weft_priv_hold_at(0);
    atomic_store(&victim_done, true);
    return NULL;
}

/* A value of the timer, a call of the function, and a sleep: each must come. */
static void get_on(void)
{
    int before = atomic_load(&calls);
    int64_t limit = test_patience();
    do {
        weft_timer_reset(timer, 10000);
        if (test_now() > limit)
            test_stuck(__FILE__, __LINE__, "a value");
    } while (weft_chan_recv_until(weft_timer_chan(timer), NULL, weft_now() + TEST_MS) != 0);
    weft_timer_reset(func, 10000);
    TEST_UNTIL(atomic_load(&calls) > before);
    weft_timer_reset(func, WEFT_HOUR);
    weft_timer_stop(func);
    weft_sleep(10000);
}

static bool was_held;

static void hold_once(void *arg)
{
    pthread_t thread;
    (void)arg;
    timer = weft_timer_new(WEFT_HOUR);
    func = weft_after_func(WEFT_HOUR, count, &calls);
    REQUIRE(pthread_create(&thread, NULL, victim, NULL) == 0);
    TEST_UNTIL(atomic_load(&victim_armed));
    int64_t limit = test_now() + TEST_MS; /* it may be waiting, and be held only then */
    TEST_UNTIL(weft_priv_held() || atomic_load(&victim_done) || test_now() > limit);
    do {
        was_held = weft_priv_held();
        get_on();
    } while (was_held != weft_priv_held());
    weft_priv_release();
    TEST_UNTIL(atomic_load(&victim_done));
    pthread_join(thread, NULL);
    weft_timer_stop(timer);
    weft_timer_stop(func);
    weft_timer_unref(timer);
    weft_timer_unref(func);
    TEST_UNTIL(test_stats().timers == (op == OP_NEW)); /* one of its own is due in an hour */
}

TEST(a_stopped_thread_stops_no_timer)
{
    /* Goal: see above. */
    static char note[100];
    int points = 0;
    never = weft_chan_new(8, 0);
    for (op = 0; op < OPS; op++)
        for (hold_at = 1; hold_at < 200; hold_at++, points++) {
            snprintf(note, sizeof(note), "%s held at %u", op_names[op], hold_at);
            test_note_ = note;
            atomic_store(&victim_armed, false);
            atomic_store(&victim_done, false);
            weft_priv_release();
            CHECK_EQ(test_run(hold_once, NULL), 0);
            if (!was_held)
                break;
        }
    weft_chan_unref(never);
    fprintf(stderr, "    held at %d points\n", points);
    CHECK_GT(points, 5 * OPS);
}

/* ---- a stop that a reset overtakes ---- */

static bool stopped;
static int resets_before;

static void *stops(void *arg)
{
    CHECK(weft_priv_hold_at(hold_at));
    atomic_store(&victim_armed, true);
    stopped = weft_timer_stop(func);
    weft_priv_hold_at(0);
    atomic_store(&victim_done, true);
    return arg;
}

static void reset_beside_a_stop(void *arg)
{
    pthread_t thread;
    int resets = *(int *)arg, pending = 0;
    func = weft_after_func(WEFT_HOUR, count, &calls);
    for (int i = 0; i < resets_before; i++)
        CHECK(weft_timer_reset(func, WEFT_HOUR));
    REQUIRE(pthread_create(&thread, NULL, stops, NULL) == 0);
    TEST_UNTIL(atomic_load(&victim_armed));
    TEST_UNTIL(weft_priv_held() || atomic_load(&victim_done));
    was_held = weft_priv_held();
    for (int i = 0; i < resets; i++)
        pending += weft_timer_reset(func, WEFT_HOUR);
    weft_priv_release();
    TEST_UNTIL(atomic_load(&victim_done));
    pthread_join(thread, NULL);
    CHECK(stopped); /* whatever the order: it was never not armed before */
    CHECK_GE(pending, resets - 1);
    CHECK_EQ(weft_timer_stop(func), pending < resets); /* the stop was before one of them */
    CHECK_EQ(test_stats().timers, 0);
    weft_timer_unref(func);
}

TEST(a_stop_finds_what_a_reset_has_armed)
{
    /* Goal: the timer is armed all the time, with one deadline or another, so a stop says true; and of as many armings as
     * there were, all but that one end in a reset or the stop after. Method: hold a stop at each point, and reset once or
     * twice meanwhile; of a timer that was reset before, too. */
    int points = 0, calls_before = atomic_load(&calls);
    for (resets_before = 0; resets_before < 2; resets_before++)
        for (int resets = 1; resets < 3; resets++) {
            was_held = true;
            for (hold_at = 1; hold_at < 200 && was_held; hold_at++, points++) {
                atomic_store(&victim_armed, false);
                atomic_store(&victim_done, false);
                weft_priv_release();
                CHECK_EQ(test_run(reset_beside_a_stop, &resets), 0);
            }
        }
    CHECK_EQ(atomic_load(&calls), calls_before);
    fprintf(stderr, "    held at %d points\n", points);
    CHECK_GT(points, 4 * 4);
}
