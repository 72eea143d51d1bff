/* SPDX-License-Identifier: Apache-2.0
 * threads_linux.c - which threads the process has, by /proc. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "arch/os.h"

#ifdef WEFT_TSAN
#define THREADS_OF_TOOLS 1 /* TSan's own */
#else
#define THREADS_OF_TOOLS 0
#endif

#define LINKS_OF_FOLDER 2 /* beside one for each thread */

#define FLAG_IO_WORKER 0x10u /* PF_IO_WORKER: the kernel's word for one of io_uring's */
#define FLAGS_FIELD 6        /* after the state, which follows the name */

struct thread {
    char name[32];
    unsigned long flags;
};

/* "id (name) state parent group session terminal its-group flags ..." */
static bool read_thread(const char *path, struct thread *out)
{
    char text[512];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *name = strchr(text, '('), *end = strrchr(text, ')'), *at = end ? end + 1 : NULL;
    if (!name || !end)
        return false;
    snprintf(out->name, sizeof out->name, "%.*s", (int)(end - name - 1), name + 1);
    for (int i = 0; i < FLAGS_FIELD; i++) {
        at += strspn(at, " ");
        at += strcspn(at, " ");
    }
    out->flags = strtoul(at, NULL, 10);
    return true;
}

static bool has_name_of_jemalloc(const struct thread *t)
{
    return strcmp(t->name, "jemalloc_bg_thd") == 0;
}

/* io_uring's workers and pollers, and jemalloc's thread, run nothing of the program's. Anybody may take a name, and threads begin with
 * their maker's, so the kernel's are told by their flags, and a name counts only where the first thread has another. */
static int helpers(void)
{
    char path[64];
    struct thread first, t;
    DIR *dir = read_thread("/proc/self/stat", &first) ? opendir("/proc/self/task") : NULL;
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        snprintf(path, sizeof path, "/proc/self/task/%.20s/stat", e->d_name);
        n += e->d_name[0] != '.' && read_thread(path, &t) &&
             ((t.flags & FLAG_IO_WORKER) ||
              (has_name_of_jemalloc(&t) && !has_name_of_jemalloc(&first)));
    }
    if (dir)
        closedir(dir);
    return n;
}

/* The folder's links are counted at one moment; a listing may miss some while threads end. */
bool os_threads_exceed(int n)
{
    struct stat is;
    if (stat("/proc/self/task", &is) || is.st_nlink <= LINKS_OF_FOLDER)
        return true;
    int more = (int)is.st_nlink - LINKS_OF_FOLDER - THREADS_OF_TOOLS - n;
    return more > 0 && more > helpers();
}
