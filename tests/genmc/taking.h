/* SPDX-License-Identifier: Apache-2.0
 * taking.h - goroutines that haven't run yet, as numbers: 1 when it is pushed, 2 when it has been taken, which is once. */
#ifndef WEFT_TESTS_GENMC_TAKING_H
#define WEFT_TESTS_GENMC_TAKING_H

#include "model.h"

#include "runtime/sched/fresh.h"

static struct fresh own;

static void took(void *x)
{
    int *e = x;
    if (!e)
        return;
    REQUIRE(*e == 1);
    *e = 2;
}

#endif
