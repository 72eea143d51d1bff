/* SPDX-License-Identifier: Apache-2.0
 * source_none.c - arch/source.h where nothing reads debug information. */
#include "arch/source.h"

void os_source_prepare(void) {}

bool os_source_line(uintptr_t pc, struct os_source *out)
{
    (void)pc, (void)out;
    return false;
}

void os_source_forget(void) {}

void os_source_cut_short(void) {}
