/* SPDX-License-Identifier: Apache-2.0
 * symbol_linux.c - arch/symbol.h from /proc/self/maps and the symbol tables in ELF files.
 *
 * dladdr(3) knows only what is exported, and takes the loader's lock. The file's own table has static
 * functions too, as long as nobody stripped it. Whatever is read from a file is checked against its size
 * first. The tables are searched from end to end: this is for a process that is about to die. */
#include "arch/symbol.h"

#include <elf.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/atomic.h"
#include "arch/fail.h"
#include "arch/os.h"
#include "arch/text.h"

#define MAPS_CHUNK 512

/* One line of /proc/self/maps. */
struct mapping {
    uintptr_t begin, end, offset;
    ino_t inode;
    char path[PATH_MAX]; /* "": no file */
};

/* The file that was asked last. Whoever looks for it may be cut short anywhere. */
struct module {
    bool known; /* the rest is whole: set last, and taken back first */
    struct mapping map;
    const char *data; /* the whole file; NULL: it can't be had */
    size_t bytes;
};

static struct module module;
static _Atomic(int *) user; /* errno's place tells threads apart; NULL: nobody */

static void take_turn(void)
{
    int *nobody = NULL;
    while (!atomic_cas_acq_rel(&user, &nobody, os_errno_location())) {
        nobody = NULL;
        os_yield();
    }
}

static void give_turn(void)
{
    atomic_store_release(&user, NULL);
}

struct reader {
    int fd;
    size_t at, end;
    char chunk[MAPS_CHUNK];
};

/* The next character; '\0' at the end. */
static char next(struct reader *r)
{
    if (r->at == r->end) {
        ssize_t got = read(r->fd, r->chunk, sizeof r->chunk);
        if (got <= 0)
            return '\0';
        r->at = 0;
        r->end = (size_t)got;
    }
    return r->chunk[r->at++];
}

