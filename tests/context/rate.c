/* SPDX-License-Identifier: Apache-2.0
 * rate.c - weft_limiter (Go: x/time/rate). The arithmetic is tests/unit/bucket.c's; limits here are so low that what time
 * the test itself takes doesn't matter, or what matters is only what must not have happened yet. */
#include "../test.h"

#include <limits.h>
#include <math.h>

#include "runtime/hooks.h"

#define PER_HOUR (1.0 / 3600)

static bool about(double a, double b)
{
    return fabs(a - b) < 0.1;
}

TEST(burst_first_then_the_limit)
{
    /* Goal: full at first, and in debt after a reservation (RT-01). */
    weft_limiter *l = weft_limiter_new(PER_HOUR, 3);
    CHECK(about(weft_limiter_tokens(l), 3));
    CHECK(weft_limiter_allow(l));
    CHECK(weft_limiter_allow_n(l, 2));
    CHECK(!weft_limiter_allow(l));
    CHECK(weft_limiter_allow_n(l, 0));
    CHECK_EQ(weft_limiter_burst(l), 3);
    CHECK(weft_limiter_limit(l) == PER_HOUR);
    int64_t wait = weft_limiter_reserve_n(l, 2);
    CHECK_GT(wait, 7100 * WEFT_SECOND);
    CHECK_LE(wait, 7200 * WEFT_SECOND);
    CHECK(about(weft_limiter_tokens(l), -2));
    CHECK(!weft_limiter_allow_n(l, 0));
    weft_limiter_unref(l);
}

TEST(nothing_at_all)
{
    /* Goal: a burst of 0 lets nothing through and is refused at once (RT-02); a limit of 0 or below lets the burst through (RT-04), as
     * without a limit nothing would be left to wait for. */
    weft_limiter *l = weft_limiter_new(5, 0);
    CHECK(!weft_limiter_allow(l));
    CHECK(weft_limiter_allow_n(l, 0));
    CHECK_EQ(weft_limiter_wait(l, NULL), -EINVAL);
    CHECK_EQ(weft_limiter_reserve_n(l, 1), -EINVAL);
    weft_reservation r = {.tokens = 7};
    CHECK_EQ(weft_limiter_reserve(l, 1, &r), -EINVAL);
    CHECK_EQ(r.tokens, 0);
    CHECK(!r.limiter);
    CHECK_EQ(weft_reservation_delay(&r), INT64_MAX);
    weft_reservation_cancel(&r);
    weft_limiter_unref(l);

    for (int i = 0; i < 2; i++) {
        l = weft_limiter_new(i ? -1 : 0, 3);
        for (int k = 0; k < 3; k++)
            CHECK(weft_limiter_allow(l));
        CHECK(!weft_limiter_allow(l));
        CHECK_EQ(weft_limiter_reserve_n(l, 1), INT64_MAX);
        CHECK_EQ(weft_limiter_reserve(l, 2, &r), 0);
        CHECK_EQ(r.act_at, WEFT_FOREVER);
        CHECK_EQ(weft_reservation_delay(&r), INT64_MAX);
        weft_reservation_cancel(&r);
        CHECK(weft_limiter_tokens(l) == -1);
        weft_limiter_unref(l);
    }
}

TEST(no_limit)
{
    /* Goal: no limit heeds no burst; who then sets one begins with a full bucket (RT-03, RT-09). */
    weft_limiter *l = weft_limiter_new(INFINITY, 0);
    CHECK(weft_limiter_allow_n(l, INT_MAX));
    CHECK_EQ(weft_limiter_reserve_n(l, INT_MAX), 0);
    CHECK_EQ(weft_limiter_wait_n(l, NULL, INT_MAX), 0);
    CHECK_EQ(weft_limiter_set_burst(l, 4), 0);
    CHECK(weft_limiter_allow_n(l, 100));
    CHECK_EQ(weft_limiter_set_limit(l, PER_HOUR), 0);
    CHECK(about(weft_limiter_tokens(l), 4));
    CHECK(!weft_limiter_allow_n(l, 5));
    CHECK(weft_limiter_allow_n(l, 4));
    weft_limiter_unref(l);
    CHECK(weft_per(10, 0) == INFINITY);
    CHECK(weft_per(10, -1) == INFINITY);
    CHECK(weft_per(10, WEFT_MINUTE) == 10.0 / 60);
}

