/* SPDX-License-Identifier: Apache-2.0
 * heap.c - the timer heap against sorting. */
#include "runtime/time/heap.h"

#include "../test.h"

enum { ENTRIES = 20000 };

/* The heap only carries the pointers. */
static struct timer *as_timer(uintptr_t i)
{
    return (struct timer *)((i + 1) * 16);
}

static int64_t deadlines[ENTRIES];

static bool comes_before(uintptr_t a, uintptr_t b)
{
    return deadlines[a] != deadlines[b] ? deadlines[a] < deadlines[b] : a < b;
}

TEST(comes_out_by_deadline_and_ties_by_age)
{
    struct heap h = {0};
    uint64_t seed = test_seed();
    CHECK_EQ(heap_earliest(&h), INT64_MAX);
    for (uintptr_t i = 0; i < ENTRIES; i++) {
        deadlines[i] = (int64_t)(test_random(&seed) % 1000) - 500;
        CHECK_EQ(heap_push(&h, deadlines[i], as_timer(i)), 0);
    }
    uintptr_t last = 0;
    for (int n = 0; n < ENTRIES; n++) {
        int64_t earliest = heap_earliest(&h);
        uintptr_t i = (uintptr_t)heap_pop(&h) / 16 - 1;
        CHECK_EQ(deadlines[i], earliest);
        CHECK(n == 0 || comes_before(last, i));
        last = i;
    }
    CHECK_EQ(h.size, (size_t)0);
    heap_free(&h);
}

static int is_even(struct timer *t, void *arg)
{
    (*(int *)arg)++;
    return ((uintptr_t)t / 16 - 1) % 2 == 0;
}

TEST(a_filtered_heap_is_a_heap)
{
    for (uintptr_t n = 0; n < 200; n++) {
        struct heap h = {0};
        int asked = 0;
        for (uintptr_t i = 0; i < n; i++) {
            deadlines[i] = (int64_t)(i * 7919 % 101);
            CHECK_EQ(heap_push(&h, deadlines[i], as_timer(i)), 0);
        }
        heap_filter(&h, is_even, &asked);
        CHECK_EQ((uintptr_t)asked, n);
        CHECK_EQ(h.size, (n + 1) / 2);
        int64_t last = INT64_MIN;
        while (h.size) {
            uintptr_t i = (uintptr_t)heap_pop(&h) / 16 - 1;
            CHECK_EQ(i % 2, (uintptr_t)0);
            CHECK_LE(last, deadlines[i]);
            last = deadlines[i];
        }
        heap_free(&h);
    }
}
