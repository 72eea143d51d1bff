/* SPDX-License-Identifier: Apache-2.0
 * digest.h - what the parts of digest share.
 *
 * Each directory and each file gets a goroutine. What may block (open, read, readdir: read.c) runs
 * inside weft_blocking; the hashing (visit.c) runs on the goroutine itself, so that as many files
 * are hashed at once as the runtime has processors, however many wait for the disk.
 *
 * What limits the work is the number of desks: a goroutine needs one (buffer, hash state, place for
 * an open file) and hands it on to the next when it ends. What waits for a desk is an item on a
 * list, not a goroutine, so a million files pending cost a million paths and no stacks. */
#ifndef DIGEST_H
#define DIGEST_H

#include <weft/weft.h>

#include <dirent.h>
#include <openssl/evp.h>
#include <stdatomic.h>

enum {
    BUFFER_BYTES = 256 << 10, /* a desk's; large enough to make the change of thread cheap */
    BATCH_MAX = 1024,         /* entries read from a directory before their visits start */
    SUM_BYTES = 32,
};

enum kind { KIND_UNKNOWN, KIND_FILE, KIND_DIRECTORY, KIND_SKIPPED };

/* Something to visit, and then, for a file, the result. */
struct item {
    struct item *next;
    enum kind kind;
    unsigned char sum[SUM_BYTES];
    char path[];
};

struct list {
    struct item *head, *tail;
    int count;
};

/* The means to work on one item, and what goes in and out of its blocking sections. */
struct desk {
    struct desk *next;
    struct item *item;
    EVP_MD_CTX *hash;
    int error; /* of the latest section: 0 or a negative errno */
    bool end;  /* it was the last: the file or directory is closed */

    int fd; /* of a file, -1 before the first section */
    size_t length;

    DIR *dir; /* of a directory, NULL before the first section */
    struct list entries;

    unsigned char buffer[BUFFER_BYTES];
};

/* main.c */
extern atomic_bool interrupted;           /* start nothing more */
void report(const char *what, int error); /* a message, and 1 as the exit status */

/* read.c: the items that walking makes, and the blocking sections, each called with a desk. */
struct item *item_new(const char *dir, const char *name, enum kind kind); /* NULL: no memory */
void list_append(struct list *list, struct item *item);
void *classify(void *desk);     /* find out the item's kind */
void *read_chunk(void *desk);   /* fill buffer from the file, length bytes; opens and closes it */
void *read_entries(void *desk); /* the same for entries and the directory */

/* visit.c */
extern weft_waitgroup unfinished; /* items pending or at work */
extern struct item *results;      /* files hashed; read it when the run is over */
extern atomic_ullong files_done, bytes_done;
int desks_open(int count);      /* before the run; 0 or a negative errno */
void desks_close(void);         /* after it */
void submit(struct list items); /* have the items visited as desks become free */

#endif
