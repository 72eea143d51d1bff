/* SPDX-License-Identifier: Apache-2.0
 * ctx.c - contexts: what ends what, with which error and cause, values, hooks; what is left behind. Races are in
 * races.c. */
#include "tree.h"

static weft_ctx *with_cancel(weft_ctx *parent)
{
    return tree_need(weft_ctx_with_cancel(parent));
}

static weft_ctx *with_timeout(weft_ctx *parent, int64_t ns)
{
    return tree_need(weft_ctx_with_timeout(parent, ns));
}

static void check_goes_on(weft_ctx *ctx)
{
    CHECK_EQ(weft_ctx_err(ctx), 0);
    CHECK_PTR_EQ(weft_ctx_cause(ctx), NULL);
    CHECK_EQ(weft_chan_try_recv(weft_ctx_done(ctx), NULL), -EAGAIN);
}

static void check_ended(weft_ctx *ctx, int err, int cause)
{
    CHECK_EQ(weft_ctx_err(ctx), err);
    CHECK_EQ(weft_error_code(weft_ctx_cause(ctx)), cause);
    CHECK(tree_done(ctx));
}

/* ---- the background ---- */

static void looks_at_background(void *arg)
{
    weft_ctx *both[] = {weft_ctx_background(), NULL};
    int64_t deadline = 7;
    (void)arg;
    CHECK(both[0]);
    CHECK_PTR_EQ(both[0], weft_ctx_background());
    for (int i = 0; i < 2; i++) {
        weft_ctx *ctx = both[i];
        weft_ctx_cancel(ctx);
        CHECK_PTR_EQ(weft_ctx_ref(ctx), ctx);
        weft_ctx_unref(ctx);
        weft_ctx_unref(ctx);
        CHECK_PTR_EQ(weft_ctx_done(ctx), NULL);
        CHECK_EQ(weft_ctx_err(ctx), 0);
        CHECK_PTR_EQ(weft_ctx_cause(ctx), NULL);
        CHECK(!weft_ctx_deadline(ctx, &deadline));
        CHECK_EQ(deadline, 7);
        CHECK_PTR_EQ(weft_ctx_value(ctx, &deadline), NULL);
        CHECK_PTR_EQ(weft_ctx_trace(ctx), NULL);
    }
}

TEST(background_never_ends)
{
    /* Goal: the root has no channel, no error, no deadline and no values (CX-01), NULL is the root, and its references
     * cost nothing. Method: cancel it, drop references nobody has; in a run and outside. */
    CHECK_EQ(test_run(looks_at_background, NULL), 0);
    looks_at_background(NULL);
}

/* ---- cancelling ---- */

static void first_wins(void *arg)
{
    weft_ctx *ctx = with_cancel(NULL);
    weft_chan *done = weft_ctx_done(ctx);
    (void)arg;
    check_goes_on(ctx);
    weft_ctx_cancel_cause(ctx, weft_error_new(-EIO, "first"));
    check_ended(ctx, -ECANCELED, -EIO);
    weft_error *cause = weft_ctx_cause(ctx);
    weft_ctx_cancel_cause(ctx, weft_error_new(-EBADF, "second"));
    weft_ctx_cancel(ctx);
    check_ended(ctx, -ECANCELED, -EIO);
    CHECK_PTR_EQ(weft_ctx_cause(ctx), cause);
    CHECK_STR_EQ(weft_error_message(cause), "first");
    CHECK_PTR_EQ(weft_ctx_done(ctx), done);
    weft_ctx_unref(ctx);
}

TEST(first_cancel_wins)
{
    /* Goal: cancelling is idempotent; error, cause and channel never change (CX-03, CX-21), and the error is
     * -ECANCELED whatever the cause (CX-02, CX-04). Method: cancel three times with other causes. */
    CHECK_EQ(test_run(first_wins, NULL), 0);
    first_wins(NULL);
}

TEST(plain_cancel_has_a_plain_cause)
{
    /* Goal: without a cause the cause is a plain error of the same code and Go's words (CX-02, CX-04). */
    weft_ctx *ctx = with_cancel(NULL);
    weft_ctx_cancel_cause(ctx, NULL);
    check_ended(ctx, -ECANCELED, -ECANCELED);
    CHECK_STR_EQ(weft_error_message(weft_ctx_cause(ctx)), "context canceled");
    weft_ctx_unref(ctx);
}

