/* SPDX-License-Identifier: Apache-2.0
 * clash.h - functions whose frames are many times a guard page. */
#ifndef WEFT_TESTS_CLASH_H
#define WEFT_TESTS_CLASH_H

#include <stddef.h>

#define CLASH_FRAME_BYTES ((size_t)3 << 20)

void clash_large_frame(void);
void clash_alloca(size_t bytes);

/* The caller's: elsewhere, or the frames would be optimised away. */
void clash_touch(volatile char *p);

#endif
