/* SPDX-License-Identifier: Apache-2.0
 * shared_out.h - elements that an owner and three thieves share: each comes out exactly once. */
#ifndef WEFT_TESTS_UNIT_SHARED_OUT_H
#define WEFT_TESTS_UNIT_SHARED_OUT_H

#include "../test.h"

enum { THIEVES = 3, ELEMENTS = 2000000 };

static _Atomic(unsigned char) *seen; /* a byte an element */
static atomic_bool done;             /* the owner puts in no more */
static uintptr_t total;
static pthread_t thieves[THIEVES];
static long loot[THIEVES];

static void *element(uintptr_t i)
{
    return (void *)(i + 1);
}

static void see(void *x)
{
    uintptr_t i = (uintptr_t)x - 1;
    if (i >= total || atomic_fetch_add(&seen[i], 1) != 0)
        FAIL("element %ju came out twice or was never put in", (uintmax_t)i);
}

/* thief gets a long to put there how many it has seen. */
static void thieves_begin(void *(*thief)(void *))
{
    total = (uintptr_t)test_scale(ELEMENTS);
    seen = calloc(total, 1);
    REQUIRE(seen);
    atomic_store(&done, false);
    for (int i = 0; i < THIEVES; i++)
        REQUIRE(pthread_create(&thieves[i], NULL, thief, &loot[i]) == 0);
}

/* owned: how many the owner has seen. */
static void thieves_end(long owned)
{
    atomic_store(&done, true);
    for (int i = 0; i < THIEVES; i++) {
        pthread_join(thieves[i], NULL);
        owned += loot[i];
    }
    CHECK_EQ((uintptr_t)owned, total);
    free((void *)seen);
}

#endif
