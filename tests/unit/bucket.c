/* SPDX-License-Identifier: Apache-2.0
 * bucket.c - the token bucket's arithmetic, at times that are given to it. */
#include "../test.h"

#include <math.h>

#include "runtime/context/bucket.h"

#define SECOND INT64_C(1000000000)
#define YEAR (365 * 86400 * SECOND)
#define ANY INT64_MAX

static int64_t took; /* what the last take was told to wait */

static enum bucket_answer take(struct bucket *b, int64_t now, int n, int64_t wait_max)
{
    return bucket_take(b, now, n, wait_max, &took);
}

/* Whether there are so many tokens, to a millionth. */
static bool holds(struct bucket *b, int64_t now, double tokens)
{
    double held = bucket_look(b, now).tokens;
    if (fabs(held - tokens) <= 1e-6)
        return true;
    fprintf(stderr, "holds %.9f tokens, not %.9f\n", held, tokens);
    return false;
}

TEST(full_at_first_and_never_more_than_full)
{
    struct bucket b;
    bucket_init(&b, 10, 3, SECOND);
    CHECK(holds(&b, SECOND, 3));
    CHECK(holds(&b, SECOND + 200 * YEAR, 3));
    for (int i = 0; i < 3; i++)
        CHECK_EQ(take(&b, SECOND, 1, 0), BUCKET_TAKEN);
    CHECK_EQ(take(&b, SECOND, 1, 0), BUCKET_TOO_LATE);
    CHECK(holds(&b, SECOND + 200 * YEAR, 3));
}

/* Goal: a token is there when its time has come, and not before; for limits that no binary fraction is equal to. */
TEST(a_token_takes_its_time)
{
    static const double limits[] = {0.001, 1.0 / 3, 0.7, 1, 3, 10, 49, 1000, 1e6 / 7};
    for (size_t i = 0; i < TEST_COUNT_OF(limits); i++) {
        struct bucket b;
        int64_t begin = 5 * SECOND, period = (int64_t)(1e9 / limits[i]);
        bucket_init(&b, limits[i], 1, begin);
        CHECK_EQ(take(&b, begin, 1, 0), BUCKET_TAKEN);
        for (int k = 1; k <= 1000; k++) {
            int64_t due = begin + (int64_t)(k * 1e9 / limits[i] + 0.5);
            CHECK_EQ(take(&b, due - period / 1000, 1, 0), BUCKET_TOO_LATE);
            CHECK_EQ(take(&b, due, 1, 0), BUCKET_TAKEN);
        }
    }
}

TEST(fractions_are_kept)
{
    struct bucket b;
    bucket_init(&b, 1, 5, 0);
    CHECK_EQ(take(&b, 0, 5, 0), BUCKET_TAKEN);
    CHECK_EQ(take(&b, SECOND / 2, 1, 0), BUCKET_TOO_LATE);
    CHECK_EQ(take(&b, SECOND * 3 / 2, 1, 0), BUCKET_TAKEN);
    CHECK(holds(&b, SECOND * 3 / 2, 0.5));
    CHECK_EQ(take(&b, SECOND * 2, 1, 0), BUCKET_TAKEN);
}

TEST(who_takes_on_credit_waits_his_turn)
{
    struct bucket b;
    bucket_init(&b, 10, 2, 0);
    CHECK_EQ(take(&b, 0, 2, ANY), BUCKET_TAKEN);
    CHECK_EQ(took, 0);
    for (int i = 1; i <= 20; i++) {
        CHECK_EQ(take(&b, 0, 1, ANY), BUCKET_TAKEN);
        CHECK_EQ(took, i * SECOND / 10);
    }
    CHECK(holds(&b, 0, -20));
    CHECK_EQ(take(&b, 0, 0, 0), BUCKET_TOO_LATE); /* not even nothing, while there is a debt */
    CHECK_EQ(take(&b, 2 * SECOND, 0, 0), BUCKET_TAKEN);
    CHECK_EQ(take(&b, 2 * SECOND, 1, SECOND / 10 - 1), BUCKET_TOO_LATE);
    CHECK_EQ(take(&b, 2 * SECOND, 1, SECOND / 10), BUCKET_TAKEN);
    CHECK_EQ(take(&b, 2 * SECOND, 3, ANY), BUCKET_TOO_MUCH);
}

