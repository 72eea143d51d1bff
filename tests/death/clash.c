/* SPDX-License-Identifier: Apache-2.0
 * clash.c - code that is compiled with -fstack-clash-protection, as programs with large frames should be. */
#include "clash.h"

#include <string.h>

void clash_large_frame(void)
{
    volatile char frame[CLASH_FRAME_BYTES];
    frame[0] = 1;
    (void)frame[0];
}

void clash_alloca(size_t bytes)
{
    volatile char *frame = __builtin_alloca(bytes);
    frame[0] = 1;
}
