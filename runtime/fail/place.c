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
#include "runtime/fail/trace.h"

#define FRAMES_MAX 50

struct place {
    uintptr_t from;
    bool arrived; /* there: before it come weft's own frames */
    size_t frames;
    uintptr_t pcs[FRAMES_MAX];
};

static bool note(uintptr_t pc, bool called, void *arg)
{
    struct place *p = arg;
    (void)called; /* all are: nothing was interrupted */
    p->arrived |= pc == p->from;
    if (p->arrived)
        p->pcs[p->frames++] = pc;
    return p->frames < FRAMES_MAX;
}

char *fail_place(uintptr_t from)
{
    struct place p = {.from = from, .arrived = !from};
    os_unwind_here(note, &p);
    if (!p.arrived) {
        p.arrived = true;
        os_unwind_here(note, &p);
    }
    char *text = os_fails(FAIL_MEMORY) ? NULL : malloc(p.frames * TRACE_LINE_BYTES + 1), *at = text;
    if (!text)
        return NULL;
    *text = '\0';
    for (size_t i = 0; i < p.frames; i++, at += strlen(at))
        trace_line(at, p.pcs[i], true, true);
    os_symbol_forget();
    char *fitting = realloc(text, (size_t)(at - text) + 1);
    return fitting ? fitting : text;
}
