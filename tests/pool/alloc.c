/* SPDX-License-Identifier: Apache-2.0
 * alloc.c - weft_alloc, weft_free. */
#include "../test.h"

static void sizes(void)
{
    static const size_t sizes[] = {0,   1,   7,    8,    9,     15,      16,     17,
                                   100, 128, 1000, 4096, 65537, 1 << 20, 8 << 20};
    void *blocks[TEST_COUNT_OF(sizes)];
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++) {
        blocks[i] = weft_alloc(sizes[i]);
        CHECK(blocks[i]);
        CHECK_EQ((uintptr_t)blocks[i] % _Alignof(max_align_t), 0);
        if (blocks[i] && sizes[i])
            memset(blocks[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++) {
        const unsigned char *bytes = blocks[i];
        size_t wrong = 0;
        for (size_t k = 0; bytes && k < sizes[i]; k++)
            wrong += bytes[k] != i + 1;
        CHECK_EQ(wrong, 0);
        weft_free(blocks[i]);
    }
    weft_free(NULL);
}

static void *sizes_on_thread(void *arg)
{
    sizes();
    return arg;
}

static void sizes_in_run(void *arg)
{
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, sizes_on_thread, arg) == 0);
    sizes();
    weft_blocking(sizes_on_thread, arg);
    pthread_join(thread, NULL);
}

TEST(blocks_of_all_sizes)
{
    /* Goal: blocks are aligned, apart, and as large as asked; NULL may be freed. Method: fill them
     * all, then look; outside of a run, in a goroutine, in a blocking section, on a foreign thread. */
    sizes();
    CHECK_EQ(test_run(sizes_in_run, NULL), 0);
    sizes();
}

static void too_large(void *arg)
{
    static const size_t sizes[] = {SIZE_MAX, SIZE_MAX - 15, SIZE_MAX / 2 + 1, (size_t)1 << 60};
    (void)arg;
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++) {
        volatile size_t size = sizes[i];
        errno = 0;
        void *block = weft_alloc(size);
        CHECK(!block);
        CHECK_EQ(errno, ENOMEM);
        weft_free(block);
    }
}

TEST(too_large_gives_null)
{
    /* Goal: what can't be had gives NULL and ENOMEM, no overflow. Method: sizes near SIZE_MAX. */
    if (test_instrumented())
        SKIP("the tools stop the program at such sizes");
    too_large(NULL);
    CHECK_EQ(test_run(too_large, NULL), 0);
}

enum { BLOCKS = 512 };
static _Atomic(unsigned char *) passed_on[BLOCKS];
static weft_waitgroup all;

/* Puts blocks in the places of others', checks those and frees them: most are another processor's. */
static void exchange(void *arg)
{
    uint64_t seed = (uint64_t)(intptr_t)arg;
    for (int i = 0; i < test_scale(20000); i++) {
        uint64_t random = test_random(&seed);
        size_t size = 1 + random % 500;
        unsigned char *mine = weft_alloc(size);
        REQUIRE(mine);
        memset(mine, (int)(size % 251), size);
        mine[0] = (unsigned char)(size % 251);
        unsigned char *other = atomic_exchange(&passed_on[(random >> 32) % BLOCKS], mine);
        if (other)
            CHECK_LT(other[0], 251);
        weft_free(other);
        if (i % 64 == 0)
            weft_yield();
    }
    weft_waitgroup_done(&all);
}

static void *exchange_on_thread(void *arg)
{
    exchange(arg);
    return NULL;
}

static void exchanges(void *arg)
{
    pthread_t thread;
    (void)arg;
    all = (weft_waitgroup){0};
    weft_waitgroup_add(&all, 5);
    for (intptr_t i = 0; i < 4; i++)
        CHECK_EQ(weft_go(exchange, (void *)i), 0);
    REQUIRE(pthread_create(&thread, NULL, exchange_on_thread, (void *)99) == 0);
    weft_waitgroup_wait(&all);
    pthread_join(thread, NULL);
}

TEST(blocks_may_be_freed_anywhere)
{
    /* Goal: blocks are freed on other processors and threads than they came from, and after the run.
     * Method: goroutines and a foreign thread swap blocks; memory of a second and of a fifth round
     * compared. */
    long rss = 0;
    for (int round = 0; round < 5; round++) {
        CHECK_EQ(test_run(exchanges, NULL), 0);
        if (round == 1)
            rss = test_rss_kib();
    }
    if (test_rss_tells())
        CHECK_LT(test_rss_kib() - rss, 2048);
    for (int i = 0; i < BLOCKS; i++)
        weft_free(atomic_exchange(&passed_on[i], NULL));
}
