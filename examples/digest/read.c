/* SPDX-License-Identifier: Apache-2.0
 * read.c - the blocking sections: plain code on a plain thread that may wait in the kernel.
 *
 * errno is read here, next to the system call, and passed on as a value. */
#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct item *item_new(const char *dir, const char *name, enum kind kind)
{
    size_t dir_length = strlen(dir), name_length = strlen(name);
    bool slash = dir_length > 0 && dir[dir_length - 1] != '/';
    struct item *item = malloc(sizeof(*item) + dir_length + slash + name_length + 1);
    if (!item)
        return NULL;
    item->next = NULL;
    item->kind = kind;
    memcpy(item->path, dir, dir_length);
    if (slash)
        item->path[dir_length] = '/';
    memcpy(item->path + dir_length + slash, name, name_length + 1);
    return item;
}

void list_append(struct list *list, struct item *item)
{
    if (list->tail)
        list->tail->next = item;
    else
        list->head = item;
    list->tail = item;
    list->count++;
}

/* As open(2), but -errno on failure, and path may be longer than the kernel takes at once: then
 * walk down in pieces that fit. A piece ends where a slash is, for now, a zero. */
static int open_path(char *path, int flags)
{
    int dir = AT_FDCWD;
    while (strlen(path) >= PATH_MAX) {
        char *slash = memrchr(path + 1, '/', PATH_MAX - 1);
        int next = -1, error = ENAMETOOLONG;
        if (slash) {
            *slash = '\0';
            next = openat(dir, path, O_PATH | O_DIRECTORY | O_CLOEXEC);
            error = errno;
            *slash = '/';
        }
        if (dir >= 0)
            close(dir);
        if (next < 0)
            return -error;
        dir = next;
        path = slash + strspn(slash, "/");
    }
    int fd = openat(dir, path, flags | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        fd = -errno;
    if (dir >= 0)
        close(dir);
    return fd;
}

static enum kind kind_of_mode(mode_t mode)
{
    return S_ISREG(mode) ? KIND_FILE : S_ISDIR(mode) ? KIND_DIRECTORY : KIND_SKIPPED;
}

/* O_PATH, because to open a device or a pipe is an action. */
void *classify(void *arg)
{
    struct desk *desk = arg;
    struct stat status;
    int fd = open_path(desk->item->path, O_PATH);
    desk->error = fd < 0 ? fd : 0;
    if (fd < 0)
        return NULL;
    if (fstat(fd, &status) == 0)
        desk->item->kind = kind_of_mode(status.st_mode);
    else
        desk->error = -errno;
    close(fd);
    return NULL;
}

void *read_chunk(void *arg)
{
    struct desk *desk = arg;
    ssize_t n = 1;

    desk->error = 0;
    desk->length = 0;
    if (desk->fd < 0)
        desk->fd = open_path(desk->item->path, O_RDONLY | O_NOCTTY);
    if (desk->fd < 0)
        desk->error = desk->fd;
    while (!desk->error && n > 0 && desk->length < BUFFER_BYTES) {
        n = read(desk->fd, desk->buffer + desk->length, BUFFER_BYTES - desk->length);
        if (n >= 0)
            desk->length += (size_t)n;
        else
            desk->error = -errno;
    }
    if (atomic_load(&interrupted))
        desk->error = -ECANCELED;
    desk->end = desk->error || n == 0;
    if (desk->end && desk->fd >= 0)
        close(desk->fd);
    return NULL;
}

static int open_directory(struct desk *desk)
{
    int fd = open_path(desk->item->path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fd;
    desk->dir = fdopendir(fd);
    if (desk->dir)
        return 0;
    int error = -errno;
    close(fd);
    return error;
}

/* Append the next entry of the desk's directory that has to be visited.
 * Returns 1, 0 at the end, or a negative errno. */
static int read_entry(struct desk *desk)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(desk->dir);
        if (!entry)
            return -errno;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        enum kind kind =
            entry->d_type == DT_UNKNOWN ? KIND_UNKNOWN : kind_of_mode(DTTOIF(entry->d_type));
        if (kind == KIND_SKIPPED)
            continue;
        struct item *item = item_new(desk->item->path, entry->d_name, kind);
        if (!item)
            return -ENOMEM;
        list_append(&desk->entries, item);
        return 1;
    }
}

void *read_entries(void *arg)
{
    struct desk *desk = arg;
    int more = 1;

    desk->entries = (struct list){0};
    desk->error = desk->dir ? 0 : open_directory(desk);
    while (!desk->error && more > 0 && desk->entries.count < BATCH_MAX) {
        more = atomic_load(&interrupted) ? -ECANCELED : read_entry(desk);
        if (more < 0)
            desk->error = more;
    }
    desk->end = desk->error || more == 0;
    if (desk->end && desk->dir)
        closedir(desk->dir);
    return NULL;
}
