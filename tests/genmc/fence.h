/* SPDX-License-Identifier: Apache-2.0
 * fence.h - fences of which one side is cheap, as full ones on both sides: what the checker knows. */
#ifndef WEFT_TESTS_GENMC_FENCE_H
#define WEFT_TESTS_GENMC_FENCE_H

#include "model.h"

_Atomic(bool) os_fence_is_asymmetric;

void os_fence_prepare(void) {}

bool os_fence_heavy(void)
{
    atomic_fence_full();
    return true;
}

#endif
