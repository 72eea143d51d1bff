/* SPDX-License-Identifier: Apache-2.0
 * clock.h - a clock whose pieces are so short that every question needs a new one, in three slots that are written again and
 * again. The kernel's clock is ahead of the computed one, so that pieces differ in their slopes. */
#ifndef WEFT_TESTS_GENMC_CLOCK_H
#define WEFT_TESTS_GENMC_CLOCK_H

#include "model.h"

void __VERIFIER_assume(_Bool condition);

#include "arch/clock.c"

#define TOLD_MAX 3

static struct clock clock_shared = CLOCK_INIT;
static _Atomic(uint64_t) counter;
static struct {
    uint64_t count; /* 0: nobody asked */
    int64_t ns;
} told[TOLD_MAX];

void os_yield(void) {}

/* Who must read or ask again isn't followed further. */
static void ask(int i)
{
    struct clock_reading r;
    r.seen = atomic_load_acquire(&clock_shared.current);
    r.counter = atomic_fetch_add_explicit(&counter, 8, memory_order_seq_cst) + 8;
    r.width = 0;
    r.ns = (int64_t)(r.counter + r.counter / 8);
    told[i].count = r.counter;
    __VERIFIER_assume(clock_read(&clock_shared, &r, &told[i].ns));
}

/* The first straight piece: counts 16 and 17. */
static void begin(void)
{
    ask(0);
    ask(0);
}

/* What a thread was told is the time of a count, and no count after it has an earlier one. */
static void check_told(void)
{
    for (int a = 0; a < TOLD_MAX; a++)
        for (int b = 0; b < TOLD_MAX; b++)
            REQUIRE(!told[a].count || told[a].count >= told[b].count || told[a].ns <= told[b].ns);
}

#endif
