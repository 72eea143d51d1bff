/* SPDX-License-Identifier: Apache-2.0
 * place.c - where a panic was raised, for who tries it and goes on: in a process that is healthy, unlike a report's
 * trace. */
#include <stdlib.h>
#include <string.h>

#include "arch/fail.h"
#include "arch/symbol.h"
#include "arch/text.h"
#include "arch/unwind.h"
#include "runtime/fail/fail.h"

#define FRAMES_MAX 50
#define LINE_BYTES 224

struct place {
    size_t frames;
    uintptr_t pcs[FRAMES_MAX];
};

static bool note(uintptr_t pc, bool called, void *arg)
{
    struct place *p = arg;
    (void)called; /* all are: nothing was interrupted */
    p->pcs[p->frames++] = pc;
    return p->frames < FRAMES_MAX;
}

static void add_line(struct text *t, uintptr_t pc)
{
    text_add(t, "0x");
    text_number(t, pc, 16, 12);
    struct text bare = *t;
    text_char(t, ' ');
    if (!os_symbol_add(t, pc, true))
        *t = bare;
    text_char(t, '\n');
}

char *fail_place(uintptr_t from)
{
    struct place p = {0};
    os_unwind_from(from, note, &p);
    char *text = os_fails(FAIL_MEMORY) ? NULL : malloc(p.frames * LINE_BYTES + 1), *at = text;
    if (!text)
        return NULL;
    *text = '\0';
    for (size_t i = 0; i < p.frames; i++) {
        struct text line = text_begin(at, LINE_BYTES);
        add_line(&line, p.pcs[i]);
        at = line.at;
    }
    os_symbol_forget();
    char *fitting = os_fails(FAIL_MEMORY) ? NULL : realloc(text, (size_t)(at - text) + 1);
    return fitting ? fitting : text;
}
