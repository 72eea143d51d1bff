/* SPDX-License-Identifier: Apache-2.0
 * races.c - contexts that several end, extend, ask and drop at once: goroutines, timers and foreign threads. What must hold is
 * the same in every order: one error and one cause, everybody below ended, every hook told once, nothing left. */
#include "tree.h"

enum { CREW = 8, CHILDREN = 16 };

struct stage {
    weft_ctx *root;
    weft_waitgroup ready, done;
    atomic_bool go;
    atomic_int next;
    void (*act)(struct stage *s, int number);
};

static void member(void *arg)
{
    struct stage *s = arg;
    int number = atomic_fetch_add(&s->next, 1);
    weft_waitgroup_done(&s->ready);
    while (!atomic_load(&s->go))
        weft_yield();
    s->act(s, number);
    weft_waitgroup_done(&s->done);
}

static void *member_thread(void *arg)
{
    member(arg);
    return NULL;
}

/* CREW act at once on a root of their own, half of them foreign threads if there are to be such. */
static void perform(struct stage *s, weft_ctx *root, int foreign,
                    void (*act)(struct stage *s, int number))
{
    pthread_t threads[CREW];
    *s = (struct stage){.root = root, .act = act};
    weft_waitgroup_add(&s->ready, CREW);
    weft_waitgroup_add(&s->done, CREW);
    for (int i = 0; i < CREW; i++) {
        if (i < foreign)
            REQUIRE(pthread_create(&threads[i], NULL, member_thread, s) == 0);
        else
            REQUIRE(weft_go(member, s) == 0);
    }
    weft_waitgroup_wait(&s->ready);
    atomic_store(&s->go, true);
    weft_waitgroup_wait(&s->done);
    for (int i = 0; i < foreign; i++)
        pthread_join(threads[i], NULL);
}

static int rounds(void)
{
    return test_scale(500);
}

/* ---- 8 cancel ---- */

static void cancel_with_cause(struct stage *s, int number)
{
    weft_ctx_cancel_cause(s->root, weft_error_new(-100 - number, "by %d", number));
    CHECK_EQ(weft_ctx_err(s->root), -ECANCELED);
    CHECK(tree_done(s->root));
}

static void eight_cancel(void *foreign)
{
    for (int round = 0; round < rounds(); round++) {
        struct stage s;
        weft_ctx *root = tree_need(weft_ctx_with_cancel(NULL)), *children[CHILDREN],
                 *below[CHILDREN];
        for (int i = 0; i < CHILDREN; i++) {
            children[i] = tree_need(weft_ctx_with_cancel(root));
            below[i] = tree_need(weft_ctx_with_cancel(children[i]));
            if (i % 3 == 0)
                weft_ctx_done(children[i]);
        }
        perform(&s, root, foreign ? CREW / 2 : 0, cancel_with_cause);
        weft_error *cause = weft_ctx_cause(root);
        CHECK(weft_error_code(cause) <= -100 && weft_error_code(cause) > -100 - CREW);
        for (int i = 0; i < CHILDREN; i++) {
            CHECK_PTR_EQ(weft_ctx_cause(children[i]), cause);
            CHECK_PTR_EQ(weft_ctx_cause(below[i]), cause);
            CHECK(tree_done(below[i]));
            weft_ctx_unref(children[i]);
            weft_ctx_unref(below[i]);
        }
        weft_ctx_unref(root);
    }
}

TEST(eight_cancel_one)
{
    /* Goal: of 8 causes one is kept, all below have it, the others are freed (CX-03). */
    CHECK_EQ(test_run(eight_cancel, NULL), 0);
}

TEST(eight_cancel_one_also_foreign)
{
    CHECK_EQ(test_run(eight_cancel, &(int){1}), 0);
}

/* ---- children come while the parent ends ---- */

static weft_ctx *born[CREW][CHILDREN];

