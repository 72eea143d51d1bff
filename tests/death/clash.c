/* SPDX-License-Identifier: Apache-2.0
 * clash.c - code that is compiled with -fstack-clash-protection, as programs with large frames should be. */
#include "clash.h"

void clash_large_frame(void)
{
    volatile char frame[CLASH_FRAME_BYTES];
    clash_touch(frame);
}

void clash_alloca(size_t bytes)
{
    volatile char *frame = __builtin_alloca(bytes);
    clash_touch(frame);
}
