/* SPDX-License-Identifier: Apache-2.0
 * pool.c - weft_pool: what it constructs, keeps, finds and gives back. */
#include "../test.h"

struct thing {
    atomic_bool owned;
    uint64_t content;
};

static atomic_int constructed, destroyed;
static int refuse; /* what construct returns */

static int construct(void *object, void *arg)
{
    struct thing *t = object;
    CHECK_PTR_EQ(arg, &constructed);
    if (refuse)
        return refuse;
    *t = (struct thing){.content = (uint64_t)atomic_fetch_add(&constructed, 1) + 1};
    return 0;
}

static void destroy(void *object, void *arg)
{
    struct thing *t = object;
    CHECK_PTR_EQ(arg, &constructed);
    CHECK(!atomic_load(&t->owned));
    atomic_fetch_add(&destroyed, 1);
}

static weft_pool *things(void)
{
    atomic_store(&constructed, 0);
    atomic_store(&destroyed, 0);
    refuse = 0;
    weft_pool *pool = weft_pool_new(&(weft_pool_options){.object_size = sizeof(struct thing),
                                                         .construct = construct,
                                                         .destroy = destroy,
                                                         .arg = &constructed});
    REQUIRE(pool);
    return pool;
}

static struct thing *own(weft_pool *pool)
{
    struct thing *t = weft_pool_get(pool);
    REQUIRE(t);
    CHECK(!atomic_exchange(&t->owned, true));
    return t;
}

static void disown(weft_pool *pool, struct thing *t)
{
    CHECK(atomic_exchange(&t->owned, false));
    weft_pool_put(pool, t);
}

/* All that were constructed are destroyed by it. */
static void end(weft_pool *pool)
{
    weft_pool_free(pool);
    CHECK_EQ(atomic_load(&destroyed), atomic_load(&constructed));
}

/* ---- alone: as a goroutine, in a blocking section, on a foreign thread ---- */

static void *everywhere(void *fn)
{
    ((void (*)(void))fn)();
    return NULL;
}

static void in_run(void *fn)
{
    pthread_t thread;
    everywhere(fn);
    weft_blocking(everywhere, fn);
    REQUIRE(pthread_create(&thread, NULL, everywhere, fn) == 0);
    TEST_UNTIL(pthread_tryjoin_np(thread, NULL) == 0);
}

static void run_everywhere(void (*fn)(void))
{
    everywhere((void *)fn);
    CHECK_EQ(test_run(in_run, (void *)fn), 0);
}

static void get_get_put_get(void)
{
    weft_pool *pool = things();
    struct thing *a = own(pool), *b = own(pool);
    CHECK(a != b);
    CHECK_EQ(a->content + b->content, 3);
    a->content = 77;
    disown(pool, a);
    struct thing *c = own(pool);
    CHECK_PTR_EQ(c, a);
    CHECK_EQ(c->content, 77);
    CHECK_EQ(atomic_load(&constructed), 2);
    CHECK_EQ(atomic_load(&destroyed), 0);
    weft_pool_put(pool, NULL);
    disown(pool, b);
    disown(pool, c);
    end(pool);
}

TEST(what_was_put_comes_back_as_it_was)
{
    /* Goal: the book's Get, Get, Put, Get constructs twice; nothing is written into what lies in the pool; a put of NULL does
     * nothing (PO-01). */
    run_everywhere(get_get_put_get);
}

enum { MANY = 1000 };

static void many(void)
{
    static struct thing *got[MANY]; /* one at a time runs this */
    weft_pool *pool = things();
    for (int round = 0; round < 4; round++) {
        for (int i = 0; i < MANY; i++)
            got[i] = own(pool);
        TEST_UNTIL(atomic_load(&constructed) - atomic_load(&destroyed) == MANY); /* some may age */
        for (int i = 0; i < MANY; i++)
            disown(pool, got[(i * 7) % MANY]);
    }
    end(pool);
}

TEST(none_is_lost_when_stocks_overflow)
{
    /* Goal: more than a stock holds goes through boxes and comes back, each object once. */
    run_everywhere(many);
}

static void warm(void)
{
    static struct thing *got[MANY];
    weft_pool *pool = things();
    CHECK_EQ(weft_pool_warm(pool, 0), 0);
    CHECK_EQ(weft_pool_warm(pool, MANY), 0);
    CHECK_EQ(atomic_load(&constructed), MANY);
    for (int i = 0; i < MANY; i++)
        got[i] = own(pool);
    CHECK_EQ(atomic_load(&constructed), MANY);
    for (int i = 0; i < MANY; i++)
        disown(pool, got[i]);
    end(pool);
}

TEST(a_warmed_pool_constructs_nothing)
{
    /* Goal: as many as it was warmed with can be got without constructing. */
    run_everywhere(warm);
}

