/* SPDX-License-Identifier: Apache-2.0
 * visit.c - the goroutines: one for each directory and each file, at most one a desk.
 *
 * The lock is a plain mutex. That is fine as long as no weft call is made under it: a call that
 * parks may return on another thread, which doesn't own the mutex. */
#include "digest.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

weft_waitgroup unfinished;
struct item *results;
atomic_ullong files_done, bytes_done;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of results, too */
static struct item *pending; /* last in, first out: depth first, which keeps it short */
static struct desk *idle;
static EVP_MD *sha256; /* looked up once, not for each file */

static void visit(void *arg);

static void finish(struct item *item, int error)
{
    if (error || item->kind != KIND_FILE) {
        if (error && error != -ECANCELED)
            report(item->path, error);
        free(item);
    } else {
        pthread_mutex_lock(&lock);
        item->next = results;
        results = item;
        pthread_mutex_unlock(&lock);
    }
    weft_waitgroup_done(&unfinished); /* last: when all are done, the run ends */
}

/* Start a goroutine at this desk for the next pending item, or put the desk away. */
static void hand_on(struct desk *desk)
{
    for (;;) {
        pthread_mutex_lock(&lock);
        struct item *item = pending;
        if (item) {
            pending = item->next;
        } else {
            desk->next = idle;
            idle = desk;
        }
        pthread_mutex_unlock(&lock);
        if (!item)
            return;

        desk->item = item;
        int error = atomic_load(&interrupted) ? -ECANCELED : weft_go(visit, desk);
        if (!error)
            return;
        finish(item, error);
    }
}

void submit(struct list items)
{
    if (items.count == 0)
        return;
    weft_waitgroup_add(&unfinished, items.count);
    pthread_mutex_lock(&lock);
    items.tail->next = pending;
    pending = items.head;
    pthread_mutex_unlock(&lock);

    for (;;) {
        pthread_mutex_lock(&lock);
        struct desk *desk = pending ? idle : NULL;
        if (desk)
            idle = desk->next;
        pthread_mutex_unlock(&lock);
        if (!desk)
            return;
        hand_on(desk);
    }
}

static int walk_directory(struct desk *desk)
{
    desk->dir = NULL;
    do {
        weft_blocking(read_entries, desk);
        submit(desk->entries);
    } while (!desk->end);
    return desk->error;
}

static int hash_file(struct desk *desk)
{
    int ok = EVP_DigestInit_ex2(desk->hash, sha256, NULL);
    desk->fd = -1;
    do {
        weft_blocking(read_chunk, desk);
        if (ok && !desk->error)
            ok = EVP_DigestUpdate(desk->hash, desk->buffer, desk->length);
        atomic_fetch_add_explicit(&bytes_done, desk->length, memory_order_relaxed);
    } while (!desk->end);
    if (desk->error)
        return desk->error;
    if (!ok || !EVP_DigestFinal_ex(desk->hash, desk->item->sum, NULL))
        return -ENOMEM; /* SHA-256 can't fail otherwise */
    atomic_fetch_add_explicit(&files_done, 1, memory_order_relaxed);
    return 0;
}

static void visit(void *arg)
{
    struct desk *desk = arg;
    struct item *item = desk->item;

    desk->error = 0;
    if (item->kind == KIND_UNKNOWN)
        weft_blocking(classify, desk);
    int error = desk->error;
    if (!error && item->kind == KIND_FILE)
        error = hash_file(desk);
    else if (!error && item->kind == KIND_DIRECTORY)
        error = walk_directory(desk);
    hand_on(desk);
    finish(item, error);
}

static struct desk *desk_new(void)
{
    struct desk *desk = malloc(sizeof(*desk));
    if (!desk)
        return NULL;
    desk->hash = EVP_MD_CTX_new();
    if (!desk->hash) {
        free(desk);
        return NULL;
    }
    return desk;
}

/* Where memory is short, fewer desks than wanted will do. */
int desks_open(int count)
{
    sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    if (!sha256)
        return -ENOTSUP;
    for (int i = 0; i < count; i++) {
        struct desk *desk = desk_new();
        if (!desk)
            return idle ? 0 : -ENOMEM;
        desk->next = idle;
        idle = desk;
    }
    return 0;
}

void desks_close(void)
{
    while (idle) {
        struct desk *desk = idle;
        idle = desk->next;
        EVP_MD_CTX_free(desk->hash);
        free(desk);
    }
    EVP_MD_free(sha256);
}
