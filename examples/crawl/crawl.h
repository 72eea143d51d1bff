/* SPDX-License-Identifier: Apache-2.0
 * crawl.h - what the parts of crawl share.
 *
 *   walk.c           words.c, by N at once        main.c
 *   files ---------> count the words of a file -> add them up
 *         (a source)          (fan-out)     (fan-in)
 *
 * Every stage stops when the context is cancelled. What is in memory at once is what N files have in them, and the
 * result: the channels between the stages hold nothing. */
#ifndef CRAWL_H
#define CRAWL_H

#include <weft/weft.h>

#include <stdatomic.h>
#include <stdint.h>

/* A set of words with counts: the root of a tree of tsearch(3). */
struct words {
    void *root;
};

int words_add(struct words *words, const char *text, size_t length, uint64_t count);
int words_merge(struct words *words, const struct words *more);
void words_each(const struct words *words,
                void (*fn)(const char *text, size_t length, uint64_t count, void *arg), void *arg);
void words_free(struct words *words);

/* A file on its way. Whoever has taken it out of a channel frees it; those that a cancel leaves in a stage are freed
 * at the end. */
struct file {
    struct file *next, **link; /* of all that there are */
    int error;                 /* negative errno */
    struct words words;
    char path[];
};

struct file *file_new(const char *path);
void file_free(struct file *file);
void files_free(void);

struct crawl {
    char **roots;
    weft_ctx *ctx;
    weft_pulse *pulse; /* beats for each block that has been read */
    atomic_ullong bytes;
    int error; /* of the walk as a whole; negative errno */
};

/* walk.c: a channel of struct file *, all regular files at and below the roots; what can't be read comes as one with its error. NULL
 * and errno. */
weft_chan *walk(struct crawl *crawl);

/* words.c: for weft_fan_out. *out and *in are struct file *, arg the struct crawl. */
void count_words(void *out, const void *in, void *arg);

#endif
