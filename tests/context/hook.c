/* SPDX-License-Identifier: Apache-2.0
 * hook.c - what is left of hooks that were stopped or have been called: nothing. The memory of one is used again for the
 * next, and so is that of its context. */
#include "tree.h"

#include "runtime/hooks.h"

enum { ROUNDS = 100, SOME_ARE_KEPT = 50 }; /* by the processors and threads that were in use */

static uintptr_t hooks[ROUNDS], contexts[ROUNDS];

static int compare(const void *a, const void *b)
{
    uintptr_t x = *(const uintptr_t *)a, y = *(const uintptr_t *)b;
    return (x > y) - (x < y);
}

static int distinct(uintptr_t *of)
{
    int n = 1;
    qsort(of, ROUNDS, sizeof *of, compare);
    for (int i = 1; i < ROUNDS; i++)
        n += of[i] != of[i - 1];
    return n;
}

static void check_used_again(void)
{
    CHECK_LT(distinct(hooks), SOME_ARE_KEPT);
    CHECK_LT(distinct(contexts), SOME_ARE_KEPT);
}

static atomic_int called;

static void calls(void *arg)
{
    (void)arg;
    atomic_fetch_add(&called, 1);
}

/* The context lives on, ends before the stop, or had ended before the hook was made. */
enum end { END_NEVER, END_BEFORE_STOP, END_BEFORE_HOOK, ENDS };

static void hook_once(int i, enum end end)
{
    weft_ctx *ctx = tree_need(weft_ctx_with_cancel(NULL));
    if (end == END_BEFORE_HOOK)
        weft_ctx_cancel(ctx);
    weft_ctx_hook *hook = weft_ctx_after_func(ctx, calls, NULL);
    REQUIRE(hook);
    if (end == END_BEFORE_STOP)
        weft_ctx_cancel(ctx);
    contexts[i] = (uintptr_t)ctx;
    hooks[i] = (uintptr_t)hook;
    weft_ctx_unref(ctx);
    CHECK_EQ(weft_ctx_hook_stop(hook), end == END_NEVER);
}

static void hook_often(void *arg)
{
    (void)arg;
    for (int end = 0; end < ENDS; end++) {
        atomic_store(&called, 0);
        for (int i = 0; i < ROUNDS; i++)
            hook_once(i, (enum end)end);
        TEST_UNTIL(atomic_load(&called) == (end == END_NEVER ? 0 : ROUNDS));
        check_used_again();
    }
}

TEST(a_stopped_hook_leaves_nothing)
{
    CHECK_EQ(test_run(hook_often, NULL), 0);
    hook_often(NULL);
}

/* ---- stopped while the end of the context is on its way to it ---- */

static unsigned hold_at;
static atomic_bool armed, cancelled, stops_no_more;
static bool stopped;

static void *cancels(void *arg)
{
    weft_priv_hold_at(hold_at);
    atomic_store(&armed, true);
    weft_ctx_cancel(arg);
    weft_priv_hold_at(0);
    atomic_store(&cancelled, true);
    return NULL;
}

static void *stops(void *arg)
{
    stopped = weft_ctx_hook_stop(arg);
    atomic_store(&stops_no_more, true);
    return NULL;
}

/* A stop may have to wait for the cancel, so that is let go on after a while. */
static bool stop_beside_a_cancel(int i)
{
    pthread_t thread, stopper;
    weft_ctx *ctx = tree_need(weft_ctx_with_cancel(NULL));
    weft_ctx_hook *hook = weft_ctx_after_func(ctx, calls, NULL);
    REQUIRE(hook);
    int called_before = atomic_load(&called);
    atomic_store(&armed, false);
    atomic_store(&cancelled, false);
    weft_priv_release();
    REQUIRE(pthread_create(&thread, NULL, cancels, ctx) == 0);
    TEST_UNTIL(atomic_load(&armed));
    TEST_UNTIL(weft_priv_held() || atomic_load(&cancelled));
    bool held = weft_priv_held();
    contexts[i] = (uintptr_t)ctx;
    hooks[i] = (uintptr_t)hook;
    atomic_store(&stops_no_more, false);
    REQUIRE(pthread_create(&stopper, NULL, stops, hook) == 0);
    for (int turns = 0; turns < 100 && !atomic_load(&stops_no_more); turns++)
        sched_yield();
    weft_priv_release();
    pthread_join(stopper, NULL);
    pthread_join(thread, NULL);
    weft_ctx_unref(ctx);
    CHECK_EQ(atomic_load(&called) - called_before, !stopped); /* no run: the cancel calls it */
    return held;
}

TEST(a_hook_that_is_stopped_on_its_way_leaves_nothing)
{
    /* Goal: called, or stopped, and freed by one of the two. Method: hold the cancel at each point, and stop the hook. */
    int points = 0;
    unsigned stride = test_instrumented() ? 4 : 1;
    if (!weft_priv_hold_at(0))
        SKIP("not a test build");
    bool held = true;
    for (hold_at = 1; hold_at < 100 && held; hold_at += stride, points++) {
        for (int i = 0; i < ROUNDS; i++) /* as many, to be seen at each point by itself */
            held = stop_beside_a_cancel(i);
        check_used_again();
    }
    fprintf(stderr, "    held at %d points\n", points);
    CHECK_GT(points, 2);
}