static void give_birth(struct stage *s, int number)
{
    for (int i = 0; i < CHILDREN; i++) {
        if (number == 0 && i == CHILDREN / 2)
            weft_ctx_cancel_cause(s->root, weft_error_new(-EIO, "now"));
        weft_ctx *c = tree_need(i & 1 ? weft_ctx_with_timeout(s->root, WEFT_HOUR)
                                      : weft_ctx_with_cancel(s->root));
        if (number & 1)
            weft_ctx_done(c);
        born[number][i] = c;
        if (i % 4 == 3) {
            weft_ctx_cancel(born[number][i - 1]); /* leaves while others come */
            weft_ctx_unref(born[number][i - 3]);  /* nobody has it any more */
            born[number][i - 3] = NULL;
        }
    }
}

static void births(void *arg)
{
    (void)arg;
    for (int round = 0; round < rounds(); round++) {
        struct stage s;
        weft_ctx *root = tree_need(weft_ctx_with_cancel(NULL));
        perform(&s, root, 2, give_birth);
        CHECK_EQ(test_stats().timers, 0); /* nor one of those that are still there */
        for (int i = 0; i < CREW * CHILDREN; i++) {
            weft_ctx *c = born[i / CHILDREN][i % CHILDREN];
            if (!c)
                continue;
            CHECK_EQ(weft_ctx_err(c), -ECANCELED);
            CHECK(tree_done(c));
            weft_ctx_unref(c);
        }
        weft_ctx_unref(root);
        CHECK_EQ(test_stats().timers, 0);
    }
}

TEST(children_are_born_while_the_parent_ends)
{
    /* Goal: registration by several goroutines against the end: whoever was put below ends, born before or after; those who
     * left or were dropped meanwhile don't come back; no timer stays (CX-08, CX-11, CX-19). */
    CHECK_EQ(test_run(births, NULL), 0);
}

/* ---- a visit meets the last reference ---- */

static weft_ctx *held[CREW];

static void drop_or_end(struct stage *s, int number)
{
    if (number == 0)
        weft_ctx_cancel(s->root);
    else
        weft_ctx_unref(held[number]);
}

static void last_references(void *arg)
{
    (void)arg;
    for (int round = 0; round < rounds(); round++) {
        struct stage s;
        weft_ctx *root = tree_need(weft_ctx_with_cancel(NULL));
        for (int i = 1; i < CREW; i++) {
            held[i] = tree_need(i % 3 ? weft_ctx_with_cancel(root)
                                      : weft_ctx_with_timeout(root, WEFT_HOUR));
            if (i & 1)
                weft_ctx_done(held[i]);
            if (i > 5) { /* a chain of which only the lowest is held */
                weft_ctx *low = tree_need(weft_ctx_with_cancel(held[i]));
                weft_ctx_unref(held[i]);
                held[i] = low;
            }
        }
        perform(&s, root, 2, drop_or_end);
        CHECK_EQ(weft_ctx_err(root), -ECANCELED);
        weft_ctx_unref(root);
        CHECK_EQ(test_stats().timers, 0);
    }
}

TEST(last_references_go_while_the_parent_ends)
{
    /* Goal: one that is dropped while a visit is on its way to it is freed once, by one of the two. */
    CHECK_EQ(test_run(last_references, NULL), 0);
}

/* ---- deadlines, cancels and drops ---- */

static void wait_and_drop(struct stage *s, int number)
{
    weft_ctx *ctx = tree_need(weft_ctx_with_timeout(s->root, 1 + number * 1000));
    weft_ctx *below = tree_need(weft_ctx_with_cancel(ctx));
    if (number & 1) {
        tree_await(below);
        CHECK(weft_ctx_err(below) != 0);
    } else if (number & 2) {
        weft_ctx_cancel(ctx);
    }
    weft_ctx_unref(ctx);
    if (number & 4)
        weft_ctx_cancel(below);
    weft_ctx_unref(below);
}

static void near_deadlines(void *arg)
{
    (void)arg;
    for (int round = 0; round < rounds() / 4 + 1; round++) {
        struct stage s;
        weft_ctx *root = tree_need(weft_ctx_with_timeout(NULL, 4000));
        perform(&s, root, 2, wait_and_drop);
        tree_await(root);
        CHECK_EQ(weft_ctx_err(root), -ETIMEDOUT);
        weft_ctx_unref(root);
    }
    CHECK_EQ(test_stats().timers, 0);
}

