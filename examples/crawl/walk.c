/* SPDX-License-Identifier: Apache-2.0
 * walk.c - the source: one goroutine that walks the directories. The walking itself may block, so it runs in blocking
 * sections, a batch of files in each. */
#include "crawl.h"

#include <errno.h>
#include <fts.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 64 };

struct walker {
    struct crawl *crawl;
    weft_chan *files;
    FTS *tree;
    struct file *batch[BATCH];
    size_t n;
    bool end;
};

/* ---- files ---- */

/* Plain: it is never held across a call of weft. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct file *all;

struct file *file_new(const char *path)
{
    size_t length = strlen(path) + 1;
    struct file *file = malloc(sizeof *file + length);
    if (!file)
        return NULL;
    *file = (struct file){0};
    memcpy(file->path, path, length);
    pthread_mutex_lock(&lock);
    file->next = all;
    file->link = &all;
    if (all)
        all->link = &file->next;
    all = file;
    pthread_mutex_unlock(&lock);
    return file;
}

void file_free(struct file *file)
{
    pthread_mutex_lock(&lock);
    *file->link = file->next;
    if (file->next)
        file->next->link = file->link;
    pthread_mutex_unlock(&lock);
    words_free(&file->words);
    free(file);
}

void files_free(void)
{
    while (all)
        file_free(all);
}

/* ---- walking ---- */

/* -errno of an entry that can't be read; 0: a file; 1: nothing for us. */
static int judge(const FTSENT *entry)
{
    switch (entry->fts_info) {
    case FTS_F:
        return 0;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        return -entry->fts_errno;
    default:
        return 1;
    }
}

static void *read_batch(void *arg)
{
    struct walker *w = arg;
    w->n = 0;
    while (w->n < BATCH && !w->end) {
        errno = 0; /* to tell the end from a failure */
        const FTSENT *entry = fts_read(w->tree);
        int verdict = entry ? judge(entry) : 1;
        if (!entry) {
            w->crawl->error = -errno;
            w->end = true;
        } else if (verdict <= 0) {
            struct file *file = file_new(entry->fts_path);
            if (!file) {
                w->crawl->error = -ENOMEM;
                w->end = true;
                break;
            }
            file->error = verdict;
            w->batch[w->n++] = file;
        }
    }
    return NULL;
}

static void walk_on(void *arg)
{
    struct walker *w = arg;
    bool stopped = false;
    while (!w->end && !stopped) {
        weft_blocking(read_batch, w);
        for (size_t i = 0; i < w->n && !stopped; i++)
            stopped = WEFT_SELECT(WEFT_DONE(w->crawl->ctx), WEFT_SEND(w->files, &w->batch[i])) == 0;
    }
    weft_chan_close(w->files);
    weft_chan_unref(w->files);
    fts_close(w->tree);
    free(w);
}

weft_chan *walk(struct crawl *crawl)
{
    struct walker *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->crawl = crawl;
    w->files = weft_chan_new(sizeof(struct file *), 0);
    w->tree = fts_open(crawl->roots, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    weft_chan *files = weft_chan_ref(w->files);
    int error = w->files && w->tree ? -weft_go(walk_on, w) : ENOMEM;
    if (!error)
        return files;
    if (w->tree)
        fts_close(w->tree);
    weft_chan_unref(w->files);
    weft_chan_unref(files);
    free(w);
    errno = error;
    return NULL;
}
