/* SPDX-License-Identifier: Apache-2.0
 * ctx.c - contexts: what ends what, with which error and cause; values; who waits for an end; what is left behind.
 * Deadlines are in deadline.c, hooks in after_func.c, races in races.c. */
#include "tree.h"

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

/* ---- waiting ---- */

static weft_waitgroup waiting;

static void waiter(void *arg)
{
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(NULL, NULL), WEFT_DONE(arg)), 1);
    weft_waitgroup_done(&waiting);
}

enum { WAITERS = 20 };

static void many_wait(void *arg)
{
    (void)arg;
    weft_ctx *parent = with_cancel(NULL), *children[WAITERS];
    for (int i = 0; i < WAITERS; i++) {
        children[i] = with_cancel(parent);
        weft_waitgroup_add(&waiting, 1);
        REQUIRE(weft_go(waiter, children[i]) == 0);
    }
    test_until_parked(WAITERS);
    weft_ctx_cancel(children[3]);
    test_until_goroutines(WAITERS);
    weft_ctx_cancel(parent);
    weft_waitgroup_wait(&waiting);
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
