/* SPDX-License-Identifier: Apache-2.0
 * fake_dw.c - a libdw.so.1 that goes wrong: FAKE_DW says how. What weft looks up in it is there. */
#include <signal.h>
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

EXPORTED void *dwarf_begin(void);

EXPORTED void *dwarf_begin(void)
{
    if (does("hang"))
        hang();
    if (does("spin"))
        for (volatile int i = 0;; i++)
            ;
    if (does("abort"))
        abort();
    if (does("fault"))
        *nowhere = 1; /* NOLINT(clang-analyzer-core.*): that's what it is for */
    return NULL;
}

#define NEVER_CALLED(name_)                                                                        \
    EXPORTED void name_(void);                                                                     \
    EXPORTED void name_(void)                                                                      \
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