static weft_limiter *new_limiter(double limit, int burst, int *error)
{
    errno = 0;
    weft_limiter *l = weft_limiter_new(limit, burst);
    *error = errno;
    return l;
}

static weft_limiter *new_multi(weft_limiter *const *parts, size_t n, int *error)
{
    errno = 0;
    weft_limiter *l = weft_limiter_multi(parts, n);
    *error = errno;
    return l;
}

TEST(bad_input)
{
    int error;
    CHECK(!new_limiter(NAN, 1, &error));
    CHECK_EQ(error, EINVAL);
    CHECK(!new_limiter(1, -1, &error));
    CHECK_EQ(error, EINVAL);
    CHECK(!new_multi(NULL, 0, &error));
    CHECK_EQ(error, EINVAL);
    CHECK(!new_multi((weft_limiter *[]){NULL}, 1, &error));
    CHECK_EQ(error, EINVAL);
    weft_limiter *l = new_limiter(1, 1, &error);
    CHECK(!weft_limiter_allow_n(l, -1));
    CHECK_EQ(weft_limiter_reserve_n(l, -1), -EINVAL);
    CHECK_EQ(weft_limiter_wait_n(l, NULL, -1), -EINVAL);
    CHECK_EQ(weft_limiter_set_limit(l, NAN), -EINVAL);
    CHECK_EQ(weft_limiter_set_burst(l, -1), -EINVAL);
    CHECK(about(weft_limiter_tokens(l), 1));
    weft_limiter_unref(weft_limiter_ref(l));
    weft_limiter_unref(l);
    weft_limiter_unref(NULL);
    CHECK(!weft_limiter_ref(NULL));
}

/* A limit that is finite by name only. */
TEST(hardly_a_limit)
{
    weft_limiter *l = weft_limiter_new(1.7e308, 1);
    for (int i = 0; i < 1000; i++)
        CHECK(weft_limiter_allow(l));
    CHECK_EQ(weft_limiter_set_limit(l, 1e18), 0);
    for (int i = 0; i < 1000; i++) {
        int64_t begin = weft_now();
        while (weft_now() <= begin + 1000)
            ;
        CHECK(weft_limiter_allow(l));
    }
    weft_limiter_unref(l);
}

TEST(a_reservation_is_given_back_once)
{
    weft_limiter *l = weft_limiter_new(PER_HOUR, 5);
    weft_reservation now, first, second;
    CHECK_EQ(weft_limiter_reserve(l, 5, &now), 0);
    CHECK_EQ(weft_reservation_delay(&now), 0);
    CHECK_EQ(weft_limiter_reserve(l, 3, &first), 0);
    CHECK_EQ(weft_limiter_reserve(l, 1, &second), 0);
    CHECK_GT(weft_reservation_delay(&second), 14000 * WEFT_SECOND);
    while (weft_now() <= now.act_at)
        ;
    weft_reservation_cancel(&now); /* too late */
    CHECK(about(weft_limiter_tokens(l), -4));
    weft_reservation_cancel(&first); /* all but what the second waits for in its place */
    CHECK(about(weft_limiter_tokens(l), -2));
    weft_reservation_cancel(&first);
    CHECK(about(weft_limiter_tokens(l), -2));
    weft_reservation_cancel(&second);
    CHECK(about(weft_limiter_tokens(l), -1));
    weft_limiter_unref(l);
}

/* ---- several at once ---- */

