/* SPDX-License-Identifier: Apache-2.0
 * watch.c - loops that select with a channel which only tells by closing: their goroutines stay registered there from one
 * select to the next (runtime/chan/watch.h). None misses it, none hears of it while it is at something else, and nothing
 * is left of those that have gone. */
#include "../test.h"

#include "runtime/chan/chan.h"
#include "runtime/hooks.h"

/* As a stage selects, whose done is the last. */
#define SELECT(...)                                                                                \
    __extension__({                                                                                \
        weft_case cases_[] = {__VA_ARGS__};                                                        \
        weft_priv_select_or_stop(cases_, sizeof cases_ / sizeof cases_[0]);                        \
    })

struct loop {
    weft_chan *in, *done;
    atomic_int received, stopped;
    atomic_bool ok; /* whether it was stopped by an element */
};

static void loops(void *arg)
{
    struct loop *l = arg;
    int64_t v;
    bool ok = false;
    while (SELECT(WEFT_RECV(l->in, &v), WEFT_RECV_OK(l->done, NULL, &ok)) == 0)
        atomic_fetch_add(&l->received, 1);
    atomic_store(&l->ok, ok);
    atomic_fetch_add(&l->stopped, 1);
}

static void loop_init(struct loop *l)
{
    *l = (struct loop){.in = weft_chan_new(sizeof(int64_t), 0), .done = weft_chan_new(0, 0)};
}

static void loop_fini(struct loop *l)
{
    weft_chan_unref(l->in);
    weft_chan_unref(l->done);
}

static void feed(struct loop *l, int n)
{
    for (int64_t i = 0; i < n; i++)
        weft_chan_send(l->in, &i);
}

/* The same, each when all wait. */
static void feed_waiting(struct loop *l, int n)
{
    for (; n; n--) {
        test_until_idle();
        feed(l, 1);
    }
    test_until_idle();
}

static bool has_watch(struct weft_chan *ch)
{
    return atomic_load(&ch->state) & CHAN_LIST;
}

enum { LOOPS = 5, ROUNDS = 40 };

static void close_reaches_all(void *arg)
{
    struct loop l;
    loop_init(&l);
    for (int i = 0; i < LOOPS; i++)
        CHECK_EQ(weft_go(loops, &l), 0);
    feed(&l, ROUNDS);
    if (arg)
        test_until_idle();
    CHECK(has_watch(l.done));
    weft_chan_close(l.done);
    TEST_UNTIL(atomic_load(&l.stopped) == LOOPS);
    CHECK(!atomic_load(&l.ok));
    CHECK_EQ(atomic_load(&l.received), ROUNDS);
    test_until_goroutines(1);
    loop_fini(&l);
}

TEST(close_reaches_all_whether_they_wait_or_not)
{
    CHECK_EQ(test_run(close_reaches_all, NULL), 0);
    CHECK_EQ(test_run(close_reaches_all, &(int){1}), 0);
}

static void nobody_listens(void *arg)
{
    struct loop *l = arg;
    int64_t v;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(SELECT(WEFT_RECV(l->in, &v), WEFT_RECV(l->done, NULL)), 0);
    atomic_fetch_add(&l->received, 3);
    weft_chan_recv(l->in, &v); /* a wait, but not for done */
    CHECK_EQ(SELECT(WEFT_RECV(l->in, &v), WEFT_RECV_OK(l->done, NULL, &(bool){false})), 1);
    atomic_fetch_add(&l->stopped, 1);
}

static void heard_only_while_it_waits(void *arg)
{
    struct loop l;
    loop_init(&l);
    (void)arg;
    CHECK_EQ(weft_go(nobody_listens, &l), 0);
    feed_waiting(&l, 3);
    CHECK(has_watch(l.done));
    CHECK_EQ(weft_chan_len(l.done), 0);
    CHECK_EQ(weft_chan_try_send(l.done, NULL), -EAGAIN);
    CHECK_EQ(WEFT_SELECT(WEFT_SEND(l.done, NULL), WEFT_RECV(l.done, NULL), WEFT_DEFAULT), 2);
    feed(&l, 1);
    test_until_idle();
    CHECK_EQ(weft_chan_try_send(l.done, NULL), 0);
    TEST_UNTIL(atomic_load(&l.stopped) == 1);

    /* While it waits, without being disturbed before: by an element, which it gets. */
    weft_chan_unref(l.done);
    l.done = weft_chan_new(0, 0);
    CHECK_EQ(weft_go(loops, &l), 0);
    feed_waiting(&l, 3);
    CHECK(has_watch(l.done));
    CHECK_EQ(WEFT_SELECT(WEFT_SEND(l.done, NULL), WEFT_DEFAULT), 0);
    TEST_UNTIL(atomic_load(&l.stopped) == 2);
    CHECK(atomic_load(&l.ok));
    test_until_goroutines(1);
    loop_fini(&l);
}