enum { DEPTH = 100 };

TEST(all_below_end_with_error_and_cause)
{
    /* Goal: who is below ends with the error and the cause of the one that was ended (CX-04), at whatever depth, and
     * nobody above. Method: chains of 100 cancellable contexts with values between, cut in the middle. */
    weft_ctx *chain[DEPTH], *values[DEPTH], *up = NULL;
    for (int i = 0; i < DEPTH; i++) {
        values[i] = tree_need(weft_ctx_with_value(up, &chain[i], &values[i]));
        up = chain[i] = with_cancel(values[i]);
    }
    weft_chan *last = weft_ctx_done(chain[DEPTH - 1]);
    weft_ctx_cancel_cause(chain[DEPTH / 2], weft_error_new(-EPIPE, "cut"));
    CHECK_EQ(weft_chan_try_recv(last, NULL), -EPIPE);
    for (int i = 0; i < DEPTH / 2; i++)
        check_goes_on(chain[i]);
    for (int i = DEPTH / 2; i < DEPTH; i++) {
        check_ended(chain[i], -ECANCELED, -EPIPE);
        CHECK_PTR_EQ(weft_ctx_value(chain[i], &chain[0]), &values[0]);
    }
    CHECK_EQ(tree_children(chain[DEPTH / 2 - 1]), 0);
    for (int i = 0; i < DEPTH; i++) {
        weft_ctx_unref(values[i]);
        if (i < DEPTH - 1)
            weft_ctx_unref(chain[i]);
    }
    weft_ctx_unref(chain[DEPTH - 1]); /* and with it all the rest */
}

TEST(child_that_ends_leaves_at_once)
{
    /* Goal: cancelling a child touches neither parent nor siblings, and the parent keeps nothing of it (CX-11). Method: look at
     * the parent's ring: cancel the first, the last and one between, drop others without cancelling. */
    weft_ctx *parent = with_cancel(NULL), *children[6];
    for (int i = 0; i < 6; i++)
        children[i] = with_cancel(parent);
    CHECK_EQ(tree_children(parent), 6);
    for (int i = 0; i < 3; i++) {
        int which[] = {0, 5, 2};
        weft_ctx_cancel(children[which[i]]);
        CHECK_EQ(tree_children(parent), 5 - i);
        check_goes_on(parent);
        check_goes_on(children[3]);
        weft_ctx_unref(children[which[i]]);
    }
    weft_ctx_unref(children[1]);
    weft_ctx_unref(children[3]);
    CHECK_EQ(tree_children(parent), 1);
    weft_ctx_cancel(parent);
    check_ended(children[4], -ECANCELED, -ECANCELED);
    weft_ctx_unref(children[4]);
    weft_ctx_unref(parent);
}

TEST(child_of_an_ended_parent_is_born_ended)
{
    /* Goal: it has its parent's error and cause at once (CX-08), and its own channel is closed. */
    weft_ctx *parent = with_cancel(NULL);
    weft_ctx_cancel_cause(parent, weft_error_new(-EIO, "why"));
    weft_ctx *child = with_cancel(parent), *grandchild = with_cancel(child);
    check_ended(child, -ECANCELED, -EIO);
    check_ended(grandchild, -ECANCELED, -EIO);
    CHECK(weft_ctx_done(child) != weft_ctx_done(parent));
    weft_ctx_cancel_cause(child, weft_error_new(-EBADF, "too late"));
    weft_ctx_unref(parent);
    check_ended(child, -ECANCELED, -EIO); /* it holds its parent */
    weft_ctx_unref(child);
    weft_ctx_unref(grandchild);
}

TEST(what_cant_be_cancelled_is_not)
{
    /* Goal: cancelling one with a value, a trace id or without cancel does nothing, and its cause is freed (a leak for
     * LSan). */
    weft_ctx *parent = with_cancel(NULL);
    weft_ctx *others[] = {weft_ctx_with_value(parent, &parent, NULL),
                          weft_ctx_with_trace(parent, "t"), weft_ctx_without_cancel(parent)};
    for (int i = 0; i < 3; i++) {
        weft_ctx_cancel_cause(tree_need(others[i]), weft_error_new(-EIO, "nothing"));
        CHECK_EQ(weft_ctx_err(others[i]), 0);
        weft_ctx_unref(others[i]);
    }
    check_goes_on(parent);
    weft_ctx_unref(parent);
}

