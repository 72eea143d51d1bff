/* SPDX-License-Identifier: Apache-2.0
 * two_copies.c - a second copy of libweft in one process, as when a plugin brings its own: each keeps to
 * itself, and to each the other's goroutines are foreign threads.
 *
 * Usage: test-two-copies LIBWEFT.so [namespace]   (namespace: load the copy with dlmopen) */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#define CHECK(cond)                                                                                \
    do {                                                                                           \
        if (!(cond)) {                                                                             \
            fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond);               \
            exit(1);                                                                               \
        }                                                                                          \
    } while (0)

enum { GOROUTINES = 300, QUESTIONS = 20 };

/* One copy: the functions that are used. */
struct copy {
    __typeof__(weft_run) *run;
    __typeof__(weft_go) *go;
    __typeof__(weft_self) *self;
    __typeof__(weft_yield) *yield;
    __typeof__(weft_sleep) *sleep;
    __typeof__(weft_blocking) *blocking;
    __typeof__(weft_num_goroutine) *num_goroutine;
    __typeof__(weft_waitgroup_go) *waitgroup_go; /* calls others of its own */
    __typeof__(weft_waitgroup_add) *waitgroup_add;
    __typeof__(weft_waitgroup_done) *waitgroup_done;
    __typeof__(weft_waitgroup_wait) *waitgroup_wait;
    __typeof__(weft_alloc) *alloc;
    __typeof__(weft_free) *free;
    struct copy *other;
    bool answers; /* its functions may be called on any thread: not across libcs, see load() */
    atomic_int counted, asked;
    int rc;
};

static struct copy linked = {weft_run,
                             weft_go,
                             weft_self,
                             weft_yield,
                             weft_sleep,
                             weft_blocking,
                             weft_num_goroutine,
                             weft_waitgroup_go,
                             weft_waitgroup_add,
                             weft_waitgroup_done,
                             weft_waitgroup_wait,
                             weft_alloc,
                             weft_free,
                             .other = NULL};
static struct copy loaded;
static pthread_barrier_t both_run;

static void symbol(void *library, const char *name, void *out)
{
    void *address = dlsym(library, name);
    CHECK(address);
    memcpy(out, &address, sizeof address);
}

/* A file of its own, so that the loader doesn't recognise it. */
static void copy_file(const char *from, char *to)
{
    static char block[65536];
    ssize_t got;
    int in = open(from, O_RDONLY | O_CLOEXEC), out = mkstemp(to);
    CHECK(in >= 0 && out >= 0);
    while ((got = read(in, block, sizeof block)) > 0)
        CHECK(write(out, block, (size_t)got) == got);
    CHECK(got == 0);
    close(in);
    close(out);
}

/* A name space has a libc of its own, too, and the two libcs give out the same thread-specific keys: what
 * runs on a thread of one must not use the other. */
static void load(const char *file, bool in_namespace)
{
    linked.answers = loaded.answers = !in_namespace;
    char name[] = "/tmp/libweft-copy-XXXXXX";
    copy_file(file, name);
    void *library = in_namespace ? dlmopen(LM_ID_NEWLM, name, RTLD_NOW | RTLD_LOCAL)
                                 : dlopen(name, RTLD_NOW | RTLD_LOCAL);
    unlink(name);
    if (!library)
        fprintf(stderr, "%s\n", dlerror());
    CHECK(library);
    symbol(library, "weft_run", &loaded.run);
    symbol(library, "weft_go", &loaded.go);
    symbol(library, "weft_self", &loaded.self);
    symbol(library, "weft_yield", &loaded.yield);
    symbol(library, "weft_sleep", &loaded.sleep);
    symbol(library, "weft_blocking", &loaded.blocking);
    symbol(library, "weft_num_goroutine", &loaded.num_goroutine);
    symbol(library, "weft_waitgroup_go", &loaded.waitgroup_go);
    symbol(library, "weft_waitgroup_add", &loaded.waitgroup_add);
    symbol(library, "weft_waitgroup_done", &loaded.waitgroup_done);
    symbol(library, "weft_waitgroup_wait", &loaded.waitgroup_wait);
    symbol(library, "weft_alloc", &loaded.alloc);
    symbol(library, "weft_free", &loaded.free);
    CHECK(loaded.run != linked.run && loaded.waitgroup_go != linked.waitgroup_go);
}

static void *return_arg(void *arg)
{
    return arg;
}

static void work(void *arg)
{
    struct copy *c = arg;
    CHECK(c->self() > 1 && (!c->other->answers || c->other->self() == 0));
    char *block = c->alloc(100);
    CHECK(block);
    memset(block, 1, 100);
    c->yield();
    CHECK(c->blocking(return_arg, block) == block);
    c->sleep(1000);
    c->free(block);
    atomic_fetch_add(&c->counted, 1);
}

struct question {
    struct copy *of;
    weft_waitgroup answered;
};

static void answer(void *arg)
{
    struct question *q = arg;
    CHECK(q->of->self() > 1);
    atomic_fetch_add(&q->of->asked, 1);
    q->of->waitgroup_done(&q->answered);
}

/* Start a goroutine over there and wait for it. */
static void *ask_the_other(void *arg)
{
    struct question q = {.of = arg};
    q.of->waitgroup_add(&q.answered, 1);
    CHECK(q.of->go(answer, &q) == 0);
    q.of->waitgroup_wait(&q.answered);
    return arg;
}

static void *meet(void *arg)
{
    pthread_barrier_wait(&both_run);
    return arg;
}

static void begin(void *arg)
{
    struct copy *c = arg;
    weft_waitgroup all = {0};
    CHECK(c->self() == 1);
    c->blocking(meet, NULL);
    for (int i = 0; i < GOROUTINES; i++)
        CHECK(c->waitgroup_go(&all, work, c) == 0);
    for (int i = 0; i < QUESTIONS && c->other->answers; i++)
        c->blocking(ask_the_other, c->other);
    if (c->other->answers)
        ask_the_other(c->other); /* holds up a processor: that is the caller's choice */
    c->waitgroup_wait(&all);
    c->blocking(meet, NULL);
}

static void *run_copy(void *arg)
{
    struct copy *c = arg;
    weft_config config = {.maxprocs = 2};
    c->rc = c->run(begin, c, &config);
    return NULL;
}

int main(int argc, char **argv)
{
    CHECK(argc >= 2);
    alarm(100);
    load(argv[1], argc > 2);
    linked.other = &loaded;
    loaded.other = &linked;
    CHECK(pthread_barrier_init(&both_run, NULL, 2) == 0);
    for (int round = 1; round <= 3; round++) {
        pthread_t thread;
        CHECK(pthread_create(&thread, NULL, run_copy, &loaded) == 0);
        run_copy(&linked);
        CHECK(pthread_join(thread, NULL) == 0);
        CHECK(linked.rc == 0 && loaded.rc == 0);
        CHECK(atomic_load(&linked.counted) == round * GOROUTINES);
        CHECK(atomic_load(&loaded.counted) == round * GOROUTINES);
        int asked = linked.answers ? (QUESTIONS + 1) * round : 0;
        CHECK(atomic_load(&linked.asked) == asked && atomic_load(&loaded.asked) == asked);
        CHECK(linked.num_goroutine() == 0 && loaded.num_goroutine() == 0);
    }
    puts("two copies ran side by side, three times");
    return 0;
}
