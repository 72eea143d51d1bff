/* SPDX-License-Identifier: Apache-2.0
 * deadline.c - contexts with deadlines: when they end, which deadline counts, their timers; and what becomes of them when
 * the run that they were made in is over. */
#include "tree.h"

/* ---- when one ends, and that no timer is left ---- */

static void deadline_ends(void *arg)
{
    (void)arg;
    weft_ctx *ctx = with_timeout(NULL, WEFT_MILLISECOND), *child = with_cancel(ctx);
    int64_t deadline = 0;
    CHECK(weft_ctx_deadline(child, &deadline));
    tree_await(child);
    CHECK_GE(weft_now(), deadline);
    check_ended(ctx, -ETIMEDOUT, -ETIMEDOUT);
    check_ended(child, -ETIMEDOUT, -ETIMEDOUT);
    CHECK_STR_EQ(weft_error_message(weft_ctx_cause(child)), "context deadline exceeded");
    weft_ctx_cancel_cause(ctx, weft_error_new(-EIO, "too late"));
    check_ended(ctx, -ETIMEDOUT, -ETIMEDOUT);
    weft_ctx_unref(ctx);
    weft_ctx_unref(child);
    CHECK_EQ(test_stats().timers, 0);
}

TEST(deadline_ends_all_below)
{
    /* Goal: a timeout ends with -ETIMEDOUT, itself and below, not before its time (CX-02, CX-03). */
    CHECK_EQ(test_run(deadline_ends, NULL), 0);
}

static void cancel_stops_timer(void *arg)
{
    (void)arg;
    weft_ctx *ctx = with_timeout(NULL, WEFT_HOUR);
    CHECK_EQ(test_stats().timers, 1);
    weft_ctx_cancel(ctx);
    check_ended(ctx, -ECANCELED, -ECANCELED);
    CHECK_EQ(test_stats().timers, 0);
    weft_ctx_unref(ctx);
    weft_ctx *parent = with_cancel(NULL);
    ctx = with_timeout(parent, WEFT_HOUR);
    weft_ctx *below = with_timeout(ctx, WEFT_MINUTE);
    CHECK_EQ(test_stats().timers, 2);
    weft_ctx_cancel(parent);
    CHECK_EQ(test_stats().timers, 0);
    check_ended(below, -ECANCELED, -ECANCELED);
    weft_ctx_unref(below);
    weft_ctx_unref(ctx);
    weft_ctx_unref(with_timeout(parent, WEFT_HOUR));
    weft_ctx_unref(parent);
    weft_ctx_unref(with_timeout(NULL, WEFT_HOUR)); /* nobody has it any more */
    CHECK_EQ(test_stats().timers, 0);
}

TEST(cancel_leaves_no_timer)
{
    /* Goal: one that was cancelled, by itself or from above, or that nobody has any more, has no pending timer (CX-19). */
    CHECK_EQ(test_run(cancel_stops_timer, NULL), 0);
}

static void later_is_ignored(void *arg)
{
    int64_t soon = weft_now() + WEFT_HOUR, deadline;
    (void)arg;
    weft_ctx *parent = tree_need(weft_ctx_with_deadline(NULL, soon));
    weft_ctx *later = tree_need(weft_ctx_with_deadline(parent, soon + 1));
    weft_ctx *never = tree_need(weft_ctx_with_deadline(parent, WEFT_FOREVER));
    weft_ctx *sooner = tree_need(weft_ctx_with_deadline(later, soon - 1));
    CHECK_EQ(test_stats().timers, 2);
    CHECK(weft_ctx_deadline(later, &deadline) && deadline == soon);
    CHECK(weft_ctx_deadline(never, &deadline) && deadline == soon);
    CHECK(weft_ctx_deadline(sooner, &deadline) && deadline == soon - 1);
    weft_ctx *none = tree_need(weft_ctx_with_deadline(NULL, WEFT_FOREVER));
    CHECK(!weft_ctx_deadline(none, &deadline));
    weft_ctx *longest = tree_need(weft_ctx_with_timeout(NULL, INT64_MAX)); /* as in Go */
    CHECK(weft_ctx_deadline(longest, &deadline) && deadline > soon && deadline < WEFT_FOREVER);
    weft_ctx_unref(longest);
    weft_ctx_cancel(never);
    weft_ctx_cancel(none);
    check_ended(never, -ECANCELED, -ECANCELED);
    check_ended(none, -ECANCELED, -ECANCELED);
    weft_ctx *all[] = {parent, later, never, sooner, none};
    for (int i = 0; i < 5; i++)
        weft_ctx_unref(all[i]);
}

TEST(deadline_after_the_parents_is_ignored)
{
    /* Goal: the parent's is reported, and no timer is armed (CX-06). */
    CHECK_EQ(test_run(later_is_ignored, NULL), 0);
}

