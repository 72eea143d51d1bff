/* SPDX-License-Identifier: Apache-2.0
 * probe.h - asking another thread of this process where it is. */
#ifndef WEFT_ARCH_PROBE_H
#define WEFT_ARCH_PROBE_H

#include <stdbool.h>
#include <stdint.h>

/* Take a signal that nobody uses for it. 0 or -EBUSY: there is none. */
int os_probe_begin(void);

/* Give it back, unless the program has set its own handler meanwhile. */
void os_probe_end(void);

/* Between these two: whether that is the one. */
bool os_probe_uses(int signal);

/* The calling thread may be asked, even when its creator had blocked that signal. */
void os_probe_admit(void);

/* Where a thread is, by the kernel's id: the address of the instruction that it is at, or comes to when the kernel
 * lets it go on. One caller at a time, who waits until the deadline. False: it didn't say. */
bool os_probe(int thread, int64_t deadline, uintptr_t *pc);

#endif