/* A number, and the character after it. */
static uintptr_t next_number(struct reader *r, unsigned base)
{
    uintptr_t value = 0;
    for (;;) {
        char c = next(r);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : base;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

static void skip_word(struct reader *r)
{
    char c = next(r);
    while (c && c != ' ')
        c = next(r);
}

/* begin-end flags offset device inode      path */
static bool next_mapping(struct reader *r, struct mapping *m)
{
    m->begin = next_number(r, 16);
    m->end = next_number(r, 16);
    skip_word(r);
    m->offset = next_number(r, 16);
    skip_word(r);
    m->inode = next_number(r, 10);
    size_t n = 0;
    for (char c = next(r); c && c != '\n'; c = next(r))
        if ((n > 0 || c != ' ') && n < sizeof m->path - 1)
            m->path[n++] = c;
    m->path[n] = '\0';
    return m->end != 0;
}

static bool find_mapping(uintptr_t pc, struct mapping *m)
{
    struct reader r = {.fd = os_fails(FAIL_FILE) ? -1
                                                 : open("/proc/self/maps", O_RDONLY | O_CLOEXEC)};
    bool found = false;
    if (r.fd < 0)
        return false;
    while (!found && next_mapping(&r, m))
        found = pc >= m->begin && pc < m->end;
    close(r.fd);
    return found && m->path[0] == '/';
}

/* The file behind a mapping, unless another has taken its name; else -1. */
static int open_file(const struct mapping *m, size_t *bytes)
{
    struct stat is;
    int fd = os_fails(FAIL_FILE) ? -1 : open(m->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (!fstat(fd, &is) && S_ISREG(is.st_mode) && is.st_ino == m->inode &&
        is.st_size >= (off_t)sizeof(Elf64_Ehdr)) {
        *bytes = (size_t)is.st_size;
        return fd;
    }
    close(fd);
    return -1;
}

static void map_file(struct module *m)
{
    size_t bytes;
    int fd = open_file(&m->map, &bytes);
    if (fd < 0)
        return;
    m->bytes = bytes;
    void *data = os_fails(FAIL_MAP) ? MAP_FAILED : mmap(NULL, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data != MAP_FAILED)
        m->data = data;
    close(fd);
}

static void forget_module(void)
{
    const char *data = module.data;
    module.known = false;
    module.data = NULL; /* first: another's pages may be there soon */
    if (data)
        munmap((void *)data, module.bytes);
}

static bool find_module(uintptr_t pc)
{
    if (module.known && pc >= module.map.begin && pc < module.map.end)
        return true;
    forget_module();
    if (!find_mapping(pc, &module.map))
        return false;
    map_file(&module); /* its system calls come before what follows */
    module.known = true;
    return true;
}

/* n things of so many bytes at an offset into the file; NULL: they don't lie in it. */
static const void *in_file(uint64_t offset, uint64_t n, size_t bytes)
{
    if (offset > module.bytes || n > (module.bytes - offset) / bytes || offset % 8)
        return NULL;
    return module.data + offset;
}

static const Elf64_Ehdr *elf_header(void)
{
    const Elf64_Ehdr *e = (const Elf64_Ehdr *)module.data;
    if (!e || memcmp(e->e_ident, ELFMAG, SELFMAG) != 0 || e->e_ident[EI_CLASS] != ELFCLASS64 ||
        e->e_phentsize != sizeof(Elf64_Phdr) || e->e_shentsize != sizeof(Elf64_Shdr))
        return NULL;
    return e;
}

/* The address that the file has for what is loaded from an offset into it. */
static bool address_of(const Elf64_Ehdr *e, uint64_t offset, uintptr_t *out)
{
    const Elf64_Phdr *segments = in_file(e->e_phoff, e->e_phnum, sizeof *segments);
    for (unsigned i = 0; segments && i < e->e_phnum; i++) {
        const Elf64_Phdr *s = &segments[i];
        if (s->p_type != PT_LOAD || offset < s->p_offset || offset - s->p_offset >= s->p_filesz)
            continue;
        *out = s->p_vaddr + (offset - s->p_offset);
        return true;
    }
    return false;
}

/* The function that address is in, among the symbols of one table; or the last before it, where no size
 * is known. */
static const Elf64_Sym *search(const Elf64_Sym *symbols, size_t n, uintptr_t address)
{
    const Elf64_Sym *best = NULL;
    for (size_t i = 0; i < n; i++) {
        const Elf64_Sym *s = &symbols[i];
        if (ELF64_ST_TYPE(s->st_info) != STT_FUNC || s->st_shndx == SHN_UNDEF ||
            s->st_value > address || (s->st_size && address - s->st_value >= s->st_size))
            continue;
        if (!best || s->st_value > best->st_value)
            best = s;
    }
    return best;
}

static void copy_name(struct os_symbol *out, const Elf64_Shdr *strings, uint64_t at)
{
    const char *table =
        strings->sh_offset <= module.bytes && strings->sh_size <= module.bytes - strings->sh_offset
            ? module.data + strings->sh_offset
            : NULL;
    size_t n = 0;
    for (; table && at + n < strings->sh_size && table[at + n] && n < sizeof out->function - 1; n++)
        out->function[n] = table[at + n];
    out->function[n] = '\0';
}

/* The best table that the file has: all symbols, or those that are exported. */
static void name_function(uintptr_t address, struct os_symbol *out)
{
    const Elf64_Ehdr *e = elf_header();
    const Elf64_Shdr *sections = e ? in_file(e->e_shoff, e->e_shnum, sizeof *sections) : NULL;
    const Elf64_Shdr *table = NULL;
    for (unsigned i = 0; sections && i < e->e_shnum; i++)
        if (sections[i].sh_type == SHT_SYMTAB || (sections[i].sh_type == SHT_DYNSYM && !table))
            table = &sections[i];
    if (!table || table->sh_link >= e->e_shnum)
        return;
    size_t n = table->sh_size / sizeof(Elf64_Sym);
    const Elf64_Sym *symbols = in_file(table->sh_offset, n, sizeof *symbols);
    const Elf64_Sym *s = symbols ? search(symbols, n, address) : NULL;
    if (!s)
        return;
    copy_name(out, &sections[table->sh_link], s->st_name);
    out->in_function = address - s->st_value;
}

static uintptr_t to_file(uintptr_t pc)
{
    const Elf64_Ehdr *e = elf_header();
    uintptr_t address = pc - module.map.begin + module.map.offset;
    if (e)
        address_of(e, address, &address);
    return address;
}

static bool symbol_at(uintptr_t pc, struct os_symbol *out)
{
    out->function[0] = '\0';
    if (!find_module(pc))
        return false;
    const char *slash = strrchr(module.map.path, '/');
    size_t n = strnlen(slash + 1, sizeof out->module - 1);
    memcpy(out->module, slash + 1, n);
    out->module[n] = '\0';
    out->in_module = to_file(pc);
    name_function(out->in_module, out);
    return true;
}

bool os_symbol_at(uintptr_t pc, struct os_symbol *out)
{
    take_turn();
    bool found = symbol_at(pc, out);
    give_turn();
    return found;
}

bool os_symbol_file(uintptr_t pc, struct os_file *out)
{
    size_t bytes;
    out->fd = -1;
    take_turn();
    if (find_module(pc) && elf_header()) {
        out->begin = module.map.begin;
        out->end = module.map.end;
        out->shift = to_file(pc) - pc;
        out->fd = open_file(&module.map, &bytes);
    }
    give_turn();
    return out->fd >= 0;
}

void os_symbol_forget(void)
{
    take_turn();
    forget_module();
    give_turn();
}

void os_symbol_cut_short(void)
{
    if (atomic_load_relaxed(&user) == os_errno_location())
        give_turn();
}

bool os_symbol_add(struct text *t, uintptr_t pc, bool called)
{
    struct os_symbol symbol;
    if (!os_symbol_at(pc - called, &symbol))
        return false;
    if (symbol.function[0]) {
        text_add_printable(t, symbol.function);
        text_char(t, '+');
        text_hex(t, symbol.in_function + called);
        text_char(t, ' ');
    }
    text_char(t, '(');
    text_add_printable(t, symbol.module);
    text_char(t, '+');
    text_hex(t, symbol.in_module + called);
    text_char(t, ')');
    return true;
}