static void past_is_ended(void *arg)
{
    (void)arg;
    int64_t past[] = {0, INT64_MIN, weft_now() - 1};
    for (int i = 0; i < 3; i++) {
        weft_ctx *ctx = tree_need(weft_ctx_with_deadline(NULL, past[i]));
        check_ended(ctx, -ETIMEDOUT, -ETIMEDOUT);
        weft_ctx_cancel(ctx);
        check_ended(ctx, -ETIMEDOUT, -ETIMEDOUT);
        weft_ctx_unref(ctx);
    }
    weft_ctx *ctx = with_timeout(NULL, 0), *parent = with_cancel(NULL);
    check_ended(ctx, -ETIMEDOUT, -ETIMEDOUT);
    weft_ctx_unref(ctx);
    weft_ctx_cancel(parent);
    ctx = with_timeout(parent, -1);
    check_ended(ctx, -ECANCELED, -ECANCELED); /* its parent was first */
    weft_ctx_unref(ctx);
    weft_ctx_unref(parent);
    CHECK_EQ(test_stats().timers, 0);
}

TEST(past_deadline_is_born_ended)
{
    /* Goal: it is returned ended, with -ETIMEDOUT, and can be cancelled without harm (CX-07). */
    CHECK_EQ(test_run(past_is_ended, NULL), 0);
}

TEST_NOINLINE static int without_run(void)
{
    errno = 0;
    return weft_ctx_with_timeout(NULL, 1) || weft_ctx_with_deadline(NULL, 1) ? 0 : errno;
}

TEST(deadline_needs_a_run)
{
    /* Goal: without a run there are no contexts with deadlines: NULL and ESRCH. */
    CHECK_EQ(without_run(), ESRCH);
}

/* ---- those that an earlier run has left ---- */

static weft_ctx *left[3];

static void leave_timers(void *arg)
{
    (void)arg;
    left[0] = with_timeout(NULL, WEFT_HOUR);
    left[1] = with_timeout(left[0], WEFT_MINUTE);
    left[2] = with_timeout(left[0], WEFT_SECOND / 100);
}

static void nothing(void *arg)
{
    (void)arg;
}

TEST(timers_left_by_a_run_are_dead)
{
    /* Goal: a context outlives the run it was made in; its deadline never ends it, but it can be cancelled and freed, with and
     * without another run. Method: drop one, cancel the others, after the next run. */
    CHECK_EQ(test_run(leave_timers, NULL), 0);
    weft_ctx_unref(left[2]);
    CHECK_EQ(test_run(nothing, NULL), 0);
    check_goes_on(left[0]);
    check_goes_on(left[1]);
    weft_ctx_cancel(left[0]);
    check_ended(left[1], -ECANCELED, -ECANCELED);
    weft_ctx_unref(left[1]);
    weft_ctx_unref(left[0]);
}

static void below_dead(void *arg)
{
    int64_t later = weft_now() + 2 * WEFT_HOUR, deadline;
    (void)arg;
    weft_ctx *between = with_cancel(left[0]);
    weft_ctx *child = tree_need(weft_ctx_with_deadline(between, later));
    CHECK_EQ(test_stats().timers, 1);
    CHECK(weft_ctx_deadline(child, &deadline) && deadline == later);
    weft_ctx *below = with_cancel(child);
    weft_ctx *grandchild = tree_need(weft_ctx_with_deadline(below, later + 1));
    CHECK_EQ(test_stats().timers, 1); /* the child's will come */
    CHECK(weft_ctx_deadline(grandchild, &deadline) && deadline == later);
    weft_ctx_unref(tree_need(weft_ctx_with_deadline(left[0], WEFT_FOREVER)));
    CHECK_EQ(test_stats().timers, 1);
    weft_ctx_cancel(left[0]);
    weft_ctx *late = tree_need(weft_ctx_with_deadline(left[0], later));
    check_ended(late, -ECANCELED, -ECANCELED);
    check_ended(grandchild, -ECANCELED, -ECANCELED);
    CHECK_EQ(test_stats().timers, 0);
    weft_ctx *all[] = {between, child, below, grandchild, late};
    for (int i = 0; i < 5; i++)
        weft_ctx_unref(all[i]);
}

TEST(dead_deadlines_hide_no_others)
{
    /* Goal: a deadline below a context that an earlier run has left is armed, though it is after the one there, which
     * never comes. Method: count timers; nothing waits for one. */
    CHECK_EQ(test_run(leave_timers, NULL), 0);
    CHECK_EQ(test_run(below_dead, NULL), 0);
    for (int i = 0; i < 3; i++)
        weft_ctx_unref(left[i]);
}