TEST(without_cancel_keeps_only_the_values)
{
    /* Goal: no channel, no error, no deadline, no cause, but values and trace id; its children end on their own
     * (CX-13). */
    weft_ctx *parent = with_cancel(NULL);
    weft_ctx *value = tree_need(weft_ctx_with_value(parent, &parent, &value));
    weft_ctx *trace = tree_need(weft_ctx_with_trace(value, "abc"));
    weft_ctx *free_one = tree_need(weft_ctx_without_cancel(trace));
    weft_ctx *child = with_cancel(free_one);
    weft_ctx_cancel(parent);
    check_ended(trace, -ECANCELED, -ECANCELED);
    CHECK_PTR_EQ(weft_ctx_done(free_one), NULL);
    CHECK_EQ(weft_ctx_err(free_one), 0);
    CHECK_PTR_EQ(weft_ctx_cause(free_one), NULL);
    CHECK(!weft_ctx_deadline(free_one, NULL));
    CHECK_PTR_EQ(weft_ctx_value(free_one, &parent), &value);
    CHECK_STR_EQ(weft_ctx_trace(free_one), "abc");
    check_goes_on(child);
    weft_ctx_cancel(child);
    check_ended(child, -ECANCELED, -ECANCELED);
    weft_ctx_unref(parent);
    weft_ctx_unref(value);
    weft_ctx_unref(trace);
    weft_ctx_unref(free_one);
    CHECK_PTR_EQ(weft_ctx_value(child, &parent), &value);
    weft_ctx_unref(child);
}

/* ---- deadlines ---- */

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

/* ---- values ---- */

TEST(nearest_value_wins)
{
    /* Goal: lookup passes through every kind of context and takes the nearest; missing is NULL; a NULL value hides (CX-14). */
    static int key, other, a, b;
    weft_ctx *base = tree_need(weft_ctx_with_value(NULL, &key, &a));
    weft_ctx *cancel = with_cancel(base);
    weft_ctx *trace = tree_need(weft_ctx_with_trace(cancel, "1"));
    weft_ctx *plain = tree_need(weft_ctx_without_cancel(trace));
    weft_ctx *second = tree_need(weft_ctx_with_value(plain, &key, &b));
    weft_ctx *hides = tree_need(weft_ctx_with_value(second, &key, NULL));
    CHECK_PTR_EQ(weft_ctx_value(plain, &key), &a);
    CHECK_PTR_EQ(weft_ctx_value(second, &key), &b);
    CHECK_PTR_EQ(weft_ctx_value(hides, &key), NULL);
    CHECK_PTR_EQ(weft_ctx_value(hides, &other), NULL);
    CHECK_PTR_EQ(weft_ctx_value(base, &key), &a);
    weft_ctx *all[] = {base, cancel, trace, plain, second, hides};
    for (int i = 0; i < 6; i++)
        weft_ctx_unref(all[i]);
}

TEST(trace_id_is_the_nearest)
{
    /* Goal: a copy, inherited, hidden by a nearer one or by none. */
    char text[] = "request 7";
    weft_ctx *outer = tree_need(weft_ctx_with_trace(NULL, text));
    text[0] = 'x';
    weft_ctx *inner = tree_need(weft_ctx_with_cancel(outer));
    weft_ctx *none = tree_need(weft_ctx_with_trace(inner, NULL));
    weft_ctx_unref(outer);
    CHECK_STR_EQ(weft_ctx_trace(inner), "request 7");
    CHECK_PTR_EQ(weft_ctx_trace(none), NULL);
    weft_ctx_unref(inner);
    weft_ctx_unref(none);
}

CHILD(nil_key)
{
    weft_ctx_with_value(NULL, NULL, NULL);
}

CHILD(close_done)
{
    weft_chan_close(weft_ctx_done(weft_ctx_with_cancel(NULL)));
}

