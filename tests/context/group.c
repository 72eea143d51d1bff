/* SPDX-License-Identifier: Apache-2.0
 * group.c - weft_group, rule by rule. */
#include "tree.h"

static atomic_int active, peak, ran;
static weft_waitgroup hold; /* tasks that wait for it stay active */

static int quick(weft_ctx *ctx, void *arg)
{
    (void)ctx;
    atomic_fetch_add(&ran, 1);
    return (int)(intptr_t)arg;
}

static int held(weft_ctx *ctx, void *arg)
{
    (void)ctx;
    weft_waitgroup_wait(&hold);
    return (int)(intptr_t)arg;
}

static int until_cancelled(weft_ctx *ctx, void *arg)
{
    tree_await(ctx);
    atomic_fetch_add(&ran, 1);
    return arg ? (int)(intptr_t)arg : weft_ctx_err(ctx);
}

static weft_group *group(weft_ctx *parent)
{
    weft_group *g = weft_group_new(parent);
    REQUIRE(g);
    return g;
}

static void first_error(void *arg)
{
    (void)arg;
    atomic_store(&ran, 0);
    weft_group *g = group(weft_ctx_background());
    weft_ctx *ctx = weft_ctx_ref(weft_group_ctx(g));
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_group_go(g, until_cancelled, (void *)(intptr_t)-EBADF), 0);
    CHECK_EQ(weft_ctx_err(ctx), 0);
    CHECK_EQ(weft_group_go(g, quick, (void *)(intptr_t)-EIO), 0);
    CHECK_EQ(weft_group_wait(g), -EIO);
    CHECK_EQ(atomic_load(&ran), 6);
    CHECK_EQ(weft_ctx_err(ctx), -ECANCELED);
    CHECK_EQ(weft_error_code(weft_ctx_cause(ctx)), -EIO);
    CHECK_EQ(weft_group_wait(g), -EIO); /* EG-06 */
    CHECK_EQ(weft_group_go(g, quick, (void *)(intptr_t)-EPIPE), 0);
    CHECK_EQ(weft_group_wait(g), -EIO);
    weft_group_free(g);
    CHECK_EQ(weft_error_code(weft_ctx_cause(ctx)), -EIO);
    weft_ctx_unref(ctx);
}

TEST(first_error_ends_the_rest)
{
    /* Goal: wait gives the first non-zero result, which cancelled the context with that code as its cause (EG-01); later ones
     * are dropped, and wait gives the same again (EG-06). */
    CHECK_EQ(test_run(first_error, NULL), 0);
}

static void all_well(void *arg)
{
    (void)arg;
    weft_ctx *parent = tree_need(weft_ctx_with_cancel(NULL));
    weft_group *g = group(parent);
    weft_ctx *ctx = weft_ctx_ref(weft_group_ctx(g));
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_group_go(g, quick, NULL), 0);
    CHECK_EQ(weft_group_wait(g), 0);
    CHECK_EQ(weft_ctx_err(ctx), -ECANCELED); /* so that nothing stays in the parent */
    CHECK_EQ(tree_children(parent), 0);
    CHECK_EQ(weft_ctx_err(parent), 0);
    weft_group_free(g);
    weft_ctx_unref(ctx);
    g = group(parent);
    CHECK_EQ(weft_group_go(g, until_cancelled, NULL), 0);
    weft_ctx_cancel(parent);
    CHECK_EQ(weft_group_wait(g), -ECANCELED);
    weft_group_free(g);
    weft_ctx_unref(parent);
    weft_group_free(NULL);
}

TEST(wait_ends_the_context)
{
    /* Goal: the context is a child of the given one, and ends with the group, without an error too. */
    CHECK_EQ(test_run(all_well, NULL), 0);
}

static int sees_no_context(weft_ctx *ctx, void *arg)
{
    CHECK_PTR_EQ(ctx, NULL);
    return (int)(intptr_t)arg;
}

static void no_context(void *arg)
{
    (void)arg;
    weft_group *g = group(NULL);
    CHECK_PTR_EQ(weft_group_ctx(g), NULL);
    CHECK_EQ(weft_group_wait(g), 0);
    CHECK_EQ(weft_group_go(g, sees_no_context, (void *)(intptr_t)7), 0);
    CHECK_EQ(weft_group_wait(g), 7);
    CHECK_EQ(weft_group_go(g, sees_no_context, (void *)(intptr_t)8), 0);
    CHECK_EQ(weft_group_wait(g), 7);
    CHECK_EQ(weft_group_go(g, NULL, NULL), -EINVAL);
    CHECK(!weft_group_try_go(g, NULL, NULL));
    weft_group_free(g);
}

