/* SPDX-License-Identifier: Apache-2.0
 * goexit.c - weft_goexit: deferred calls run, only this goroutine ends. (GO-16; GO-19 is in death/.) */
#include "../test.h"

static char order[64];
static atomic_int order_used, after;
static weft_waitgroup all;

static void note(void *arg)
{
    order[atomic_fetch_add(&order_used, 1)] = (char)(intptr_t)arg;
}

static void done(void *arg)
{
    weft_waitgroup_done(arg);
}

static void reset(void)
{
    memset(order, 0, sizeof(order));
    atomic_store(&order_used, 0);
    atomic_store(&after, 0);
    all = (weft_waitgroup){0};
}

static void exits_at_once(void *arg)
{
    (void)arg;
    WEFT_DEFER(done, &all);
    WEFT_DEFER(note, (void *)'a');
    WEFT_DEFER(note, (void *)'b');
    WEFT_DEFER(note, (void *)'c');
    weft_goexit();
    atomic_fetch_add(&after, 1);
}

/* Through a pointer: the compiler must not see that nothing here returns. */
static void (*volatile leave)(void) = weft_goexit;

static TEST_NOINLINE void exits_below(int depth)
{
    WEFT_DEFER(note, (void *)(intptr_t)('0' + depth));
    if (depth < 9)
        exits_below(depth + 1);
    else
        leave();
    atomic_fetch_add(&after, 1);
}

static void exits_nested(void *arg)
{
    (void)arg;
    WEFT_DEFER(done, &all);
    exits_below(0);
    atomic_fetch_add(&after, 1);
}

static void run_one(void *arg)
{
    weft_fn fn = *(weft_fn *)arg;
    weft_waitgroup_add(&all, 1);
    CHECK_EQ(weft_go(fn, NULL), 0);
    weft_waitgroup_wait(&all);
    test_until_goroutines(1);
}

static void expect(weft_fn fn, const char *expected)
{
    reset();
    CHECK_EQ(test_run(run_one, &fn), 0);
    CHECK_STR_EQ(order, expected);
    CHECK_EQ(atomic_load(&after), 0);
}

TEST(deferred_calls_run_last_in_first_out)
{
    /* Goal: goexit runs the deferred calls of its function in reverse and does not return.
     * Method: three calls that write a letter each. */
    expect(exits_at_once, "cba");
}

TEST(all_frames_run_their_deferred_calls)
{
    /* Goal: goexit deep in a call chain runs those of every frame. Method: ten nested frames. */
    expect(exits_nested, "9876543210");
}

static void yields_and_notes(void *arg)
{
    weft_yield();
    weft_sleep(1000);
    note(arg);
}

static void parks_in_deferred(void *arg)
{
    (void)arg;
    WEFT_DEFER(done, &all);
    WEFT_DEFER(yields_and_notes, (void *)'a');
    WEFT_DEFER(yields_and_notes, (void *)'b');
    weft_goexit();
}

TEST(deferred_calls_may_park)
{
    /* Goal: what goexit runs is ordinary goroutine code. Method: deferred calls yield and sleep. */
    expect(parks_in_deferred, "ba");
}

static void defers_more(void *arg)
{
    WEFT_DEFER(note, (void *)'x');
    note(arg);
}

static void exits_again(void *arg)
{
    WEFT_DEFER(note, (void *)'y');
    note(arg);
    weft_goexit();
}

static void nests_in_deferred(void *arg)
{
    (void)arg;
    WEFT_DEFER(done, &all);
    WEFT_DEFER(note, (void *)'a');
    WEFT_DEFER(exits_again, (void *)'b');
    WEFT_DEFER(defers_more, (void *)'c');
    weft_goexit();
}

TEST(deferred_calls_may_defer_and_exit)
{
    /* Goal: deferred calls have deferred calls of their own, and a goexit in one goes on with the
     * rest (as in Go). Method: letters in order. */
    expect(nests_in_deferred, "cxbya");
}

static void exit_silently(void *arg)
{
    (void)arg;
    weft_goexit();
}

static void counts(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    weft_yield();
    weft_waitgroup_done(&all);
}

static void many_exit(void *arg)
{
    int n = test_scale(2000);
    (void)arg;
    atomic_int counted = 0;
    for (int i = 0; i < n; i++) {
        weft_waitgroup_add(&all, 1);
        CHECK_EQ(weft_go(exit_silently, NULL), 0);
        CHECK_EQ(weft_go(counts, &counted), 0);
    }
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&counted), n);
    test_until_goroutines(1);
}

TEST(others_live_on)
{
    /* Goal: goexit ends its own goroutine only, and frees it. Method: as many that exit as that
     * count; all counted, none left. */
    reset();
    CHECK_EQ(test_run(many_exit, NULL), 0);
}

static void exits_in_group(void *arg)
{
    (void)arg;
    weft_goexit();
}

static void group_of_exits(void *arg)
{
    (void)arg;
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_waitgroup_go(&all, exits_in_group, NULL), 0);
    weft_waitgroup_wait(&all);
}

TEST(a_waitgroup_is_done_on_goexit)
{
    /* Goal: weft_waitgroup_go is done however its goroutine ends. Method: 100 that goexit. */
    reset();
    CHECK_EQ(test_run(group_of_exits, NULL), 0);
}
