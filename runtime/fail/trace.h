/* SPDX-License-Identifier: Apache-2.0
 * trace.h - the frames of a goroutine as text. What turns addresses into names is behind this seam. */
#ifndef WEFT_FAIL_TRACE_H
#define WEFT_FAIL_TRACE_H

#include <stdbool.h>
#include <stdint.h>

#define TRACE_LINE_BYTES 224

/* One frame as a line: the address, then what it is called if `names`. pc and called as os_frame_fn has
 * them. Async-signal-safe, by one thread at a time; with names it may fault. */
void trace_line(char line[TRACE_LINE_BYTES], uintptr_t pc, bool called, bool names);

#endif
