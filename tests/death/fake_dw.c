/* SPDX-License-Identifier: Apache-2.0
 * fake_dw.c - a libdw.so.1 that goes wrong: FAKE_DW says how. What weft looks up in it is there. */
#include <elfutils/libdw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXPORTED __attribute__((visibility("default")))

static int does(const char *what)
{
    const char *how = getenv("FAKE_DW");
    return how && strcmp(how, what) == 0;
}

static volatile int *volatile nowhere = (int *)16;

static void hang(void)
{
    for (;;)
        pause();
}

__attribute__((constructor)) static void load(void)
{
    if (does("hang-at-load"))
        hang();
}

EXPORTED Dwarf *dwarf_begin(int fd, Dwarf_Cmd command)
{
    (void)fd;
    (void)command;
    if (does("hang"))
        hang();
    if (does("spin"))
        for (volatile unsigned i = 0;; i++)
            ;
    if (does("abort"))
        abort();
    if (does("fault"))
        *nowhere = 1; /* NOLINT(clang-analyzer-core.*): that's what it is for */
    return NULL;
}

/* Their types don't matter. */
#define NEVER_CALLED(name_)                                                                        \
    EXPORTED void fake_##name_(void) __asm__(#name_);                                              \
    void fake_##name_(void)                                                                        \
    {                                                                                              \
        abort();                                                                                   \
    }

NEVER_CALLED(dwarf_end)
NEVER_CALLED(dwarf_addrdie)
NEVER_CALLED(dwarf_get_units)
NEVER_CALLED(dwarf_haspc)
NEVER_CALLED(dwarf_getsrc_die)
NEVER_CALLED(dwarf_linesrc)
NEVER_CALLED(dwarf_lineno)