TEST(all_must_agree)
{
    weft_limiter *a = weft_limiter_new(1, 3), *b = weft_limiter_new(PER_HOUR, 5);
    weft_limiter *inner = weft_limiter_multi((weft_limiter *[]){a, b}, 2);
    weft_limiter *c = weft_limiter_new(PER_HOUR / 2, 7);
    weft_limiter *all = weft_limiter_multi((weft_limiter *[]){inner, c}, 2);
    weft_limiter_unref(inner);
    CHECK(weft_limiter_limit(all) == PER_HOUR / 2);
    CHECK_EQ(weft_limiter_burst(all), 3);
    CHECK(about(weft_limiter_tokens(all), 3));
    CHECK_EQ(weft_limiter_set_limit(all, 1), -EINVAL);
    CHECK_EQ(weft_limiter_set_burst(all, 1), -EINVAL);
    weft_reservation r;
    CHECK_EQ(weft_limiter_reserve(all, 1, &r), -EINVAL);

    CHECK(weft_limiter_allow_n(all, 3));
    CHECK(about(weft_limiter_tokens(b), 2));
    CHECK(about(weft_limiter_tokens(c), 4));
    CHECK(weft_limiter_allow_n(b, 2)); /* nothing left there */
    CHECK_EQ(weft_limiter_set_limit(a, INFINITY), 0);
    CHECK(!weft_limiter_allow(all));
    CHECK(about(weft_limiter_tokens(c), 4)); /* a refusal charges nobody */
    CHECK_EQ(weft_limiter_wait_n(all, NULL, 6), -EINVAL);
    int64_t wait = weft_limiter_reserve_n(all, 4);
    CHECK_GT(wait, 4 * 3500 * WEFT_SECOND);
    CHECK_LE(wait, 4 * 3600 * WEFT_SECOND);
    CHECK(about(weft_limiter_tokens(c), 0));
    weft_limiter_unref(a);
    weft_limiter_unref(b);
    weft_limiter_unref(c);
    CHECK(about(weft_limiter_tokens(all), -4)); /* it holds its parts */
    weft_limiter_unref(all);
}

TEST(what_one_refuses_the_others_get_back)
{
    /* Goal: a refusal gives back all that the parts before have taken, however deep in debt they are. */
    weft_limiter *a = weft_limiter_new(PER_HOUR, 5), *b = weft_limiter_new(PER_HOUR, 2);
    weft_limiter *all = weft_limiter_multi((weft_limiter *[]){a, b}, 2);
    CHECK_EQ(weft_limiter_reserve_n(all, 3), -EINVAL); /* more than b ever holds */
    CHECK(about(weft_limiter_tokens(a), 5));
    CHECK(weft_limiter_allow_n(b, 1));
    CHECK(!weft_limiter_allow_n(all, 2));
    CHECK(about(weft_limiter_tokens(a), 5));
    CHECK(weft_limiter_allow_n(a, 5));
    CHECK_GT(weft_limiter_reserve_n(a, 1), 0);
    CHECK_EQ(weft_limiter_reserve_n(all, 3), -EINVAL);
    CHECK(about(weft_limiter_tokens(a), -1));
    CHECK(about(weft_limiter_tokens(b), 1));
    weft_limiter_unref(a);
    weft_limiter_unref(b);
    weft_limiter_unref(all);
}

/* ---- waiting ---- */

static void wait_in_turn(void *arg)
{
    (void)arg;
    enum { EVENTS = 20 };
    weft_limiter *l = weft_limiter_new(weft_per(1, 2 * WEFT_MILLISECOND), 2);
    int64_t begin = weft_now();
    for (int i = 0; i < EVENTS; i++) {
        CHECK_EQ(weft_limiter_wait(l, NULL), 0);
        CHECK_GE(weft_now() - begin, (i - 1) * 2 * WEFT_MILLISECOND - WEFT_MICROSECOND);
    }
    weft_limiter_unref(l);
}

