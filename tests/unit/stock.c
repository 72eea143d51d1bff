/* SPDX-License-Identifier: Apache-2.0
 * stock.c - a processor's stock of free objects: order, limits, and its holder against thieves. */
#include "runtime/pool/stock.h"

#include "../test.h"

enum { THIEVES = 3, ROUNDS = 1000000 };

static struct stock stock;

static void reset(void)
{
    os_fence_prepare();
    memset(&stock, 0, sizeof stock);
}

static void *object(uintptr_t i)
{
    return (void *)(i + 1);
}

TEST(last_in_first_out_within_its_size)
{
    /* Goal: the holder gets what it put last; a full stock refuses, an empty one gives NULL. */
    reset();
    for (int round = 0; round < 10; round++) {
        for (uintptr_t i = 0; i < STOCK_SIZE; i++)
            CHECK(stock_put(&stock, object(i)));
        CHECK(!stock_put(&stock, object(99)));
        CHECK_EQ(stock_count(&stock), STOCK_SIZE);
        for (uintptr_t i = STOCK_SIZE; i-- > 0;)
            CHECK_PTR_EQ(stock_take(&stock), object(i));
        CHECK_PTR_EQ(stock_take(&stock), NULL);
        CHECK_EQ(stock_count(&stock), 0);
    }
}

TEST(thieves_get_the_oldest)
{
    /* Goal: up to as many as asked for, oldest first; what is left is the holder's, and so is the room. */
    void *got[STOCK_SIZE];
    reset();
    for (uint32_t n = 0; n <= STOCK_SIZE; n++)
        for (uint32_t want = 0; want <= STOCK_SIZE; want++) {
            for (uintptr_t i = 0; i < n; i++)
                CHECK(stock_put(&stock, object(i)));
            uint32_t count = want < n ? want : n;
            CHECK_EQ(stock_steal(&stock, got, want), count);
            for (uintptr_t i = 0; i < count; i++)
                CHECK_PTR_EQ(got[i], object(i));
            for (uintptr_t i = n; i-- > count;)
                CHECK_PTR_EQ(stock_take(&stock), object(i));
            CHECK_PTR_EQ(stock_take(&stock), NULL);
        }
}

/* ---- one holder, several thieves ---- */

enum { OBJECTS = 2 * STOCK_SIZE };
static struct thing {
    int plain; /* who has it writes it */
    atomic_bool owned;
} things[OBJECTS];
static _Atomic(struct thing *) returned[OBJECTS];
static atomic_bool stop;
static atomic_int stolen;

static void own(struct thing *t)
{
    CHECK(!atomic_exchange(&t->owned, true));
    t->plain++;
}

static void disown(struct thing *t)
{
    t->plain++;
    CHECK(atomic_exchange(&t->owned, false));
}

static void *thief(void *arg)
{
    void *got[STOCK_SIZE];
    uint32_t want = (uint32_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        uint32_t n = stock_steal(&stock, got, want);
        for (uint32_t i = 0; i < n; i++) {
            struct thing *t = got[i];
            own(t);
            disown(t);
            atomic_store(&returned[t - things], t); /* back to the holder */
        }
        atomic_fetch_add(&stolen, (int)n);
        if (!n)
            sched_yield();
    }
    return NULL;
}

/* One that a thief gave back or that the holder has not put yet. */
static struct thing *one_returned(size_t *at)
{
    for (size_t i = 0; i < OBJECTS; i++) {
        *at = (*at + 1) % OBJECTS;
        struct thing *t = atomic_exchange(&returned[*at], NULL);
        if (t)
            return t;
    }
    return NULL;
}

static int drain(void)
{
    int n = 0;
    size_t at = 0;
    for (struct thing *t; (t = stock_take(&stock)); n++)
        own(t);
    while (one_returned(&at))
        n++;
    return n;
}

TEST(each_object_has_one_owner)
{
    /* Goal: an object is the holder's or one thief's, with all that its last owner did, and none gets lost.
     * Method: the holder puts and takes in bursts, thieves take some and give them back. */
    pthread_t threads[THIEVES];
    uint64_t seed = test_seed();
    size_t at = 0;
    reset();
    atomic_store(&stop, false);
    atomic_store(&stolen, 0);
    for (size_t i = 0; i < OBJECTS; i++)
        atomic_store(&returned[i], &things[i]);
    for (uintptr_t i = 0; i < THIEVES; i++)
        REQUIRE(pthread_create(&threads[i], NULL, thief, (void *)(i + 1)) == 0);
    int rounds = test_scale(ROUNDS);
    for (int i = 0; i < rounds || atomic_load(&stolen) == 0; i++) {
        struct thing *t;
        if (test_random(&seed) % 2) {
            if ((t = one_returned(&at)) && !stock_put(&stock, t))
                atomic_store(&returned[t - things], t);
        } else if ((t = stock_take(&stock))) {
            own(t);
            disown(t);
            atomic_store(&returned[t - things], t);
        }
    }
    atomic_store(&stop, true);
    for (int i = 0; i < THIEVES; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(drain(), OBJECTS);
}
