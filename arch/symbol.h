/* SPDX-License-Identifier: Apache-2.0
 * symbol.h - which function an address is in. */
#ifndef WEFT_ARCH_SYMBOL_H
#define WEFT_ARCH_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

#define OS_MODULE_BYTES 64
#define OS_FUNCTION_BYTES 96

struct os_symbol {
    char module[OS_MODULE_BYTES];     /* the file's name, without its folder */
    uintptr_t in_module;              /* the address as the file has it: for addr2line */
    char function[OS_FUNCTION_BYTES]; /* "": not known */
    uintptr_t in_function;            /* bytes from its start */
};

/* Takes no lock of others and allocates nothing but a read-only mapping of the file that it asked last. May be
 * called in a signal handler; several threads take turns. False: pc is in no file. A table that makes no
 * sense costs the name, and a file that is cut off meanwhile is a SIGBUS. */
bool os_symbol_at(uintptr_t pc, struct os_symbol *out);

/* Let go of that mapping: where the process lives on the file may be unloaded. */
void os_symbol_forget(void);

struct os_file {
    int fd;
    uintptr_t begin, end; /* where its code is in memory */
    uintptr_t shift;      /* from there to the address as the file has it */
};

/* The file that pc is in, opened to be read: the caller's to close. Needs that mapping too. */
bool os_symbol_file(uintptr_t pc, struct os_file *out);

/* What the calling thread asked, if it did, won't come to its end: it has jumped away. */
void os_symbol_cut_short(void);

/* "function+0x1f (module+0x11ff)", without what is not known; false: nothing is. called: pc is where a call
 * returns to. */
struct text;
bool os_symbol_add(struct text *t, uintptr_t pc, bool called);

#endif
