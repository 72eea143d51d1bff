/* SPDX-License-Identifier: Apache-2.0
 * dlopen.c - weft loaded by a program that knows nothing of it: dlopen.c LIBRARY.
 *
 * The harness is not used, because it calls weft by name. Debian's jemalloc can't be loaded late
 * (static TLS), so here weft must fall back on malloc. */
#include <dlfcn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

#define CHECK(cond)                                                                                \
    ((cond) ? (void)0                                                                              \
            : (fprintf(stderr, "%s:%d: %s does not hold\n", __FILE__, __LINE__, #cond), exit(1)))

static struct {
    int (*run)(weft_fn, void *, const weft_config *);
    int (*go)(weft_fn, void *);
    void (*yield)(void);
    void (*sleep)(int64_t);
    uint64_t (*self)(void);
    void *(*blocking)(void *(*)(void *), void *);
    void (*add)(weft_waitgroup *, int);
    void (*done)(weft_waitgroup *);
    void (*wait)(weft_waitgroup *);
    void *(*alloc)(size_t);
    void (*free)(void *);
    const char *(*version)(void);
    bool (*feature)(const char *);
} weft;

static void *library;

static void load(const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    if (!symbol) {
        fprintf(stderr, "%s: %s\n", name, dlerror());
        exit(1);
    }
    memcpy(function, &symbol, sizeof(symbol));
}

static void load_all(const char *path)
{
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!library) {
        fprintf(stderr, "%s\n", dlerror());
        exit(1);
    }
    load("weft_run", &weft.run);
    load("weft_go", &weft.go);
    load("weft_yield", &weft.yield);
    load("weft_sleep", &weft.sleep);
    load("weft_self", &weft.self);
    load("weft_blocking", &weft.blocking);
    load("weft_waitgroup_add", &weft.add);
    load("weft_waitgroup_done", &weft.done);
    load("weft_waitgroup_wait", &weft.wait);
    load("weft_alloc", &weft.alloc);
    load("weft_free", &weft.free);
    load("weft_version", &weft.version);
    load("weft_feature", &weft.feature);
}

static weft_waitgroup all;
static atomic_int counted;

static void *return_arg(void *arg)
{
    return arg;
}

static void work(void *arg)
{
    char *block = weft.alloc(100);
    CHECK(block);
    CHECK(weft.self() > 1);
    memset(block, 1, 100);
    weft.yield();
    CHECK(weft.blocking(return_arg, block) == block);
    weft.sleep(1000);
    weft.free(block);
    atomic_fetch_add(&counted, 1);
    weft.done(arg);
}

static void begin(void *arg)
{
    (void)arg;
    CHECK(weft.self() == 1);
    weft.add(&all, 500);
    for (int i = 0; i < 500; i++)
        CHECK(weft.go(work, &all) == 0);
    weft.wait(&all);
    CHECK(atomic_load(&counted) == 500);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    for (int i = 0; i < 2; i++) {
        load_all(argv[1]);
        CHECK(strcmp(weft.version(), WEFT_VERSION) == 0);
        CHECK(!weft.feature("jemalloc"));
        for (int procs = 1; procs <= 2; procs++) {
            weft_config config = {.maxprocs = procs};
            atomic_store(&counted, 0);
            CHECK(weft.run(begin, NULL, &config) == 0);
        }
        dlclose(library);
    }
    puts("loaded, ran, unloaded, twice");
    return 0;
}