TEST(nothing_limits_nothing_earns)
{
    struct bucket b;
    bucket_init(&b, INFINITY, 0, 0);
    CHECK_EQ(take(&b, 0, 1000000, 0), BUCKET_TAKEN);
    bucket_set(&b, INFINITY, 7, 0);
    CHECK_EQ(take(&b, 0, 1000000, 0), BUCKET_TAKEN);
    bucket_set(&b, 1, 7, SECOND);
    CHECK(holds(&b, SECOND, 7));

    bucket_init(&b, 0, 3, 0);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(take(&b, i * YEAR, 1, 0), BUCKET_TAKEN);
    CHECK_EQ(take(&b, 10 * YEAR, 1, 0), BUCKET_TOO_LATE);
    CHECK_EQ(take(&b, 10 * YEAR, 1, ANY), BUCKET_TAKEN);
    CHECK_EQ(took, INT64_MAX);
    CHECK(holds(&b, 20 * YEAR, -1));

    bucket_init(&b, 5, 0, 0);
    CHECK_EQ(take(&b, SECOND, 0, 0), BUCKET_TAKEN);
    CHECK_EQ(take(&b, YEAR, 1, ANY), BUCKET_TOO_MUCH);
}

/* Goal: a refund leaves to those who came later what they were promised (Go's arithmetic). */
TEST(giving_back)
{
    struct bucket b;
    bucket_init(&b, 1, 10, 0);
    CHECK_EQ(take(&b, 0, 10, ANY), BUCKET_TAKEN);
    CHECK_EQ(take(&b, 0, 4, ANY), BUCKET_TAKEN); /* at 4 s */
    CHECK_EQ(take(&b, 0, 3, ANY), BUCKET_TAKEN); /* at 7 s */
    bucket_give_back(&b, 0, 4, 4 * SECOND);      /* 3 of them are needed for the other */
    CHECK(holds(&b, 0, -6));
    bucket_give_back(&b, 0, 3, 7 * SECOND);
    CHECK(holds(&b, 0, -3));

    bucket_init(&b, 1, 10, 0);
    CHECK_EQ(take(&b, 0, 10, ANY), BUCKET_TAKEN);
    CHECK_EQ(take(&b, 0, 2, ANY), BUCKET_TAKEN); /* at 2 s */
    CHECK_EQ(take(&b, 0, 3, ANY), BUCKET_TAKEN); /* at 5 s */
    bucket_give_back(&b, 0, 2, 2 * SECOND);
    CHECK(holds(&b, 0, -5));
    bucket_give_back(&b, SECOND, 3, 5 * SECOND);
    CHECK(holds(&b, SECOND, -1));
    bucket_give_back(&b, SECOND, 10, ANY);
    CHECK(holds(&b, SECOND, 9));
    bucket_give_back(&b, SECOND, 10, ANY); /* full is full */
    CHECK(holds(&b, SECOND, 10));
}

TEST(new_rules_begin_with_what_there_is)
{
    struct bucket b;
    bucket_init(&b, 10, 10, 0);
    CHECK_EQ(take(&b, 0, 10, 0), BUCKET_TAKEN);
    for (int i = 1; i <= 1000; i++) { /* versions come round */
        bucket_set(&b, i % 2 ? 1 : 2, 10, i * SECOND / 1000);
        CHECK_EQ(bucket_look(&b, 0).limit, i % 2 ? 1 : 2);
    }
    CHECK(holds(&b, SECOND, 0.01 + 0.5 * 1 + 0.499 * 2));
    bucket_set(&b, 0, 1, SECOND);
    CHECK(holds(&b, SECOND, 1));
    bucket_set(&b, 0, 10, SECOND); /* what was over is gone */
    CHECK(holds(&b, 2 * SECOND, 1));
}

/* Goal: time that goes back adds no token (RT-10), nor does it take any away, or earn one twice: what there is depends on the
 * time that it is and on what was taken, in whatever order. Method: takes, refusals, refunds and new rules of then, looked at
 * from now; also before the rules were made. */
