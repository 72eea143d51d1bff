/* SPDX-License-Identifier: Apache-2.0
 * threads_linux.c - which threads the process has, by /proc. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
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

/* io_uring's workers and pollers, and jemalloc's, run nothing of the program's. */
static bool is_helper(const char *id)
{
    char path[64], name[32] = "";
    snprintf(path, sizeof path, "/proc/self/task/%.20s/comm", id);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, name, sizeof name - 1);
    close(fd);
    return n > 0 && (strncmp(name, "iou-", 4) == 0 || strncmp(name, "jemalloc_bg_thd", 15) == 0);
}

static int helpers(void)
{
    DIR *dir = opendir("/proc/self/task");
    int n = 0;
    for (struct dirent *e; dir && (e = readdir(dir));)
        n += e->d_name[0] != '.' && is_helper(e->d_name);
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
