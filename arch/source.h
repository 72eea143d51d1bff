/* SPDX-License-Identifier: Apache-2.0
 * source.h - which line of the source an address comes from, as the debug information in its file has it. */
#ifndef WEFT_ARCH_SOURCE_H
#define WEFT_ARCH_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#define OS_SOURCE_BYTES 256

struct os_source {
    char file[OS_SOURCE_BYTES]; /* the path that the compiler was given; cut off at its beginning */
    int line;
};

/* Get ready: loads a library, so it takes the loader's lock. May be called again. Where it was never called, or the
 * library isn't there, no line is known. */
void os_source_prepare(void);

/* The innermost line, inlined functions included. False: not known. Allocates, takes a lock and needs the stack of a
 * thread: not for signal handlers, nor for a goroutine's stack. A file that is cut off meanwhile is a SIGBUS. */
bool os_source_line(uintptr_t pc, struct os_source *out);

/* Close the file that was asked last. */
void os_source_forget(void);

/* What the calling thread asked, or its prepare, if it did, won't come to its end: it has jumped away. No line is known
 * from then on, as the library is in the middle of something. */
void os_source_cut_short(void);

/* "file.c:12", the file without its folders; false: nothing is added. called: pc is where a call returns to. */
struct text;
bool os_source_add(struct text *t, uintptr_t pc, bool called);

/* "file.c:12, function+0x1f (module+0x11ff)", without what is not known; the bare address where nothing is. */
void os_place_add(struct text *t, uintptr_t pc, bool called);

#endif
