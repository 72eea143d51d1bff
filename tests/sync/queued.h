/* SPDX-License-Identifier: Apache-2.0
 * queued.h - who waits on an object of sync.h, seen from inside; and threads to wait beside goroutines. */
#ifndef WEFT_TESTS_SYNC_QUEUED_H
#define WEFT_TESTS_SYNC_QUEUED_H

#include "../test.h"

/* How runtime/sync/queue.h begins its nodes, and its flags. */
struct queued_node {
    struct queued_node *next, *prev;
};

enum { QUEUED_FLAGS = 31, QUEUED_BUSY = 2 };

/* A word that others change meanwhile. */
static inline uint64_t peek(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* How many wait in a queue, or -1 while it changes. Only while none of them may leave: their nodes are read. */
TEST_NO_TSAN static inline int queued(const uint64_t *queue)
{
    uint64_t word = *(const volatile uint64_t *)queue;
    const struct queued_node *first =
        (const struct queued_node *)(uintptr_t)(word & ~(uint64_t)QUEUED_FLAGS);
    const struct queued_node *node = first;
    int n = 0;
    if (word & QUEUED_BUSY)
        return -1;
    while (node) {
        n++;
        node = *(const struct queued_node *const volatile *)&node->next;
        if (node == first)
            return n;
    }
    return first ? -1 : 0;
}

static inline void until_queued(const uint64_t *queue, int n)
{
    TEST_UNTIL(queued(queue) == n);
}

/* A foreign thread that calls fn once. */
struct outsider {
    pthread_t thread;
    weft_fn fn;
    void *arg;
};

static inline void *outsider_run(void *arg)
{
    struct outsider *o = (struct outsider *)arg;
    o->fn(o->arg);
    return NULL;
}

static inline void outsider_start(struct outsider *o, weft_fn fn, void *arg)
{
    o->fn = fn;
    o->arg = arg;
    REQUIRE(pthread_create(&o->thread, NULL, outsider_run, o) == 0);
}

static inline void outsider_join(struct outsider *o)
{
    pthread_join(o->thread, NULL);
}

/* Many runs of main_fn, each followed by after(), while n threads call fn(args[i]) until *stop. */
static inline void outsiders_amid_runs(int n, weft_fn fn, void *const *args, weft_fn main_fn,
                                       void (*after)(void), atomic_bool *stop)
{
    struct outsider o[8];
    atomic_store(stop, false);
    for (int i = 0; i < n; i++)
        outsider_start(&o[i], fn, args[i]);
    for (int run = 0; run < test_scale(100); run++) {
        CHECK_EQ(test_run(main_fn, NULL), 0);
        after();
    }
    atomic_store(stop, true);
    for (int i = 0; i < n; i++)
        outsider_join(&o[i]);
}

/* fn(arg) on n goroutines of a run on the processors under test and, at the same time, on m foreign threads. */
struct crowd {
    weft_fn fn;
    void *arg;
    int goroutines;
    weft_waitgroup all;
};

static inline void crowd_of_goroutines(void *arg)
{
    struct crowd *c = (struct crowd *)arg;
    for (int i = 0; i < c->goroutines; i++)
        CHECK_EQ(weft_waitgroup_go(&c->all, c->fn, c->arg), 0);
    weft_waitgroup_wait(&c->all);
}

static inline void crowd_run(int n, int m, weft_fn fn, void *arg)
{
    struct crowd c = {fn, arg, n, {0}};
    struct outsider outsiders[8];
    REQUIRE(m <= 8);
    for (int i = 0; i < m; i++)
        outsider_start(&outsiders[i], fn, arg);
    CHECK_EQ(test_run(crowd_of_goroutines, &c), 0);
    for (int i = 0; i < m; i++)
        outsider_join(&outsiders[i]);
}

#endif
