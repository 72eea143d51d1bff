/* SPDX-License-Identifier: Apache-2.0
 * fail.h - within runtime/fail/. */
#ifndef WEFT_FAIL_FAIL_H
#define WEFT_FAIL_FAIL_H

#include <weft/defer.h>

/* Run this goroutine's (or foreign thread's) deferred calls, last in first out, until none is left. */
void fail_run_deferred(void);

#endif
