/* SPDX-License-Identifier: Apache-2.0
 * source.c - places in the program as text. */
#include "arch/source.h"

#include <string.h>

#include "arch/symbol.h"
#include "arch/text.h"

bool os_source_add(struct text *t, uintptr_t pc, bool called)
{
    struct os_source source;
    if (!os_source_line(pc - called, &source))
        return false;
    const char *slash = strrchr(source.file, '/');
    text_add_printable(t, slash ? slash + 1 : source.file);
    text_char(t, ':');
    text_decimal(t, (uint64_t)source.line);
    return true;
}

void os_place_add(struct text *t, uintptr_t pc, bool called)
{
    if (os_source_add(t, pc, called))
        text_add(t, ", ");
    if (!os_symbol_add(t, pc, called))
        text_hex(t, pc);
}