TEST(works_without_a_context)
{
    /* Goal: a group without a context (EG-06). */
    CHECK_EQ(test_run(no_context, NULL), 0);
}

/* ---- limits ---- */

enum { LIMIT = 3, TASKS = 40 };

static int counted(weft_ctx *ctx, void *arg)
{
    int now = atomic_fetch_add(&active, 1) + 1, most = atomic_load(&peak);
    while (now > most && !atomic_compare_exchange_weak(&peak, &most, now))
        ;
    for (int i = 0; i < 5; i++)
        weft_yield();
    atomic_fetch_sub(&active, 1);
    (void)ctx;
    (void)arg;
    return 0;
}

static atomic_bool started;
static weft_group *limited_to_0;

static void one_more(void *g)
{
    CHECK_EQ(weft_group_go(g, quick, NULL), 0);
    atomic_store(&started, true);
}

static void limited(void *arg)
{
    (void)arg;
    weft_group *g = group(NULL);
    weft_group_set_limit(g, LIMIT);
    atomic_store(&peak, 0);
    for (int i = 0; i < TASKS; i++)
        CHECK_EQ(weft_group_go(g, counted, NULL), 0);
    CHECK_EQ(weft_group_wait(g), 0);
    CHECK_LE(atomic_load(&peak), LIMIT);
    weft_waitgroup_add(&hold, 1);
    for (int i = 0; i < LIMIT; i++)
        CHECK(weft_group_try_go(g, held, NULL));
    CHECK(!weft_group_try_go(g, held, NULL));
    REQUIRE(weft_go(one_more, g) == 0);
    test_until_parked(LIMIT + 1);
    CHECK(!atomic_load(&started));
    weft_waitgroup_done(&hold);
    TEST_UNTIL(atomic_load(&started));
    CHECK_EQ(weft_group_wait(g), 0);
    weft_group_set_limit(g, -1);
    for (int i = 0; i < 100; i++)
        CHECK(weft_group_try_go(g, quick, NULL));
    weft_group_free(g);
    g = group(NULL);
    weft_group_set_limit(g, 0);
    CHECK(!weft_group_try_go(g, quick, NULL));
    atomic_store(&started, false);
    REQUIRE(weft_go(one_more, g) == 0);
    test_until_parked(1);
    CHECK(!atomic_load(&started)); /* nor ever */
    limited_to_0 = g;              /* freed when the run's end has taken that one away */
}

TEST(limit_makes_go_wait)
{
    /* Goal: go waits and try_go refuses while as many are active as the limit says; 0 refuses all, negative is no limit
     * (EG-03). */
    CHECK_EQ(test_run(limited, NULL), 0);
    weft_group_free(limited_to_0);
}

static void go_at_limit_0(void *arg)
{
    (void)arg;
    weft_group *g = group(NULL);
    weft_group_set_limit(g, 0);
    weft_group_go(g, quick, NULL);
    FAIL("a task was started");
}

CHILD(go_at_limit_0)
{
    test_run(go_at_limit_0, NULL);
}

TEST(limit_0_lets_nobody_go_on)
{
    /* Goal: who waits for a place in a group of limit 0 waits for ever: where nobody else is left, a deadlock (EG-03). */
    static struct test_result r;
    if (test_emulator())
        SKIP("the emulator's thread counts as one that may call in");
    test_spawn("go_at_limit_0", &r);
    CHECK_EXITED(&r, 2);
    CHECK_STR_HAS(r.err, "fatal error: all goroutines are asleep - deadlock!\n\n"
                         "goroutine 1 [semacquire]:\n");
}

static void change_limit(void *arg)
{
    (void)arg;
    weft_group *g = group(NULL);
    weft_waitgroup_add(&hold, 1);
    weft_group_go(g, held, NULL);
    weft_group_set_limit(g, 2);
}

CHILD(limit_while_active)
{
    test_run(change_limit, NULL);
}

static int panics(weft_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    weft_panic("in a task");
}

static void run_panic(void *arg)
{
    (void)arg;
    weft_group *g = group(weft_ctx_background());
    weft_group_go(g, panics, NULL);
    weft_group_wait(g); /* runs on a deferred call's way; what comes of it is the process's end */
    weft_chan_recv(NULL, NULL);
}