/* TSan takes the errno of a goroutine for shared. */
static bool failed_with(const void *result, int error)
{
    return !result && (TEST_TSAN || errno == error);
}

static void refused(void)
{
    weft_pool *pool = things();
    refuse = -EMFILE;
    CHECK(failed_with(weft_pool_get(pool), EMFILE));
    CHECK_EQ(weft_pool_warm(pool, 3), -EMFILE);
    refuse = 0;
    disown(pool, own(pool));
    refuse = -EMFILE;
    struct thing *t = own(pool);
    CHECK(!weft_pool_get(pool));
    disown(pool, t);
    end(pool);
}

TEST(a_construct_that_fails_fails_the_call)
{
    /* Goal: its error is the caller's, and what is in the pool is still to be had. */
    run_everywhere(refused);
}

TEST(sizes_and_alignments)
{
    /* Goal: any size, alignments up to 4096; others, and reserved fields, are refused. */
    for (size_t align = 1; align <= 4096; align *= 2)
        for (size_t size = 0; size <= 5000; size = size * 3 + 1) {
            weft_pool_options o = {.object_size = size, .object_align = align};
            weft_pool *pool = weft_pool_new(&o);
            REQUIRE(pool);
            void *a = weft_pool_get(pool), *b = weft_pool_get(pool);
            CHECK(a && b && a != b);
            CHECK_EQ((uintptr_t)a % align, 0);
            CHECK_EQ((uintptr_t)b % align, 0);
            memset(a, 1, size);
            memset(b, 2, size);
            weft_pool_put(pool, a);
            weft_pool_put(pool, b);
            weft_pool_free(pool);
        }
    static const weft_pool_options bad[] = {
        {.object_size = 8, .object_align = 3},
        {.object_size = 8, .object_align = 8192},
        {.object_size = 8, .reserved = {NULL, NULL, NULL, (void *)1}},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(bad); i++) {
        CHECK(failed_with(weft_pool_new(&bad[i]), EINVAL));
    }
    CHECK(failed_with(weft_pool_new(NULL), EINVAL));
    weft_pool *huge = weft_pool_new(&(weft_pool_options){.object_size = SIZE_MAX - 4096});
    CHECK(huge && failed_with(weft_pool_get(huge), ENOMEM));
    CHECK_EQ(weft_pool_warm(huge, 1), -ENOMEM);
    weft_pool_free(huge);
    weft_pool_free(NULL);
}

static atomic_int taken;

static void takes_and_puts_for_ever(void *pool)
{
    for (;;) {
        struct thing *t = weft_pool_get(pool);
        REQUIRE(t);
        atomic_fetch_add(&taken, 1);
        weft_pool_put(pool, t);
    }
}

static void leave_putting(void *pool)
{
    CHECK_EQ(weft_go(takes_and_puts_for_ever, pool), 0);
    TEST_UNTIL(atomic_load(&taken) > 100);
}

TEST(a_put_in_which_a_run_ends_loses_nothing)
{
    /* Goal: a goroutine that the end of its run stops in a put has put its object. Method: the pool is freed, which is fatal
     * while any is out. */
    weft_pool *pool = things();
    atomic_store(&taken, 0);
    CHECK_EQ(test_run(leave_putting, pool), 0);
    weft_pool_free(pool);
    CHECK_EQ(atomic_load(&destroyed), atomic_load(&constructed));
}

CHILD(free_in_use)
{
    weft_pool *pool = things();
    own(pool);
    weft_pool_free(pool);
}

TEST(freeing_while_objects_are_out_is_fatal)
{
    /* Goal: fatal, by name. */
    static struct test_result result;
    test_spawn("free_in_use", &result);
    CHECK_EXITED(&result, 2);
    CHECK_STR_HAS(result.err, "fatal error: weft: pool freed while objects of it are in use\n");
}

/* ---- elsewhere ---- */

static weft_pool *shared;
static weft_waitgroup all;
static atomic_bool stop;

static void computes(void *arg)
{
    weft_waitgroup *has_begun = arg;
    disown(shared, own(shared)); /* one lies in this processor's stock */
    weft_waitgroup_done(has_begun);
    TEST_COMPUTE_UNTIL(atomic_load(&stop));
    weft_waitgroup_done(&all);
}

static void *get_when_it_lies_there(void *has_begun)
{
    weft_waitgroup_wait(has_begun);
    disown(shared, own(shared));
    atomic_store(&stop, true);
    return NULL;
}