TEST(misuse_panics)
{
    /* Goal: a NULL key is Go's panic "nil key" (CX-15); a context's channel is not the program's to close. */
    static struct test_result r;
    test_spawn("nil_key", &r);
    CHECK_EXITED(&r, 2);
    CHECK_STR_HAS(r.err, "panic: nil key");
    test_spawn("close_done", &r);
    CHECK_EXITED(&r, 2);
    CHECK_STR_HAS(r.err, "panic: close of a context's channel");
}

/* ---- hooks ---- */

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

/* ---- waiting ---- */

static void waiter(void *arg)
{
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(NULL, NULL), WEFT_DONE(arg)), 1);
    weft_waitgroup_done(&started);
}

enum { WAITERS = 20 };

static void many_wait(void *arg)
{
    (void)arg;
    weft_ctx *parent = with_cancel(NULL), *children[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        children[i] = with_cancel(parent);
        weft_waitgroup_add(&started, 1);
        REQUIRE(weft_go(waiter, children[i]) == 0);
    }
    test_until_parked(WAITERS);
    weft_ctx_cancel(children[3]);
    test_until_goroutines(WAITERS);
    weft_ctx_cancel(parent);
    weft_waitgroup_wait(&started);
    for (int i = 0; i < WAITERS; i++)
        weft_ctx_unref(children[i]);
    weft_ctx_unref(parent);
    CHECK_EQ(WEFT_SELECT(WEFT_DONE(NULL), WEFT_DEFAULT), 1);
}

TEST(select_waits_for_the_end)
{
    /* Goal: WEFT_DONE in a select is chosen when the context ends, and by no other's end. */
    CHECK_EQ(test_run(many_wait, NULL), 0);
}

TEST(channel_keeps_the_context)
{
    /* Goal: a reference to the channel alone keeps the context where it is: the parent's end still closes it. */
    weft_ctx *parent = with_cancel(NULL), *child = with_cancel(parent);
    weft_chan *done = weft_chan_ref(weft_ctx_done(child));
    weft_ctx_unref(child);
    CHECK_EQ(tree_children(parent), 1);
    CHECK_EQ(weft_chan_try_recv(done, NULL), -EAGAIN);
    weft_ctx_cancel(parent);
    CHECK_EQ(weft_chan_try_recv(done, NULL), -EPIPE);
    weft_chan_unref(done);
    child = with_cancel(NULL);
    done = weft_chan_ref(weft_ctx_done(child));
    weft_ctx_cancel(child);
    weft_ctx_unref(child);
    CHECK_EQ(weft_chan_try_recv(done, NULL), -EPIPE);
    CHECK_EQ(weft_chan_len(done) + weft_chan_cap(done) + weft_chan_elem_size(done), 0);
    weft_chan_unref(done);
    weft_ctx_unref(parent);
}

static void derives(void *arg)
{
    (void)arg;
    weft_ctx *ctx[100], *up = with_timeout(NULL, WEFT_HOUR);
    for (int i = 0; i < 100; i++)
        ctx[i] = with_timeout(up, WEFT_MINUTE);
    CHECK_EQ(weft_num_goroutine(), 1);
    for (int i = 0; i < 100; i++)
        weft_ctx_unref(ctx[i]);
    weft_ctx_unref(up);
    CHECK_EQ(test_stats().timers, 0);
}

TEST(contexts_have_no_goroutines)
{
    /* Goal: a hundred derived contexts cost no goroutine (CX-12). */
    CHECK_EQ(test_run(derives, NULL), 0);
}

TEST(children_that_come_and_go_cost_no_memory)
{
    /* Goal: a server's root keeps nothing of its requests. Method: many children, half cancelled, half just
     * dropped; resident memory. */
    weft_ctx *root = with_cancel(NULL);
    long before = 0;
    for (int i = 0; i < test_scale(1000000); i++) {
        if (i == 1000)
            before = test_rss_kib();
        weft_ctx *ctx = with_cancel(root), *below = with_cancel(ctx);
        if (i & 1)
            weft_ctx_cancel(ctx);
        weft_ctx_unref(i & 2 ? ctx : below);
        weft_ctx_unref(i & 2 ? below : ctx);
    }
    CHECK_EQ(tree_children(root), 0);
    if (test_rss_tells())
        CHECK_LE(test_rss_kib() - before, 1024);
    weft_ctx_unref(root);
}
