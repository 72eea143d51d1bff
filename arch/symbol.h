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

/* Takes no lock and allocates nothing but a read-only mapping of the file that it asked last. May be
 * called in a signal handler, by one thread at a time. False: pc is in no file. A table that makes no
 * sense costs the name, and a file that is cut off meanwhile is a SIGBUS. */
bool os_symbol_at(uintptr_t pc, struct os_symbol *out);

#endif