TEST(deadlines_meet_cancels_and_drops)
{
    /* Goal: timers that fire while their contexts are cancelled, dropped, or ended from above. */
    CHECK_EQ(test_run(near_deadlines, NULL), 0);
}

/* ---- hooks ---- */

static atomic_int called, prevented;

static void call(void *arg)
{
    (void)arg;
    atomic_fetch_add(&called, 1);
}

static void hook_and_stop(struct stage *s, int number)
{
    if (number == 0) {
        weft_ctx_cancel(s->root);
        return;
    }
    for (int i = 0; i < 4; i++) {
        weft_ctx_hook *hook = weft_ctx_after_func(s->root, call, NULL);
        REQUIRE(hook);
        if (i & 1)
            weft_yield();
        atomic_fetch_add(&prevented, weft_ctx_hook_stop(hook));
    }
}

static void hooks(void *arg)
{
    (void)arg;
    for (int round = 0; round < rounds(); round++) {
        struct stage s;
        weft_ctx *root = tree_need(weft_ctx_with_cancel(NULL));
        atomic_store(&called, 0);
        atomic_store(&prevented, 0);
        perform(&s, root, 2, hook_and_stop);
        TEST_UNTIL(atomic_load(&called) + atomic_load(&prevented) == 4 * (CREW - 1));
        weft_ctx_unref(root);
    }
}

TEST(each_hook_is_called_or_prevented)
{
    /* Goal: of each hook exactly one comes: its function is called, or its stop says true (CX-16). */
    CHECK_EQ(test_run(hooks, NULL), 0);
    CHECK_EQ(atomic_load(&called) + atomic_load(&prevented), 4 * (CREW - 1));
}

/* ---- the channel is asked for while the context ends ---- */

static void ask(struct stage *s, int number)
{
    if (number == 0)
        weft_ctx_cancel(s->root);
    weft_chan *done = weft_ctx_done(s->root);
    CHECK_PTR_EQ(done, weft_ctx_done(s->root));
    if (weft_ctx_err(s->root))
        CHECK_EQ(weft_chan_try_recv(done, NULL), -EPIPE);
    weft_chan_recv(done, NULL);
    CHECK_EQ(weft_ctx_err(s->root), -ECANCELED);
}

static void asks(void *arg)
{
    (void)arg;
    for (int round = 0; round < rounds(); round++) {
        struct stage s;
        weft_ctx *root = tree_need(weft_ctx_with_cancel(NULL));
        perform(&s, root, 2, ask);
        weft_ctx_unref(root);
    }
}

TEST(channel_is_asked_for_while_the_context_ends)
{
    /* Goal: all get the same channel (CX-21), and it is closed for whoever sees the error. */
    CHECK_EQ(test_run(asks, NULL), 0);
}

/* ---- runs end ---- */

static weft_ctx *outlives;

static void wait_on_it(void *arg)
{
    (void)arg;
    tree_await(outlives);
}

static void leave_waiters(void *arg)
{
    (void)arg;
    for (int i = 0; i < 4; i++)
        REQUIRE(weft_go(wait_on_it, NULL) == 0);
    weft_ctx_unref(tree_need(weft_ctx_with_timeout(outlives, WEFT_HOUR)));
    weft_ctx_with_timeout(outlives, WEFT_HOUR); /* left behind: its owner is gone */
    TEST_UNTIL(test_stats().parked == 4 || weft_ctx_err(outlives));
}

static void *cancel_it(void *arg)
{
    for (int i = 0; i < 200; i++)
        sched_yield();
    weft_ctx_cancel(outlives);
    return arg;
}

TEST(ended_by_a_thread_while_the_run_ends)
{
    /* Goal: a context that outlives its runs forgets who waited for it there; a foreign thread that ends it at that time
     * meets neither goroutines nor timers of the past. */
    for (int i = 0; i < test_scale(200); i++) {
        pthread_t thread;
        outlives = tree_need(weft_ctx_with_cancel(NULL));
        REQUIRE(pthread_create(&thread, NULL, cancel_it, NULL) == 0);
        CHECK_EQ(test_run(leave_waiters, NULL), 0);
        pthread_join(thread, NULL);
        CHECK_EQ(weft_ctx_err(outlives), -ECANCELED);
        weft_ctx_unref(outlives);
    }
}
