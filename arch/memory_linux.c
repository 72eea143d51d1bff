/* SPDX-License-Identifier: Apache-2.0
 * memory_linux.c - the process's memory, by /proc.
 *
 * It is read through /proc/self/mem: a page that has gone meanwhile costs an error and no fault, one that is protected is read all
 * the same, and no sanitizer takes it for an access of the program's. Which pages hold anything is told by the page map, so the
 * mappings that are reserved and never touched cost next to nothing. Of private mappings, pages that are the file's still are passed
 * over; of shared ones none is, as the map doesn't know what others have touched. To read these makes pages where none were, so
 * there may be little of them. (mincore() says nothing of those that are swapped out.) Left out are devices, where reading may do
 * something, and the kernel's own pages. */
#include "arch/memory.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/fail.h"
#include "arch/os.h"

#define SPACE_MAX (UINT64_C(1) << 38) /* of private mappings: 256 GiB, 512 MiB of page map */
#define SHARED_MAX (UINT64_C(64) << 20)

#define PAGE_PRESENT (UINT64_C(1) << 63)
#define PAGE_SWAPPED (UINT64_C(1) << 62)
#define PAGE_OF_FILE (UINT64_C(1) << 61)
#define PAGE_GUARDS (UINT64_C(1) << 58) /* MADV_GUARD_INSTALL: nobody can read it */

static int open_one(int *fd, const char *path)
{
    if (os_fails(FAIL_FILE))
        return -EMFILE;
    *fd = open(path, O_RDONLY | O_CLOEXEC);
    return *fd < 0 ? -errno : 0;
}

int os_memory_open(struct os_memory *m)
{
    m->maps = m->pagemap = m->mem = -1;
    int rc = open_one(&m->maps, "/proc/self/maps");
    if (!rc)
        rc = open_one(&m->pagemap, "/proc/self/pagemap");
    if (!rc)
        rc = open_one(&m->mem, "/proc/self/mem");
    if (rc)
        os_memory_close(m);
    return rc;
}

void os_memory_close(struct os_memory *m)
{
    if (m->maps >= 0)
        close(m->maps);
    if (m->pagemap >= 0)
        close(m->pagemap);
    if (m->mem >= 0)
        close(m->mem);
}

size_t os_memory_read(struct os_memory *m, void *to, uintptr_t from, size_t n)
{
    size_t done = 0;
    while (done < n) {
        ssize_t got = pread(m->mem, (char *)to + done, n - done, (off_t)(from + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            break;
        done += (size_t)got;
    }
    return done;
}

/* ---- lines of the file of mappings ---- */

static int next_byte(struct os_memory *m)
{
    while (m->at == m->end) {
        ssize_t n = read(m->maps, m->text, sizeof m->text);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ENODATA;
        m->at = 0;
        m->end = (size_t)n;
    }
    return (unsigned char)m->text[m->at++];
}

/* 1: there is another, the beginning of which is in m->line; 0: that was all; -errno. */
static int next_line(struct os_memory *m)
{
    size_t n = 0;
    int c;
    while ((c = next_byte(m)) >= 0 && c != '\n')
        if (n < sizeof m->line - 1)
            m->line[n++] = (char)c;
    m->line[n] = '\0';
    return c >= 0 ? 1 : c == -ENODATA && n == 0 ? 0 : c == -ENODATA ? -EIO : c;
}

struct mapping {
    uintptr_t low, high;
    bool shared, left_out;
};

/* Below /dev may be files, too; and what has been mapped from /dev/zero is memory. */
static bool is_left_out(const char *name)
{
    struct stat is;
    if (strncmp(name, "[v", 2) == 0)
        return true;
    return strncmp(name, "/dev/", 5) == 0 && strcmp(name, "/dev/zero") != 0 &&
           stat(name, &is) == 0 && S_ISCHR(is.st_mode);
}

/* "low-high rwxp offset device inode   name" */
static bool parse(const char *line, struct mapping *out)
{
    char *at;
    out->low = strtoul(line, &at, 16);
    if (*at != '-')
        return false;
    out->high = strtoul(at + 1, &at, 16);
    if (strlen(at) < 5 || out->high <= out->low)
        return false;
    out->shared = at[4] == 's';
    at += 5;
    for (int i = 0; i < 3; i++) {
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    out->left_out = is_left_out(at + strspn(at, " "));
    return true;
}

/* ---- pages ---- */

static bool holds_something(uint64_t entry)
{
    return (entry & (PAGE_PRESENT | PAGE_SWAPPED)) && !(entry & (PAGE_OF_FILE | PAGE_GUARDS));
}

typedef int (*run_fn)(uintptr_t low, uintptr_t high, void *arg);

/* What is kept back goes to fn, as nothing adjoins it. */
static int end_run(struct os_memory *m, run_fn fn, void *arg)
{
    uintptr_t low = m->low, high = m->high;
    m->low = m->high = 0;
    return low < high ? fn(low, high, arg) : 0;
}

/* Runs that adjoin are one, also across mappings: what isn't aligned may lie in both. */
static int add_run(struct os_memory *m, uintptr_t low, uintptr_t high, run_fn fn, void *arg)
{
    int rc = m->high == low ? 0 : end_run(m, fn, arg);
    m->low = m->high == low ? m->low : low;
    m->high = high;
    return rc;
}

static int each_private(struct os_memory *m, const struct mapping *mapping, run_fn fn, void *arg)
{
    const size_t at_once = sizeof m->entries / sizeof *m->entries;
    uintptr_t page = os_page(), low = mapping->low, begin = 0;
    while (low < mapping->high) {
        size_t left = (mapping->high - low) / page, size = sizeof *m->entries;
        ssize_t got = pread(m->pagemap, m->entries, (left < at_once ? left : at_once) * size,
                            (off_t)(low / page * size));
        if (got < (ssize_t)size)
            return got < 0 ? -errno : -EIO;
        for (size_t i = 0; i < (size_t)got / size; i++, low += page) {
            bool holds = holds_something(m->entries[i]);
            if (holds && !begin)
                begin = low;
            int rc = !holds && begin ? add_run(m, begin, low, fn, arg) : 0;
            if (rc)
                return rc;
            if (!holds)
                begin = 0;
        }
    }
    return begin ? add_run(m, begin, low, fn, arg) : 0;
}

int os_memory_each(struct os_memory *m, run_fn fn, void *arg)
{
    struct mapping mapping;
    uint64_t space = 0, shared = 0;
    int rc;
    if (lseek(m->maps, 0, SEEK_SET) < 0)
        return -errno;
    m->at = m->end = 0;
    m->low = m->high = 0;
    while ((rc = next_line(m)) > 0) {
        if (!parse(m->line, &mapping))
            return -EIO;
        if (mapping.left_out)
            continue;
        *(mapping.shared ? &shared : &space) += mapping.high - mapping.low;
        if (space > SPACE_MAX || shared > SHARED_MAX)
            return -E2BIG;
        rc = mapping.shared ? add_run(m, mapping.low, mapping.high, fn, arg)
                            : each_private(m, &mapping, fn, arg);
        if (rc)
            return rc;
    }
    return rc ? rc : end_run(m, fn, arg);
}
