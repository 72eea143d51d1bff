/* SPDX-License-Identifier: Apache-2.0
 * ctx.c - a forest of contexts on which goroutines and foreign threads do everything at once: derive, cancel, wait, hook, acquire,
 * drop. In the end every wait was ended, every hook told once, and nothing is left. */
#include "../test.h"

enum { WORKERS = 8, FOREIGN = 2, TREES = 4, SLOTS = 3 };

/* A tree's root, which is replaced when it has ended. The mutex guards the pointer, not what hangs below. */
static struct tree {
    weft_mutex mutex;
    weft_ctx *root;
} trees[TREES];

static weft_sem sem;
static weft_waitgroup workers, calls;
static atomic_bool stop;
static atomic_llong hooked, called, prevented, ended;

static weft_ctx *borrow(struct tree *t)
{
    weft_mutex_lock(&t->mutex);
    if (weft_ctx_err(t->root)) {
        weft_ctx_unref(t->root);
        t->root = weft_ctx_with_cancel(NULL);
        REQUIRE(t->root);
    }
    weft_ctx *root = weft_ctx_ref(t->root);
    weft_mutex_unlock(&t->mutex);
    return root;
}

static weft_ctx *derive(weft_ctx *from, uint64_t random)
{
    weft_ctx *ctx;
    switch (random % 8) {
    case 0:
        ctx = weft_ctx_with_value(from, &trees, &sem);
        break;
    case 1:
        ctx = weft_ctx_with_trace(from, "stress");
        break;
    case 2:
    case 3:
        ctx = weft_ctx_with_timeout(from, (int64_t)(random >> 8) % 50000);
        break;
    default:
        ctx = weft_ctx_with_cancel(from);
        break;
    }
    REQUIRE(ctx);
    return ctx;
}

static void call(void *arg)
{
    (void)arg;
    atomic_fetch_add(&called, 1);
    weft_waitgroup_done(&calls);
}

static void hook(weft_ctx *ctx, bool yields)
{
    weft_waitgroup_add(&calls, 1);
    atomic_fetch_add(&hooked, 1);
    weft_ctx_hook *h = weft_ctx_after_func(ctx, call, NULL);
    REQUIRE(h);
    if (yields)
        weft_yield();
    if (weft_ctx_hook_stop(h)) {
        atomic_fetch_add(&prevented, 1);
        weft_waitgroup_done(&calls);
    }
}

static void await(weft_ctx *ctx, uint64_t random)
{
    if (!weft_ctx_done(ctx))
        return;
    if (WEFT_SELECT(WEFT_DONE(ctx), WEFT_AFTER((int64_t)random % 20000)) == 0) {
        CHECK(weft_ctx_err(ctx) != 0);
        CHECK(weft_ctx_cause(ctx) != NULL);
        atomic_fetch_add(&ended, 1);
    }
}

static void step(weft_ctx *low, struct tree *t, uint64_t random)
{
    switch (random % 8) {
    case 0:
        weft_ctx_cancel_cause(low, weft_error_new(-EIO, "step"));
        break;
    case 1:
        hook(low, random >> 8 & 1);
        break;
    case 2:
    case 3:
        await(low, random >> 8);
        break;
    case 4:
        if (weft_sem_acquire_ctx(&sem, 1 + (int64_t)(random >> 8 & 3), low) == 0) {
            weft_yield();
            weft_sem_release(&sem, 1 + (int64_t)(random >> 8 & 3));
        }
        break;
    case 5:
        if ((random >> 8) % 4 == 0) {
            weft_ctx *root = borrow(t);
            weft_ctx_cancel(root);
            weft_ctx_unref(root);
        }
        break;
    default:
        weft_yield();
    }
}

static void work(void *arg)
{
    uint64_t seed = (uint64_t)(intptr_t)arg * 7919 + 1;
    while (!atomic_load(&stop)) {
        struct tree *t = &trees[test_random(&seed) % TREES];
        weft_ctx *path[4] = {borrow(t)};
        int depth = 1 + (int)(test_random(&seed) % 3);
        for (int i = 1; i <= depth; i++)
            path[i] = derive(path[i - 1], test_random(&seed));
        /* A wait for units may need an end. */
        weft_ctx *end = weft_ctx_with_timeout(path[depth], 200000);
        REQUIRE(end);
        step(end, t, test_random(&seed) >> 8);
        weft_ctx_unref(end);
        bool upwards = test_random(&seed) & 1;
        for (int i = 0; i <= depth; i++)
            weft_ctx_unref(path[upwards ? depth - i : i]);
    }
    weft_waitgroup_done(&workers);
}

static void *work_outside(void *arg)
{
    work(arg);
    return NULL;
}

static void grow(void *arg)
{
    pthread_t threads[FOREIGN];
    (void)arg;
    sem = (weft_sem)WEFT_SEM_INIT(SLOTS);
    for (int i = 0; i < TREES; i++)
        REQUIRE((trees[i].root = weft_ctx_with_cancel(NULL)));
    weft_waitgroup_add(&workers, WORKERS + FOREIGN);
    for (intptr_t i = 0; i < WORKERS; i++)
        CHECK_EQ(weft_go(work, (void *)i), 0);
    for (intptr_t i = 0; i < FOREIGN; i++)
        REQUIRE(pthread_create(&threads[i], NULL, work_outside, (void *)(i + WORKERS)) == 0);
    weft_sleep((int64_t)(test_seconds() * 1e9));
    TEST_UNTIL(atomic_load(&ended) > 0);
    atomic_store(&stop, true);
    weft_waitgroup_wait(&workers);
    for (int i = 0; i < FOREIGN; i++)
        pthread_join(threads[i], NULL);
    weft_waitgroup_wait(&calls);
    CHECK_EQ(atomic_load(&hooked), atomic_load(&called) + atomic_load(&prevented));
    CHECK(weft_sem_try_acquire(&sem, SLOTS));
    for (int i = 0; i < TREES; i++)
        weft_ctx_unref(trees[i].root);
    TEST_UNTIL(test_stats().timers == 0); /* one may just be on its way out */
}

TEST(forest)
{
    CHECK_EQ(test_run(grow, NULL), 0);
}