TEST(waiting_takes_as_long_as_it_must)
{
    CHECK_EQ(test_run(wait_in_turn, NULL), 0);
    wait_in_turn(NULL); /* on a foreign thread, without a run */
}

struct waiting {
    weft_limiter *l;
    weft_ctx *ctx;
    int result;
    weft_waitgroup *done;
};

static void wait_for_one(void *arg)
{
    struct waiting *w = arg;
    w->result = weft_limiter_wait(w->l, w->ctx);
    weft_waitgroup_done(w->done);
}

/* One waits, and its context is cancelled: it has cost nothing. */
static void give_up(weft_limiter *l)
{
    weft_waitgroup done = {0};
    struct waiting w = {.l = l, .ctx = weft_ctx_with_cancel(NULL), .done = &done};
    weft_waitgroup_add(&done, 1);
    CHECK_EQ(weft_go(wait_for_one, &w), 0);
    test_until_parked(1);
    CHECK(about(weft_limiter_tokens(l), -1));
    weft_ctx_cancel(w.ctx);
    weft_waitgroup_wait(&done);
    CHECK_EQ(w.result, -ECANCELED);
    CHECK(about(weft_limiter_tokens(l), 0));
    CHECK_EQ(weft_limiter_wait(l, w.ctx), -ECANCELED);
    CHECK(about(weft_limiter_tokens(l), 0));
    CHECK_EQ(weft_limiter_wait_n(l, w.ctx, 100), -EINVAL); /* RT-05 */
    weft_ctx_unref(w.ctx);
}

/* The same, and somebody was told meanwhile to come an hour later. */
static void give_up_before_another(weft_limiter *l, weft_limiter *part)
{
    weft_waitgroup done = {0};
    struct waiting w = {.l = l, .ctx = weft_ctx_with_cancel(NULL), .done = &done};
    weft_waitgroup_add(&done, 1);
    CHECK_EQ(weft_go(wait_for_one, &w), 0);
    test_until_parked(1);
    CHECK_GT(weft_limiter_reserve_n(part, 1), 7000 * WEFT_SECOND);
    weft_ctx_cancel(w.ctx);
    weft_waitgroup_wait(&done);
    CHECK_EQ(w.result, -ECANCELED);
    CHECK(about(weft_limiter_tokens(part), -2)); /* that one's time stays what it was */
    weft_ctx_unref(w.ctx);
}

static void waits_before_others(void *arg)
{
    (void)arg;
    weft_limiter *l = weft_limiter_new(PER_HOUR, 2), *part = weft_limiter_new(PER_HOUR, 2);
    weft_limiter *all = weft_limiter_multi((weft_limiter *[]){part}, 1);
    CHECK(weft_limiter_allow_n(l, 2));
    give_up_before_another(l, l);
    CHECK(weft_limiter_allow_n(all, 2));
    give_up_before_another(all, part);
    weft_limiter_unref(l);
    weft_limiter_unref(part);
    weft_limiter_unref(all);
}

TEST(who_gives_up_takes_nobodys_promise_back)
{
    CHECK_EQ(test_run(waits_before_others, NULL), 0);
}

static void contexts_end_waits(void *arg)
{
    (void)arg;
    weft_limiter *parts[20], *l = weft_limiter_new(PER_HOUR, 2);
    CHECK(weft_limiter_allow_n(l, 2));
    give_up(l);
    for (size_t i = 0; i < TEST_COUNT_OF(parts); i++)
        parts[i] = weft_limiter_new(PER_HOUR, 2);
    CHECK_EQ(weft_limiter_set_burst(parts[0], 3), 0);
    parts[1] = (weft_limiter_unref(parts[1]), weft_limiter_new(1e6, 2));
    weft_limiter *all = weft_limiter_multi(parts, TEST_COUNT_OF(parts));
    CHECK(weft_limiter_allow_n(all, 2));
    give_up(all);
    CHECK(about(weft_limiter_tokens(parts[1]), 2)); /* it could have gone ahead at once, there */
    CHECK_EQ(weft_limiter_set_limit(parts[1], PER_HOUR), 0);
    CHECK(weft_limiter_allow_n(parts[1], 2));
    for (size_t i = 0; i < TEST_COUNT_OF(parts); i++) {
        CHECK(about(weft_limiter_tokens(parts[i]), 0));
        weft_limiter_unref(parts[i]);
    }
    weft_limiter_unref(all);

    weft_ctx *soon = weft_ctx_with_timeout(NULL, WEFT_MINUTE); /* it says so now, not in a minute */
    CHECK_EQ(weft_limiter_wait(l, soon), -ETIMEDOUT);
    CHECK(about(weft_limiter_tokens(l), 0));
    weft_ctx_unref(soon);
    weft_limiter_unref(l);
}

