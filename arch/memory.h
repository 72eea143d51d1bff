/* SPDX-License-Identifier: Apache-2.0
 * memory.h - all that the process has in its memory, to be read as bytes. */
#ifndef WEFT_ARCH_MEMORY_H
#define WEFT_ARCH_MEMORY_H

#include <stddef.h>
#include <stdint.h>

struct os_memory {          /* too large for a stack of the runtime's */
    int maps, pagemap, mem; /* files of /proc/self */
    size_t at, end;         /* what is left of text */
    uintptr_t low, high;    /* a run that may go on */
    char text[4096], line[512];
    uint64_t entries[512];
};

/* 0 or -errno: it can't be looked at here. */
int os_memory_open(struct os_memory *m);
void os_memory_close(struct os_memory *m);

/* fn for each run of pages that may hold what was written since the program was loaded, in order; those that adjoin are one.
 * It stops where fn gives other than 0. 0, what fn gave, -errno, or -E2BIG: there is more address space, or shared memory, than is
 * looked through. */
int os_memory_each(struct os_memory *m, int (*fn)(uintptr_t low, uintptr_t high, void *arg),
                   void *arg);

/* Copy n bytes from that address; how many were read: fewer where a page can't be read by anybody. */
size_t os_memory_read(struct os_memory *m, void *to, uintptr_t from, size_t n);

#endif
