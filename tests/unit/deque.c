/* SPDX-License-Identifier: Apache-2.0
 * deque.c - the run queue's ring: order, growth, and one owner against three thieves. */
#include "runtime/sched/deque.h"

#include "alloc/alloc.h"
#include "shared_out.h"

static _Atomic(struct deque_array *) outgrown; /* a thief may still read them: freed at the end */

static void keep_outgrown(struct deque_array *a)
{
    a->next_retired = atomic_load(&outgrown);
    while (!atomic_compare_exchange_weak(&outgrown, &a->next_retired, a))
        ;
}

static int free_outgrown(void)
{
    int n = 0;
    for (struct deque_array *a = atomic_exchange(&outgrown, NULL); a; n++) {
        struct deque_array *next = a->next_retired;
        alloc_free(a);
        a = next;
    }
    return n;
}

TEST(first_in_first_out_over_growth_and_wrap)
{
    /* Goal: order survives growing, with the ring's end in the middle. Method: push and pop in a
     * pattern that moves the head around small capacities. */
    struct deque d;
    REQUIRE(deque_init(&d, keep_outgrown) == 0);
    uintptr_t pushed = 0, popped = 0;
    for (int round = 1; round <= 60; round++) {
        for (int i = 0; i < round * 20; i++)
            CHECK_EQ(deque_push(&d, element(pushed++)), 0);
        CHECK_EQ(deque_size(&d), pushed - popped);
        for (int i = 0; i < round * 19; i++)
            CHECK_PTR_EQ(deque_pop(&d), element(popped++));
    }
    while (popped < pushed)
        CHECK_PTR_EQ(deque_pop(&d), element(popped++));
    CHECK_PTR_EQ(deque_pop(&d), NULL);
    CHECK_GT(free_outgrown(), 0);
    deque_destroy(&d);
}

TEST(a_thief_gets_the_older_half)
{
    /* Goal: a steal takes ceil(n/2) up to its limit, oldest first, and leaves the rest in order. */
    for (uintptr_t n = 0; n < 3 * DEQUE_STEAL_MAX; n++) {
        struct deque from, into;
        REQUIRE(deque_init(&from, keep_outgrown) == 0 && deque_init(&into, keep_outgrown) == 0);
        for (uintptr_t i = 0; i < n; i++)
            CHECK_EQ(deque_push(&from, element(i)), 0);
        uintptr_t expected = (n + 1) / 2 < DEQUE_STEAL_MAX ? (n + 1) / 2 : DEQUE_STEAL_MAX;
        unsigned stolen;
        CHECK_PTR_EQ(deque_steal_half(&from, &into, &stolen), n ? element(0) : NULL);
        CHECK_EQ(stolen, expected);
        for (uintptr_t i = 1; i < expected; i++)
            CHECK_PTR_EQ(deque_pop(&into), element(i));
        CHECK_PTR_EQ(deque_pop(&into), NULL);
        for (uintptr_t i = expected; i < n; i++)
            CHECK_PTR_EQ(deque_pop(&from), element(i));
        free_outgrown();
        deque_destroy(&from);
        deque_destroy(&into);
    }
}

static struct deque shared;

static void *thief(void *arg)
{
    struct deque own;
    REQUIRE(deque_init(&own, keep_outgrown) == 0);
    long n = 0;
    for (bool last = false;;) {
        unsigned stolen;
        void *x = deque_steal_half(&shared, &own, &stolen);
        for (; x; x = deque_pop(&own), n++)
            see(x);
        if (last)
            break;
        last = atomic_load(&done) && deque_size(&shared) == 0;
    }
    deque_destroy(&own);
    *(long *)arg = n;
    return NULL;
}

TEST(each_element_comes_out_exactly_once)
{
    /* Goal: owner and thieves share the elements, none lost, none twice, while the ring grows.
     * Method: the owner pushes bursts of random length and pops random numbers; a byte an element. */
    uint64_t seed = test_seed();
    REQUIRE(deque_init(&shared, keep_outgrown) == 0);
    long owned = 0;
    thieves_begin(thief);
    for (uintptr_t next = 0; next < total;) {
        uint64_t random = test_random(&seed);
        for (uint64_t burst = random % 500; burst > 0 && next < total; burst--)
            CHECK_EQ(deque_push(&shared, element(next++)), 0);
        for (uint64_t n = (random >> 20) % 400; n > 0; n--) {
            void *x = deque_pop(&shared);
            if (!x)
                break;
            see(x);
            owned++;
        }
        if ((random >> 40) % 16 == 0)
            sched_yield();
    }
    for (void *x; (x = deque_pop(&shared)); owned++)
        see(x);
    thieves_end(owned);
    free_outgrown();
    deque_destroy(&shared);
}
