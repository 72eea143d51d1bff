/* SPDX-License-Identifier: Apache-2.0
 * source_dw.c - arch/source.h by libdw.
 *
 * The library is loaded when it is first needed, not linked: it brings three others, and each program that links weft would
 * load them all at its start, to use them hardly ever. Only the file itself is read: debug information that is kept elsewhere
 * (by build id, or on a server) isn't looked for. */
#include "arch/source.h"

#include <dlfcn.h>
#include <elfutils/libdw.h>
#include <string.h>
#include <unistd.h>

#include "arch/os.h"
#include "arch/symbol.h"

static struct {
    void *handle;
    __typeof__(&dwarf_begin) begin;
    __typeof__(&dwarf_end) end;
    __typeof__(&dwarf_addrdie) addrdie;
    __typeof__(&dwarf_get_units) get_units;
    __typeof__(&dwarf_haspc) haspc;
    __typeof__(&dwarf_getsrc_die) getsrc_die;
    __typeof__(&dwarf_linesrc) linesrc;
    __typeof__(&dwarf_lineno) lineno;
} dw;

/* The file that was asked last. */
static struct {
    struct os_file file;
    Dwarf *info; /* NULL: it has none */
} asked = {.file.fd = -1};

static os_lock lock = OS_LOCK_INIT; /* both of these */
static _Atomic(int *) user;         /* who has it, by errno's place */
static bool cut_short;              /* and left what it was at */

static void take_turn(void)
{
    os_lock_take(&lock);
    atomic_store_relaxed(&user, os_errno_location());
}

static void give_turn(void)
{
    atomic_store_relaxed(&user, NULL);
    os_lock_give(&lock);
}

static bool load(void)
{
    const struct {
        const char *name;
        void *function; /* where its address goes */
    } wanted[] = {
        {"dwarf_begin", &dw.begin},           {"dwarf_end", &dw.end},
        {"dwarf_addrdie", &dw.addrdie},       {"dwarf_get_units", &dw.get_units},
        {"dwarf_haspc", &dw.haspc},           {"dwarf_linesrc", &dw.linesrc},
        {"dwarf_getsrc_die", &dw.getsrc_die}, {"dwarf_lineno", &dw.lineno},
    };
    void *handle = dlopen("libdw.so.1", RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    for (size_t i = 0; handle && i < sizeof wanted / sizeof *wanted; i++) {
        void *found = dlsym(handle, wanted[i].name);
        if (!found)
            return false;
        memcpy(wanted[i].function, &found, sizeof found);
    }
    dw.handle = handle;
    return handle;
}

void os_source_prepare(void)
{
    take_turn();
    if (!dw.handle && !cut_short)
        load();
    give_turn();
}

static void forget(void)
{
    if (asked.info)
        dw.end(asked.info);
    asked.info = NULL;
    if (asked.file.fd >= 0)
        close(asked.file.fd);
    asked.file = (struct os_file){.fd = -1};
}

static bool open_file(uintptr_t pc)
{
    if (pc >= asked.file.begin && pc < asked.file.end)
        return asked.info;
    forget();
    if (!os_symbol_file(pc, &asked.file))
        return false;
    asked.info = dw.begin(asked.file.fd, DWARF_C_READ);
    return asked.info;
}

/* The unit that an address is in. clang makes no table of them unless asked. */
static bool find_unit(Dwarf_Addr address, Dwarf_Die *unit)
{
    Dwarf_CU *cu = NULL;
    if (dw.addrdie(asked.info, address, unit))
        return true;
    while (dw.get_units(asked.info, cu, &cu, NULL, NULL, unit, NULL) == 0)
        if (dw.haspc(unit, address) == 1)
            return true;
    return false;
}

static bool find_line(uintptr_t pc, struct os_source *out)
{
    Dwarf_Die unit;
    if (!open_file(pc) || !find_unit(pc + asked.file.shift, &unit))
        return false;
    Dwarf_Line *line = dw.getsrc_die(&unit, pc + asked.file.shift);
    const char *file = line ? dw.linesrc(line, NULL, NULL) : NULL;
    if (!file || dw.lineno(line, &out->line) || out->line == 0) /* 0: of several lines, or none */
        return false;
    size_t n = strlen(file), kept = n < sizeof out->file ? n : sizeof out->file - 1;
    memcpy(out->file, file + n - kept, kept + 1);
    return true;
}

bool os_source_line(uintptr_t pc, struct os_source *out)
{
    take_turn();
    bool found = dw.handle && find_line(pc, out);
    give_turn();
    return found;
}

void os_source_forget(void)
{
    take_turn();
    forget();
    give_turn();
}

void os_source_cut_short(void)
{
    if (atomic_load_relaxed(&user) != os_errno_location())
        return;
    cut_short = true;
    dw.handle = NULL;
    asked.info = NULL;
    forget();
    give_turn();
}