TEST(an_element_is_taken_only_by_who_waits)
{
    CHECK_EQ(test_run(heard_only_while_it_waits, NULL), 0);
}

/* ---- selects of the user's ---- */

struct queue {
    struct loop l;
    weft_chan *gate;
    atomic_int served; /* by number, the first first */
};

static void comes_last(void *arg)
{
    struct queue *q = arg;
    int64_t v;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(WEFT_SELECT(WEFT_RECV(q->l.in, &v), WEFT_RECV(q->l.done, NULL)), 0);
    weft_chan_recv(q->gate, NULL);
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(q->l.in, &v), WEFT_RECV(q->l.done, NULL)), 1);
    atomic_store(&q->served, 10 * atomic_load(&q->served) + 2);
}

static void comes_first(void *arg)
{
    struct queue *q = arg;
    weft_chan_recv(q->l.done, NULL);
    atomic_store(&q->served, 10 * atomic_load(&q->served) + 1);
}

static void serves(void *arg)
{
    struct queue q = {.gate = weft_chan_new(0, 0)};
    loop_init(&q.l);
    (void)arg;
    CHECK_EQ(weft_go(comes_last, &q), 0);
    feed_waiting(&q.l, 3);
    CHECK_EQ(weft_go(comes_first, &q), 0);
    test_until_idle();
    weft_chan_send(q.gate, NULL);
    for (int i = 0; i < 2; i++) {
        test_until_idle();
        weft_chan_send(q.l.done, NULL);
    }
    test_until_goroutines(1);
    CHECK_EQ(atomic_load(&q.served), 12);
    weft_chan_unref(q.gate);
    loop_fini(&q.l);
}

TEST(selects_are_served_in_the_order_of_their_coming)
{
    CHECK_EQ(test_run(serves, NULL), 0);
}

struct in_context {
    weft_ctx *ctx;
    weft_chan *in;
};

static void loops_in_context(void *arg)
{
    struct in_context *c = arg;
    int64_t v;
    while (WEFT_SELECT(WEFT_DONE(c->ctx), WEFT_RECV(c->in, &v)) == 1) {
    }
}

static void watches_context(void *arg)
{
    struct loop l = {.in = weft_chan_new(sizeof(int64_t), 0)};
    struct in_context c = {weft_ctx_with_cancel(NULL), l.in};
    (void)arg;
    CHECK(c.ctx);
    CHECK_EQ(weft_go(loops_in_context, &c), 0);
    feed_waiting(&l, 3);
    CHECK(has_watch(weft_ctx_done(c.ctx)));
    weft_ctx_cancel(c.ctx);
    test_until_goroutines(1);
    weft_ctx_unref(c.ctx);
    weft_chan_unref(l.in);
}

TEST(contexts_are_watched)
{
    CHECK_EQ(test_run(watches_context, NULL), 0);
}

/* ---- channels and goroutines that come and go ---- */

static void moves_on(void *arg)
{
    struct loop *l = arg;
    int64_t v;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(SELECT(WEFT_RECV(l[0].in, &v), WEFT_RECV(l[0].done, NULL)), 0);
    loops(&l[1]);
}

static void watches_another(void *arg)
{
    struct loop l[2];
    loop_init(&l[0]);
    loop_init(&l[1]);
    (void)arg;
    CHECK_EQ(weft_go(moves_on, l), 0);
    feed_waiting(&l[0], 3);
    feed_waiting(&l[1], 3);
    CHECK(has_watch(l[0].done));
    CHECK(has_watch(l[1].done));
    weft_chan_close(l[1].done);
    TEST_UNTIL(atomic_load(&l[1].stopped) == 1);
    weft_chan_close(l[0].done);
    test_until_goroutines(1);
    loop_fini(&l[0]);
    loop_fini(&l[1]);
}

TEST(a_goroutine_watches_one_after_the_other)
{
    CHECK_EQ(test_run(watches_another, NULL), 0);
}

static void channels_go(void *arg)
{
    int64_t v;
    weft_chan *in = weft_chan_new(sizeof(int64_t), 0);
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) {
        weft_chan *done = weft_chan_new(0, 0), *too = i % 3 ? NULL : weft_chan_new(0, 0);
        for (int k = 0; k < 4; k++) {
            weft_chan *which = too && k % 2 ? too : done;
            CHECK_EQ(SELECT(WEFT_RECV(in, &v), WEFT_AFTER(1), WEFT_RECV(which, NULL)), 1);
        }
        if (i % 2) {
            weft_chan_close(done);
            CHECK_EQ(SELECT(WEFT_RECV(in, &v), WEFT_RECV(done, NULL)), 1);
        }
        weft_chan_unref(done); /* most likely the next one is at its address */
        weft_chan_unref(too);
    }
    weft_chan_unref(in);
}

TEST(a_channel_may_go_before_who_watched_it)
{
    CHECK_EQ(test_run(channels_go, NULL), 0);
}