TEST(time_that_goes_back_adds_nothing)
{
    struct bucket b;
    int64_t now = 10 * SECOND, tenth = SECOND / 10, then = now - 4 * tenth;
    bucket_init(&b, 10, 5, 0);
    CHECK_EQ(take(&b, now, 5, 0), BUCKET_TAKEN);
    CHECK_EQ(take(&b, then, 1, 0), BUCKET_TOO_LATE);
    CHECK(holds(&b, then, -4));
    CHECK(holds(&b, now, 0));
    CHECK_EQ(take(&b, then, 1, ANY), BUCKET_TAKEN); /* in time for then and now */
    CHECK_EQ(took, 5 * tenth);
    CHECK(holds(&b, now, -1));
    bucket_give_back(&b, then, 1, then + 5 * tenth);
    CHECK(holds(&b, now, 0));
    bucket_set(&b, 10, 5, then);
    CHECK(holds(&b, now, 0));
    CHECK_EQ(take(&b, now + tenth - 1000, 1, 0), BUCKET_TOO_LATE);
    CHECK_EQ(take(&b, now + tenth, 1, 0), BUCKET_TAKEN);

    bucket_init(&b, 10, 5, now);
    CHECK_EQ(take(&b, then, 2, 0), BUCKET_TOO_LATE);
    CHECK_EQ(take(&b, then, 1, 0), BUCKET_TAKEN);
    CHECK(holds(&b, now, 4));
    CHECK(holds(&b, INT64_MAX, 5));
    CHECK_EQ(take(&b, INT64_MAX, 6, ANY), BUCKET_TOO_MUCH);
    bucket_set(&b, 10, 5, INT64_MAX); /* else what was earned washes the tokens out */
    CHECK_EQ(take(&b, INT64_MAX, 5, 0), BUCKET_TAKEN);
    CHECK(holds(&b, INT64_MAX, 0));
    CHECK(holds(&b, INT64_MAX - tenth, -1));
}

/* Goal: for ever and ever: what is earned over years doesn't wash the tokens out. */
TEST(stale_rules_are_told)
{
    struct bucket b;
    int renewed = 0;
    bucket_init(&b, 1e6, 100, 0);
    for (int64_t now = 0; now < 200 * SECOND; now += SECOND / 100) {
        enum bucket_answer answer = take(&b, now, 1, 0);
        CHECK(holds(&b, now, 99));
        CHECK(answer == BUCKET_TAKEN || answer == BUCKET_STALE);
        if (answer == BUCKET_STALE) {
            struct bucket_state s = bucket_look(&b, now);
            bucket_set(&b, s.limit, s.burst, now);
            renewed++;
        }
    }
    CHECK_GE(renewed, 5);
    CHECK_LE(renewed, 20);
}

/* ---- between threads ---- */

static struct bucket shared;
static atomic_int taken, done;

static void *take_all(void *arg)
{
    int mine = 0;
    int64_t wait;
    for (int i = 0; i < (int)(intptr_t)arg; i++)
        mine += bucket_take(&shared, i, 1, 0, &wait) == BUCKET_TAKEN;
    atomic_fetch_add(&taken, mine);
    atomic_fetch_add(&done, 1);
    return NULL;
}

/* Goal: each token goes to one. Method: a bucket that earns nothing, and whose rules change all the time between ones that
 * say the same; three threads that want more than there is. */
TEST(each_token_is_taken_once)
{
    enum { THREADS = 3 };
    int burst = test_scale(300000);
    pthread_t threads[THREADS];
    bucket_init(&shared, 0, burst, 0);
    bucket_set(&shared, 0, 4 * burst, 0);
    taken = done = 0;
    for (int i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, take_all, (void *)(intptr_t)burst) == 0);
    for (int i = 0; done < THREADS; i++) {
        bucket_set(&shared, 0, i % 2 ? 4 * burst : 5 * burst, i);
        if (i < burst) {
            bucket_give_back(&shared, i, 1, ANY);
            taken -= 1;
        }
        if (i % 16 == 0)
            sched_yield();
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    double left = bucket_look(&shared, 0).tokens;
    CHECK_EQ((int64_t)(left + 0.5) + taken, burst);
}
