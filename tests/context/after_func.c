/* SPDX-License-Identifier: Apache-2.0
 * after_func.c - hooks of contexts: when they are called, where, and how often. What is left of them is hook.c's. */
#include "tree.h"

static atomic_int ran;
static weft_waitgroup started;
static uint64_t ran_in;

static void hooked(void *arg)
{
    ran_in = weft_self();
    atomic_fetch_add(&ran, (int)(intptr_t)arg);
    weft_waitgroup_done(&started);
}

static weft_ctx_hook *hook_on(weft_ctx *ctx, intptr_t n)
{
    weft_waitgroup_add(&started, 1);
    weft_ctx_hook *hook = weft_ctx_after_func(ctx, hooked, (void *)n);
    REQUIRE(hook);
    return hook;
}

static void hooks_run(void *arg)
{
    weft_ctx *ctx = with_cancel(NULL), *child = with_cancel(ctx);
    (void)arg;
    atomic_store(&ran, 0);
    weft_ctx_hook *hook = hook_on(child, 1), *stopped = hook_on(child, 10);
    CHECK_EQ(weft_num_goroutine(), 1); /* hooks have none */
    CHECK(weft_ctx_hook_stop(stopped));
    weft_waitgroup_done(&started);
    weft_ctx_cancel(ctx);
    weft_waitgroup_wait(&started);
    CHECK_EQ(atomic_load(&ran), 1);
    CHECK(ran_in != 0 && ran_in != weft_self());
    CHECK(!weft_ctx_hook_stop(hook));
    hook = hook_on(child, 100); /* ended: at once */
    weft_waitgroup_wait(&started);
    CHECK_EQ(atomic_load(&ran), 101);
    CHECK(!weft_ctx_hook_stop(hook));
    hook = hook_on(NULL, 1000); /* never ends */
    CHECK(weft_ctx_hook_stop(hook));
    weft_waitgroup_done(&started);
    CHECK(!weft_ctx_hook_stop(NULL));
    weft_ctx_unref(child);
    hook = hook_on(ctx, 0);
    CHECK(!weft_ctx_hook_stop(hook));
    weft_waitgroup_wait(&started);
    weft_ctx_unref(ctx);
}

TEST(hooks_run_in_goroutines_of_their_own)
{
    /* Goal: a function is called once when the context ends, from above too, or at once if it has, in a goroutine of its own; stop
     * says whether it prevented that (CX-16). */
    CHECK_EQ(test_run(hooks_run, NULL), 0);
    CHECK_EQ(atomic_load(&ran), 101);
}

static void hook_holds(void *arg)
{
    (void)arg;
    weft_ctx *parent = with_cancel(NULL), *child = with_timeout(parent, WEFT_HOUR);
    atomic_store(&ran, 0);
    weft_ctx_hook *hook = hook_on(child, 1), *other = hook_on(child, 2);
    weft_ctx_unref(child);
    CHECK_EQ(tree_children(parent), 1);
    CHECK(weft_ctx_hook_stop(other));
    weft_waitgroup_done(&started);
    weft_ctx_cancel(parent);
    weft_waitgroup_wait(&started);
    CHECK_EQ(atomic_load(&ran), 1);
    CHECK(!weft_ctx_hook_stop(hook));
    child = with_cancel(NULL);
    hook = hook_on(child, 4);
    weft_ctx_unref(child);
    CHECK(weft_ctx_hook_stop(hook)); /* that was the last */
    weft_waitgroup_done(&started);
    weft_ctx_unref(parent);
    CHECK_EQ(test_stats().timers, 0);
}

TEST(hook_holds_its_context)
{
    /* Goal: a hook comes although nobody else has the context any more. */
    CHECK_EQ(test_run(hook_holds, NULL), 0);
}

static void timer_starts_hook(void *arg)
{
    (void)arg;
    weft_ctx *ctx = with_timeout(NULL, WEFT_MILLISECOND);
    atomic_store(&ran, 0);
    weft_ctx_hook *hook = hook_on(ctx, 1);
    weft_waitgroup_wait(&started);
    CHECK_EQ(weft_ctx_err(ctx), -ETIMEDOUT);
    CHECK(!weft_ctx_hook_stop(hook));
    weft_ctx_unref(ctx);
}

TEST(deadline_runs_hooks)
{
    CHECK_EQ(test_run(timer_starts_hook, NULL), 0);
    CHECK_EQ(atomic_load(&ran), 1);
}

TEST(hooks_without_a_run)
{
    /* Goal: where there is no run the one who ends the context calls the function. */
    weft_ctx *ctx = with_cancel(NULL);
    atomic_store(&ran, 0);
    ran_in = 99;
    weft_ctx_hook *hook = hook_on(ctx, 1);
    weft_ctx_cancel(ctx);
    CHECK_EQ(atomic_load(&ran), 1);
    CHECK_EQ(ran_in, 0);
    CHECK(!weft_ctx_hook_stop(hook));
    weft_ctx_unref(ctx);
}
