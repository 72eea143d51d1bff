/* SPDX-License-Identifier: Apache-2.0
 * assert.h - invariants. WEFT_ASSERT stays on in release (it costs under a nanosecond where it
 * stands), WEFT_DEBUG_ASSERT only in the test build. No side effects inside either. */
#ifndef WEFT_ARCH_ASSERT_H
#define WEFT_ARCH_ASSERT_H

#include "arch/arch.h"

_Noreturn void os_assert_failed(const char *text, const char *file, int line) __attribute__((cold));

#define WEFT_ASSERT(cond) (likely(cond) ? (void)0 : os_assert_failed(#cond, __FILE__, __LINE__))

#ifdef WEFT_TEST_BUILD
#define WEFT_DEBUG_ASSERT(cond) WEFT_ASSERT(cond)
#else
#define WEFT_DEBUG_ASSERT(cond) ((void)sizeof(cond))
#endif

#endif
