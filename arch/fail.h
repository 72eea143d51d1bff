/* SPDX-License-Identifier: Apache-2.0
 * fail.h - failure injection: every call that asks for something which may run out asks os_fails()
 * first, in the seam that makes the call. In the test build WEFT_FAIL decides (fail.c); elsewhere the
 * answer is a constant and the question is gone. */
#ifndef WEFT_ARCH_FAIL_H
#define WEFT_ARCH_FAIL_H

#include <stdbool.h>

#include "arch/arch.h"

/* What is asked for. The names that WEFT_FAIL knows are in fail.c. */
enum os_failure {
    FAIL_MEMORY,
    FAIL_ARENA,
    FAIL_MAP,
    FAIL_GUARD,
    FAIL_THREAD,
    FAIL_KEY,
    FAIL_FILE,
    FAIL_TOPOLOGY,
    FAIL_BIND,
    FAIL_FENCE,
    FAILURES
};

#ifdef WEFT_TEST_BUILD
bool os_fails(enum os_failure kind);
#else
static inline bool os_fails(enum os_failure kind)
{
    (void)kind;
    return false;
}
#endif

#endif