static void looks_elsewhere(void *arg)
{
    static weft_waitgroup has_begun;
    bool can_look = test_stats().procs > 1;
    pthread_t thread;
    (void)arg;
    has_begun = (weft_waitgroup){0};
    shared = things();
    CHECK_EQ(weft_pool_warm(shared, 1), 0); /* it doesn't age */
    atomic_store(&stop, false);
    weft_waitgroup_add(&all, 1);
    weft_waitgroup_add(&has_begun, 1);
    CHECK_EQ(weft_go(computes, &has_begun), 0);
    if (can_look) {
        weft_waitgroup_wait(&has_begun);
        disown(shared, own(shared));
    }
    REQUIRE(pthread_create(&thread, NULL, get_when_it_lies_there, &has_begun) == 0);
    weft_waitgroup_wait(&all);
    TEST_UNTIL(pthread_tryjoin_np(thread, NULL) == 0);
    CHECK_EQ(atomic_load(&constructed), 1);
    end(shared);
}

TEST(a_get_looks_in_every_stock)
{
    /* Goal: what lies in the stock of a processor that is busy computing is found by foreign threads and by
     * other processors before anything is constructed. */
    CHECK_EQ(test_run(looks_elsewhere, NULL), 0);
}

/* ---- under load ---- */

static uint64_t load_seed;

static void uses(uint64_t seed, int n)
{
    struct thing *held[8] = {NULL};
    for (int i = 0; i < n; i++) {
        struct thing **at = &held[test_random(&seed) % TEST_COUNT_OF(held)];
        if (*at) {
            CHECK_EQ((*at)->content, (uintptr_t)at);
            disown(shared, *at);
            *at = NULL;
        } else {
            *at = own(shared);
            (*at)->content = (uintptr_t)at;
        }
        if (test_random(&seed) % 16 == 0)
            weft_yield();
    }
    for (size_t i = 0; i < TEST_COUNT_OF(held); i++)
        if (held[i])
            disown(shared, held[i]);
}

static void uses_as_goroutine(void *arg)
{
    uses(load_seed + (uintptr_t)arg, test_scale(20000));
    weft_waitgroup_done(&all);
}

static void *use_as_thread(void *arg)
{
    uses(load_seed + (uintptr_t)arg, test_scale(20000));
    return NULL;
}

enum { GOROUTINES = 12, THREADS = 2 };

static void load(void *arg)
{
    pthread_t threads[THREADS];
    (void)arg;
    shared = things();
    weft_waitgroup_add(&all, GOROUTINES);
    for (uintptr_t i = 0; i < THREADS; i++)
        REQUIRE(pthread_create(&threads[i], NULL, use_as_thread, (void *)(100 + i)) == 0);
    for (uintptr_t i = 0; i < GOROUTINES; i++)
        CHECK_EQ(weft_go(uses_as_goroutine, (void *)i), 0);
    for (int i = 0; i < 50; i++) { /* pools come and go, processors too */
        weft_pool *other = weft_pool_new(&(weft_pool_options){.object_size = 1});
        weft_pool_put(other, weft_pool_get(other));
        weft_pool_free(other);
        weft_maxprocs(1 + i % 5);
        weft_yield();
    }
    weft_waitgroup_wait(&all);
    for (int i = 0; i < THREADS; i++)
        TEST_UNTIL(pthread_tryjoin_np(threads[i], NULL) == 0);
    end(shared);
}

TEST(no_object_is_shared)
{
    /* Goal: an object has one owner at a time, who sees what the last one wrote (PO-05, HB-09), and none gets lost, while it
     * goes between processors, threads and (in the test build) the trimmer. */
    load_seed = test_seed();
    CHECK_EQ(test_run(load, NULL), 0);
}

/* ---- ageing: every 100 ms in the test build, else every 10 s ---- */

#ifdef WEFT_TEST_BUILD

static void ages(void *arg)
{
    static struct thing *got[MANY];
    (void)arg;
    weft_pool *pool = things();
    CHECK_EQ(weft_pool_warm(pool, 5), 0);
    for (int i = 0; i < MANY; i++)
        got[i] = own(pool);
    for (int i = 0; i < MANY; i++)
        disown(pool, got[i]);
    while (atomic_load(&constructed) - atomic_load(&destroyed) > 5)
        weft_sleep(WEFT_MILLISECOND);
    weft_sleep(3 * 100 * WEFT_MILLISECOND); /* it must not go on */
    CHECK_EQ(atomic_load(&constructed) - atomic_load(&destroyed), 5);
    CHECK_EQ(atomic_load(&constructed), MANY);
    for (int i = 0; i < 5; i++)
        got[i] = own(pool);
    CHECK_EQ(atomic_load(&constructed), MANY);
    for (int i = 0; i < 5; i++)
        disown(pool, got[i]);
    end(pool);
}

TEST(what_nobody_needs_is_given_back)
{
    /* Goal: an idle pool gives up all but what it was warmed with, also while nothing else goes on. */
    CHECK_EQ(test_run(ages, NULL), 0);
}

#endif