TEST(a_wait_ends_with_its_context)
{
    CHECK_EQ(test_run(contexts_end_waits, NULL), 0);
}

/* ---- everybody at once ---- */

static struct crowd {
    weft_limiter *l;
    _Atomic(int64_t) taken;
    _Atomic(int) busy;
    int tries;
} crowd;

static void take_often(void *arg)
{
    int64_t mine = 0;
    (void)arg;
    for (int i = 0; i < crowd.tries; i++) {
        int n = 1 + i % 3;
        mine += weft_limiter_allow_n(crowd.l, n) ? n : 0;
    }
    crowd.taken += mine;
    crowd.busy--;
}

static void *take_often_thread(void *arg)
{
    take_often(arg);
    return NULL;
}

static void crowded(void *arg)
{
    enum { GOROUTINES = 8, BURST = 1000 };
    double limit = *(double *)arg;
    pthread_t thread;
    int64_t begin = weft_now();
    crowd.l = weft_limiter_new(limit, BURST);
    crowd.taken = 0;
    crowd.busy = GOROUTINES + 1;
    crowd.tries = test_scale(100000);
    for (int i = 0; i < GOROUTINES; i++)
        CHECK_EQ(weft_go(take_often, NULL), 0);
    REQUIRE(pthread_create(&thread, NULL, take_often_thread, NULL) == 0);
    while (crowd.busy) {
        CHECK_EQ(weft_limiter_set_limit(crowd.l, limit), 0);
        CHECK_EQ(weft_limiter_set_burst(crowd.l, BURST), 0);
        weft_yield();
    }
    pthread_join(thread, NULL);
    double earned = limit * (double)(weft_now() - begin) / 1e9;
    double tokens = weft_limiter_tokens(crowd.l);
    CHECK_LE((double)crowd.taken, BURST + earned + 1);
    if (limit == 0)
        CHECK_EQ((int64_t)round(tokens) + crowd.taken, BURST);
    weft_limiter_unref(crowd.l);
}

TEST(no_more_than_there_is)
{
    static double limits[] = {0, 1e5, 1e9};
    for (size_t i = 0; i < TEST_COUNT_OF(limits); i++)
        CHECK_EQ(test_run(crowded, &limits[i]), 0);
}

/* ---- in 250 years; the last, as the clock stays there ---- */

TEST(what_was_earned_in_years_blurs_nothing)
{
    /* Goal: tokens are still counted one by one when more have been earned than a word could tell apart from one more. */
    enum { BURST = 10, TRIES = 1000 };
    double limit = 1e4;
    weft_limiter *l = weft_limiter_new(limit, BURST);
    int64_t taken = 0;
    if (!weft_priv_clock_move(250 * 365 * 24 * WEFT_HOUR))
        SKIP("not a test build");
    CHECK(weft_limiter_allow(l));
    int64_t begin = weft_now();
    for (int tries = 0; tries < TRIES; tries++)
        taken += weft_limiter_allow(l);
    CHECK_GE(taken, BURST - 1);
    CHECK_LE((double)taken, BURST + limit * (double)(weft_now() - begin) / 1e9);
    weft_limiter_unref(l);
}
