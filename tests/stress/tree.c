/* SPDX-License-Identifier: Apache-2.0
 * tree.c - trees of goroutines, each node on a WaitGroup in its parent's frame; exact sums. */
#include "../test.h"

struct node {
    uint64_t seed;
    int depth;
    atomic_llong *leaves; /* reached */
    atomic_ullong *sum;   /* of what the leaves drew */
    weft_waitgroup *parent;
};

/* What a subtree must come to, computed alone. */
static void expected(uint64_t seed, int depth, long long *leaves, uint64_t *sum)
{
    uint64_t random = test_random(&seed);
    int children = depth > 0 ? (int)(random % 5) + 1 : 0;
    if (children == 0) {
        ++*leaves;
        *sum += random % 1000;
    }
    for (int i = 0; i < children; i++)
        expected(test_random(&seed), depth - 1, leaves, sum);
}

static void node(void *arg)
{
    struct node *n = arg;
    uint64_t seed = n->seed, random = test_random(&seed);
    int children = n->depth > 0 ? (int)(random % 5) + 1 : 0;
    weft_waitgroup wg = {0};
    if (children == 0) {
        atomic_fetch_add(n->leaves, 1);
        atomic_fetch_add(n->sum, random % 1000);
    }
    if (random % 16 == 3)
        weft_yield();
    for (int i = 0; i < children; i++) {
        weft_waitgroup_add(&wg, 1);
        CHECK_EQ(
            WEFT_GO(node, struct node, test_random(&seed), n->depth - 1, n->leaves, n->sum, &wg),
            0);
    }
    if (random % 4 == 1)
        CHECK_EQ(weft_waitgroup_wait_until(&wg, WEFT_FOREVER), 0);
    else
        weft_waitgroup_wait(&wg);
    weft_waitgroup_done(n->parent);
}

struct root {
    uint64_t seed;
    int depth;
};

static void grow(void *arg)
{
    struct root *root = arg;
    weft_waitgroup wg = {0};
    atomic_llong leaves = 0;
    atomic_ullong sum = 0;
    long long want_leaves = 0;
    uint64_t want_sum = 0;
    expected(root->seed, root->depth, &want_leaves, &want_sum);
    weft_waitgroup_add(&wg, 1);
    CHECK_EQ(WEFT_GO(node, struct node, root->seed, root->depth, &leaves, &sum, &wg), 0);
    weft_waitgroup_wait(&wg);
    CHECK_EQ(atomic_load(&leaves), want_leaves);
    CHECK_EQ(atomic_load(&sum), want_sum);
}

TEST(trees_come_out_whole)
{
    /* Goal: every goroutine of a fan-out across processors runs exactly once, and each waiter wakes.
     * Method: random trees whose leaves and sum are known, for WEFT_TEST_SECONDS. */
    struct root root = {.seed = test_seed(), .depth = test_instrumented() ? 5 : 8};
    int64_t until = test_now() + (int64_t)(test_seconds() * 1e9);
    int trees = 0;
    do {
        CHECK_EQ(test_run(grow, &root), 0);
        root.seed++;
        trees++;
    } while (test_now() < until);
    fprintf(stderr, "    %d trees\n", trees);
}

static atomic_llong spawned;

static void one(void *arg)
{
    atomic_fetch_add(&spawned, 1);
    weft_waitgroup_done(arg);
}

static void burst(void *arg)
{
    uint64_t seed = *(uint64_t *)arg;
    int64_t until = test_now() + (int64_t)(test_seconds() * 1e9);
    long long wanted = 0;
    atomic_store(&spawned, 0);
    do {
        weft_waitgroup wg = {0};
        uint64_t random = test_random(&seed);
        int n = (int)(random % 40) + 1;
        weft_waitgroup_add(&wg, n);
        for (int i = 0; i < n; i++)
            CHECK_EQ(weft_go(one, &wg), 0);
        /* Now and then let the other processors go to sleep first. */
        if (random >> 32 & 1)
            for (volatile int spin = (int)(random >> 40) % 20000; spin > 0; spin--)
                ;
        weft_waitgroup_wait(&wg);
        wanted += n;
        CHECK_EQ(atomic_load(&spawned), wanted);
    } while (test_now() < until);
}

TEST(bursts_are_never_forgotten)
{
    /* Goal: a push that meets processors spinning, about to sleep or asleep is always taken up.
     * Method: bursts of 1 to 40 goroutines with pauses up to some 20 us; exact counts. */
    uint64_t seed = test_seed();
    CHECK_EQ(test_run(burst, &seed), 0);
}
