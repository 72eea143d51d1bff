/* SPDX-License-Identifier: Apache-2.0
 * fresh.c - the goroutines that haven't run yet: the newest for their holder, the oldest for thieves, each once. */
#include "runtime/sched/fresh.h"

#include "shared_out.h"

static struct fresh shared;

static void fill(struct fresh *f)
{
    for (uintptr_t i = 0; i < FRESH_MAX; i++)
        CHECK(fresh_push(f, element(i)));
    CHECK(!fresh_push(f, element(FRESH_MAX)));
    CHECK_EQ(fresh_size(f), FRESH_MAX);
}

static void check_is_empty(struct fresh *f)
{
    CHECK_PTR_EQ(fresh_take(f), NULL);
    CHECK_PTR_EQ(fresh_take_unshared(f), NULL);
    CHECK_PTR_EQ(fresh_steal(f), NULL);
    CHECK_EQ(fresh_size(f), 0);
    CHECK(fresh_holds_none(f));
}

TEST(newest_first_for_the_holder)
{
    /* Goal: last in first out, with and without thieves about, and no more than there is room for, over the ring's end. */
    struct fresh f = {0};
    for (int round = 0; round < 3; round++) {
        check_is_empty(&f);
        fill(&f);
        for (uintptr_t i = FRESH_MAX; i-- > 0;)
            CHECK_PTR_EQ(round ? fresh_take_unshared(&f) : fresh_take(&f), element(i));
        check_is_empty(&f);
        CHECK(fresh_push(&f, element(7)));
        CHECK_PTR_EQ(fresh_take(&f), element(7)); /* moves the ring's end */
    }
}

TEST(oldest_first_for_thieves)
{
    /* Goal: first in first out at the other end, and what they leave is the holder's. */
    struct fresh f = {0};
    for (uintptr_t left = 0; left <= FRESH_MAX; left++) {
        fill(&f);
        for (uintptr_t i = 0; i < FRESH_MAX - left; i++)
            CHECK_PTR_EQ(fresh_steal(&f), element(i));
        for (uintptr_t i = FRESH_MAX; i-- > FRESH_MAX - left;)
            CHECK_PTR_EQ(fresh_take(&f), element(i));
        check_is_empty(&f);
    }
}

static void *thief(void *arg)
{
    long n = 0;
    for (bool last = false; !last;) {
        last = atomic_load(&done) && fresh_size(&shared) == 0;
        for (void *x; (x = fresh_steal(&shared)); n++)
            see(x);
    }
    *(long *)arg = n;
    return NULL;
}

TEST(each_element_comes_out_exactly_once)
{
    /* Goal: holder and thieves share the elements, none lost, none twice. Method: the holder pushes bursts of random length,
     * short ones mostly, so that all meet at the last one, and takes random numbers; a byte an element. */
    uint64_t seed = test_seed();
    long owned = 0;
    thieves_begin(thief);
    for (uintptr_t next = 0; next < total;) {
        uint64_t random = test_random(&seed);
        for (uint64_t burst = random % 4 ? random % 5 : random % 2000; burst > 0 && next < total;
             burst--) {
            void *x = element(next++);
            if (!fresh_push(&shared, x)) {
                see(x);
                owned++;
            }
        }
        for (uint64_t n = (random >> 20) % 7; n > 0; n--) {
            void *x = fresh_take(&shared);
            if (!x)
                break;
            see(x);
            owned++;
        }
        if ((random >> 40) % 64 == 0)
            sched_yield();
    }
    for (void *x; (x = fresh_take(&shared)); owned++)
        see(x);
    thieves_end(owned);
}