static void selects_once(void *arg)
{
    struct loop *l = arg;
    int64_t v;
    CHECK_EQ(SELECT(WEFT_RECV(l->in, &v), WEFT_RECV(l->done, NULL)), 0);
}

static void each_selects_once(void *arg)
{
    struct loop l;
    loop_init(&l);
    (void)arg;
    for (int i = 0; i < ROUNDS; i++) { /* most likely one has the descriptor of the one before */
        CHECK_EQ(weft_go(selects_once, &l), 0);
        feed_waiting(&l, 1);
        test_until_goroutines(1);
    }
    CHECK(!has_watch(l.done));
    loop_fini(&l);
}

TEST(who_selects_once_watches_nothing)
{
    CHECK_EQ(test_run(each_selects_once, NULL), 0);
}

/* Which record was registered last: they have ascending names, and go back to be used again. */
static uint32_t last_name(struct weft_chan *ch)
{
    return (uint32_t)(atomic_load(&ch->receivers.tail) >> 32);
}

static void selects_twice(void *arg)
{
    struct loop *l = arg;
    int64_t v;
    for (int i = 0; i < 2; i++)
        CHECK_EQ(SELECT(WEFT_RECV(l->in, &v), WEFT_RECV(l->done, NULL)), 0);
}

static void goroutines_go(void *arg)
{
    struct loop l;
    loop_init(&l);
    (void)arg;
    uint32_t first = 0, n = (uint32_t)test_scale(20000) + 100;
    for (uint32_t i = 0; i < n; i++) {
        CHECK_EQ(weft_go(selects_twice, &l), 0);
        feed(&l, 2);
        test_until_goroutines(1);
        if (!first)
            first = last_name(l.done);
    }
    CHECK_GT(first + 1500, last_name(l.done)); /* what few pages are carved into */
    loop_fini(&l);
}

TEST(what_goroutines_leave_behind_is_bounded)
{
    CHECK_EQ(test_run(goroutines_go, NULL), 0);
}

static struct loop outlives;

/* It has a watch, and waits for something else when the run ends. */
static void waits_elsewhere(void *arg)
{
    int64_t v;
    (void)arg;
    for (int i = 0; i < 2; i++)
        SELECT(WEFT_RECV(outlives.in, &v), WEFT_RECV(outlives.done, NULL));
    weft_chan_recv(NULL, NULL);
}

static void abandons(void *arg)
{
    (void)arg;
    for (int i = 0; i < LOOPS; i++)
        CHECK_EQ(weft_go(loops, &outlives), 0);
    CHECK_EQ(weft_go(waits_elsewhere, &outlives), 0);
    feed_waiting(&outlives, ROUNDS);
}

static void finds_nobody(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_chan_try_send(outlives.in, &(int64_t){1}), -EAGAIN);
    CHECK_EQ(weft_chan_try_send(outlives.done, NULL), -EAGAIN);
    CHECK_EQ(weft_go(loops, &outlives), 0);
    feed(&outlives, ROUNDS);
    weft_chan_close(outlives.done);
    TEST_UNTIL(atomic_load(&outlives.stopped) == 1);
}

TEST(a_run_ends_while_they_wait)
{
    loop_init(&outlives);
    CHECK_EQ(test_run(abandons, NULL), 0);
    CHECK_EQ(test_run(finds_nobody, NULL), 0);
    loop_fini(&outlives);
    loop_init(&outlives);
    CHECK_EQ(test_run(abandons, NULL), 0);
    weft_chan_close(outlives.done);
    loop_fini(&outlives);
}

/* ---- races ---- */

static void offers(void *arg)
{
    struct loop *l = arg;
    int64_t i = 0;
    while (SELECT(WEFT_SEND(l->in, &i), WEFT_RECV(l->done, NULL)) == 0)
        i++;
    atomic_fetch_sub(&l->received, (int)i);
    atomic_fetch_add(&l->stopped, 1);
}

static void race_once(unsigned round)
{
    struct loop l;
    weft_waitgroup all = {0};
    loop_init(&l);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(weft_waitgroup_go(&all, loops, &l), 0);
        CHECK_EQ(weft_waitgroup_go(&all, offers, &l), 0);
    }
    for (unsigned i = round % 7; i; i--)
        weft_yield();
    if (round % 5 == 0) { /* one of the four goes */
        weft_chan_send(l.done, NULL);
        weft_yield();
    }
    weft_chan_close(l.done);
    weft_chan_unref(weft_chan_ref(l.done));
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&l.stopped), 4);
    CHECK_EQ(atomic_load(&l.received), 0);
    loop_fini(&l);
}

static void race(void *arg)
{
    int64_t end = test_now() + (int64_t)(test_seconds() * 1e9);
    (void)arg;
    for (unsigned round = 0; round < 50 || test_now() < end; round++)
        race_once(round);
}

TEST(each_is_stopped_and_no_element_is_lost)
{
    CHECK_EQ(test_run(race, NULL), 0);
}