CHILD(panic_in_task)
{
    test_run(run_panic, NULL);
}

static void lift_limit(void *arg)
{
    (void)arg;
    weft_group *g = group(NULL);
    weft_group_set_limit(g, 1);
    weft_waitgroup_add(&hold, 1);
    weft_group_go(g, held, NULL);
    CHECK(!weft_group_try_go(g, held, NULL));
    weft_group_set_limit(g, -1);
    CHECK(weft_group_try_go(g, held, NULL));
    weft_waitgroup_done(&hold);
    weft_group_wait(g);
    weft_group_set_limit(g, 1);
    weft_group_free(g);
}

TEST(a_limit_is_lifted_whoever_is_active)
{
    /* Goal: that is no change that would panic, in Go either. */
    CHECK_EQ(test_run(lift_limit, NULL), 0);
}

TEST(deaths)
{
    /* Goal: changing the limit while tasks are active panics with Go's text (EG-04); a panic in a task ends the process and is
     * not what wait gives (EG-05). */
    static struct test_result r;
    test_spawn("limit_while_active", &r);
    CHECK_EXITED(&r, 2);
    CHECK_STR_HAS(r.err,
                  "panic: errgroup: modify limit while 1 goroutines in the group are still active");
    test_spawn("panic_in_task", &r);
    CHECK_EXITED(&r, 2);
    CHECK_STR_HAS(r.err, "panic: in a task");
}

/* ---- leaving ---- */

static int leaves(weft_ctx *ctx, void *arg)
{
    (void)ctx;
    (void)arg;
    weft_goexit();
}

static void goexits(void *arg)
{
    (void)arg;
    weft_group *g = group(weft_ctx_background());
    weft_group_set_limit(g, 1);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_group_go(g, leaves, NULL), 0);
    CHECK_EQ(weft_group_wait(g), 0);
    weft_group_free(g);
}

TEST(goexit_ends_a_task)
{
    /* Goal: a task that leaves by weft_goexit gives its place back and is no failure. */
    CHECK_EQ(test_run(goexits, NULL), 0);
}

TEST(without_a_run_nothing_starts)
{
    /* Goal: -ESRCH, and the group is as before. */
    weft_group *g = group(weft_ctx_background());
    weft_group_set_limit(g, 1);
    CHECK_EQ(weft_group_go(g, quick, NULL), -ESRCH);
    CHECK(!weft_group_try_go(g, quick, NULL));
    CHECK_EQ(weft_group_wait(g), 0);
    weft_group_free(g);
}

/* ---- races ---- */

static int fails(weft_ctx *ctx, void *arg)
{
    (void)ctx;
    weft_yield();
    return (int)(intptr_t)arg;
}

static void many_fail(void *arg)
{
    (void)arg;
    for (int round = 0; round < test_scale(1000); round++) {
        weft_group *g = group(weft_ctx_background());
        for (intptr_t i = 1; i <= 8; i++)
            CHECK_EQ(weft_group_go(g, fails, (void *)-i), 0);
        int rc = weft_group_wait(g);
        CHECK(rc <= -1 && rc >= -8);
        CHECK_EQ(weft_error_code(weft_ctx_cause(weft_group_ctx(g))), rc);
        weft_group_free(g);
    }
}

TEST(many_fail_at_once)
{
    /* Goal: result and cause are of the same task, whoever comes first. */
    CHECK_EQ(test_run(many_fail, NULL), 0);
}

static void limit_again(void *arg)
{
    (void)arg;
    for (int round = 0; round < test_scale(2000); round++) {
        weft_group *g = group(NULL);
        weft_group_set_limit(g, 1);
        CHECK_EQ(weft_group_go(g, quick, NULL), 0);
        CHECK_EQ(weft_group_wait(g), 0);
        weft_group_set_limit(g, 1); /* panics if one is active */
        weft_group_free(g);
    }
}

static void *limit_again_outside(void *arg)
{
    limit_again(arg);
    return NULL;
}

static void limit_again_everywhere(void *arg)
{
    limit_again(arg);
    weft_blocking(limit_again_outside, arg);
}

TEST(places_are_free_when_wait_returns)
{
    /* Goal: a task that wait no longer waits for has given its place back, and doesn't touch the group any more. Method: who
     * waits is a goroutine, then a foreign thread, which runs beside the task that wakes it. */
    CHECK_EQ(test_run(limit_again_everywhere, NULL), 0);
}
