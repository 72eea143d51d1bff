/* SPDX-License-Identifier: Apache-2.0
 * words.c - words and how often they occur. A word is what `tr -cs A-Za-z0-9_ '\n'` leaves: a run of such bytes. */
#include "crawl.h"

#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BLOCK_BYTES = 64 << 10 };

struct word {
    const char *text;
    size_t length;
    uint64_t count;
};

/* ---- sets ---- */

static int compare(const void *a, const void *b)
{
    const struct word *x = a, *y = b;
    size_t shorter = x->length < y->length ? x->length : y->length;
    int order = memcmp(x->text, y->text, shorter);
    return order ? order : (x->length > y->length) - (x->length < y->length);
}

int words_add(struct words *words, const char *text, size_t length, uint64_t count)
{
    struct word key = {.text = text, .length = length, .count = count};
    struct word **found = tfind(&key, &words->root, compare);
    if (found) {
        (*found)->count += count;
        return 0;
    }
    struct word *word = malloc(sizeof *word + length);
    if (!word)
        return -ENOMEM;
    *word = key;
    word->text = memcpy(word + 1, text, length);
    if (tsearch(word, &words->root, compare))
        return 0;
    free(word);
    return -ENOMEM;
}

struct walk {
    void (*fn)(const char *text, size_t length, uint64_t count, void *arg);
    void *arg;
};

static void visit(const void *node, VISIT which, void *arg)
{
    const struct walk *walk = arg;
    const struct word *word = *(const struct word *const *)node;
    if (which == postorder || which == leaf) /* in order, as tsearch names them */
        walk->fn(word->text, word->length, word->count, walk->arg);
}

void words_each(const struct words *words,
                void (*fn)(const char *text, size_t length, uint64_t count, void *arg), void *arg)
{
    struct walk walk = {fn, arg};
    twalk_r(words->root, visit, &walk);
}

struct merging {
    struct words *into;
    int error;
};

static void merge_one(const char *text, size_t length, uint64_t count, void *arg)
{
    struct merging *m = arg;
    if (!m->error)
        m->error = words_add(m->into, text, length, count);
}

int words_merge(struct words *words, const struct words *more)
{
    struct merging m = {.into = words};
    words_each(more, merge_one, &m);
    return m.error;
}

void words_free(struct words *words)
{
    tdestroy(words->root, free);
    words->root = NULL;
}

/* ---- the words of a file ---- */

/* A file that is read, and the word that the last block ended in. */
struct reading {
    struct file *file;
    int fd; /* -1: not open */
    bool end;
    size_t length; /* of the block */
    size_t begun;  /* bytes in front of it that belong to a word which may go on */
    size_t size;   /* of buffer */
    char *buffer;
};

static bool is_word_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/* In a blocking section: errno is looked at where it is set. */
static void *read_block(void *arg)
{
    struct reading *r = arg;
    if (r->fd < 0)
        r->fd = open(r->file->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = r->fd < 0 ? -1 : read(r->fd, r->buffer + r->begun, BLOCK_BYTES);
    if (n < 0)
        r->file->error = -errno;
    r->length = n > 0 ? (size_t)n : 0;
    r->end = n <= 0;
    if (r->end && r->fd >= 0)
        close(r->fd);
    return NULL;
}

/* Count the words that have ended; what may go on moves to the front. */
static int count_block(struct reading *r)
{
    size_t end = r->begun + r->length, start = 0, i = r->begun;
    for (;; i++) {
        if (i < end && is_word_byte(r->buffer[i]))
            continue;
        if (i == end && !r->end)
            break;
        if (i > start && words_add(&r->file->words, r->buffer + start, i - start, 1))
            return -ENOMEM;
        start = i + 1;
        if (i == end)
            return 0;
    }
    r->begun = end - start;
    memmove(r->buffer, r->buffer + start, r->begun);
    if (r->begun + BLOCK_BYTES > r->size) { /* a very long word */
        char *larger = realloc(r->buffer, 2 * r->size);
        if (!larger)
            return -ENOMEM;
        r->buffer = larger;
        r->size *= 2;
    }
    return 0;
}

void count_words(void *out, const void *in, void *arg)
{
    struct crawl *crawl = arg;
    struct file *file = *(struct file *const *)in;
    struct reading r = {.file = file, .fd = -1, .size = 2 * BLOCK_BYTES};
    *(struct file **)out = file;
    if (file->error)
        return;
    r.buffer = malloc(r.size);
    file->error = r.buffer ? 0 : -ENOMEM;
    while (!file->error && !r.end) {
        if (weft_ctx_err(crawl->ctx))
            break;
        weft_blocking(read_block, &r);
        if (!file->error)
            file->error = count_block(&r);
        atomic_fetch_add_explicit(&crawl->bytes, r.length, memory_order_relaxed);
        weft_pulse_beat(crawl->pulse);
    }
    if (!r.end && r.fd >= 0)
        close(r.fd);
    free(r.buffer);
}
