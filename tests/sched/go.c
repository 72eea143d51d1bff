/* SPDX-License-Identifier: Apache-2.0
 * go.c - starting runs and goroutines: refusals first, then arguments, ids, counts. */
#include "../test.h"

static atomic_int calls;

static void count_call(void *arg)
{
    (void)arg;
    atomic_fetch_add(&calls, 1);
}

static void *call_on_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    void *result = NULL;
    REQUIRE(pthread_create(&thread, NULL, fn, arg) == 0);
    REQUIRE(pthread_join(thread, &result) == 0);
    return result;
}

/* ---- refusals ---- */

TEST(nothing_starts_outside_a_run)
{
    /* Goal: without a run every way to start a goroutine gives -ESRCH and calls nothing.
     * Method: try all of them, before a run and after one. */
    weft_waitgroup wg = {0};
    struct pair {
        int a, b;
    } pair = {1, 2};
    atomic_store(&calls, 0);
    for (int round = 0; round < 2; round++) {
        CHECK_EQ(weft_go(count_call, NULL), -ESRCH);
        CHECK_EQ(weft_go_copy(count_call, &pair, sizeof(pair)), -ESRCH);
        CHECK_EQ(weft_go_copy(count_call, NULL, 0), -ESRCH);
        CHECK_EQ(WEFT_GO(count_call, struct pair, .a = 1, .b = 2), -ESRCH);
        CHECK_EQ(weft_go_with(NULL, count_call, NULL), -ESRCH);
        CHECK_EQ(weft_waitgroup_go(&wg, count_call, NULL), -ESRCH);
        CHECK_EQ(weft_waitgroup_wait_until(&wg, 0), 0);
        CHECK_EQ(weft_self(), 0);
        CHECK_EQ(weft_num_goroutine(), 0);
        weft_yield();
        CHECK_EQ(test_run(count_call, NULL), 0);
        CHECK_EQ(atomic_exchange(&calls, 0), 1);
    }
}

TEST(runs_that_are_refused)
{
    /* Goal: bad arguments of weft_run give -EINVAL, call nothing, and leave no trace.
     * Method: each bad argument, then a good run. */
    static const weft_config bad[] = {
        {.maxprocs = -1},
        {.maxprocs = INT32_MIN},
        {.stack_size = 1},
        {.stack_size = 4096},
        {.stack_size = SIZE_MAX},
        {.stack_size = (size_t)1 << 40},
        {.topology = "no such topology"},
        {.topology = "/nonexistent/topology.xml"},
    };
    atomic_store(&calls, 0);
    CHECK_EQ(weft_run(NULL, NULL, NULL), -EINVAL);
    for (size_t i = 0; i < TEST_COUNT_OF(bad); i++) {
        int result = test_run_config(count_call, NULL, &bad[i]);
        if (result != -EINVAL)
            FAIL("configuration %zu: %d, not -EINVAL", i, result);
        CHECK_EQ(atomic_exchange(&calls, 0), 0);
        CHECK_EQ(weft_num_goroutine(), 0);
        CHECK_EQ(weft_go(count_call, NULL), -ESRCH);
    }
    CHECK_EQ(test_run(count_call, NULL), 0);
    CHECK_EQ(atomic_load(&calls), 1);
}

static void *nested_run(void *arg)
{
    return (void *)(intptr_t)weft_run(count_call, arg, NULL);
}

static void *nested_run_on_thread(void *arg)
{
    return call_on_thread(nested_run, arg);
}

static void nested_runs(void *arg)
{
    CHECK_EQ((intptr_t)nested_run(arg), -EBUSY);
    CHECK_EQ((intptr_t)weft_blocking(nested_run, arg), -EBUSY);
    CHECK_EQ((intptr_t)weft_blocking(nested_run_on_thread, arg), -EBUSY);
    CHECK_EQ(weft_self(), 1);
    CHECK_EQ(weft_num_goroutine(), 1);
}

TEST(one_run_at_a_time)
{
    /* Goal: a second weft_run gives -EBUSY and does not disturb the first.
     * Method: from a goroutine, from a blocking section, from another thread. */
    atomic_store(&calls, 0);
    CHECK_EQ(test_run(nested_runs, NULL), 0);
    CHECK_EQ(atomic_load(&calls), 0);
    CHECK_EQ(test_run(count_call, NULL), 0);
}

static void refused_starts(void *arg)
{
    weft_waitgroup *wg = arg;
    static char large[64 * 1024 + 1];
    weft_go_options options = {0};

    CHECK_EQ(weft_go(NULL, NULL), -EINVAL);
    CHECK_EQ(weft_go_copy(NULL, large, 8), -EINVAL);
    CHECK_EQ(weft_go_with(NULL, NULL, NULL), -EINVAL);
    CHECK_EQ(weft_waitgroup_go(wg, NULL, NULL), -EINVAL);
    CHECK_EQ(weft_waitgroup_wait_until(wg, 0), 0);
    CHECK_EQ(weft_go_copy(count_call, large, sizeof(large)), -E2BIG);
    CHECK_EQ(weft_go_copy(count_call, large, SIZE_MAX), -E2BIG);

    static const size_t bad[] = {1, 4096, 16 * 1024 - 1, ((size_t)1 << 30) + 1, SIZE_MAX};
    for (size_t i = 0; i < TEST_COUNT_OF(bad); i++) {
        options.stack_size = bad[i];
        CHECK_EQ(weft_go_with(&options, count_call, NULL), -EINVAL);
    }
    options.stack_size = 0;
    CHECK_EQ(weft_go_with(&options, NULL, NULL), -EINVAL);
    CHECK_EQ(weft_num_goroutine(), 1);
}

TEST(goroutines_that_are_refused)
{
    /* Goal: a NULL function (GO-02), a copy above 64 KiB and stacks out of bounds are refused, and nothing
     * starts. Method: each of them in a run, then the number of goroutines and of calls. */
    weft_waitgroup wg = {0};
    atomic_store(&calls, 0);
    CHECK_EQ(test_run(refused_starts, &wg), 0);
    CHECK_EQ(atomic_load(&calls), 0);
}

/* ---- arguments ---- */

struct copies {
    weft_waitgroup wg;
    atomic_int wrong, ran;
};

static struct copies copies;

enum { COPY_MAX = 64 * 1024 };
static const size_t copy_sizes[] = {1,   2,   15,   16,   17,    31,      100,
                                    255, 256, 4096, 5000, 65535, COPY_MAX};

/* The copy's bytes are i + size; each goroutine then spoils its own copy. */
static TEST_NOINLINE void look_at_copy(unsigned char *copy, size_t size)
{
    int wrong = (uintptr_t)copy % 16 != 0;
    for (size_t i = 0; i < size; i++)
        wrong += copy[i] != (unsigned char)(i + size);
    memset(copy, 0xEE, size);
    weft_yield();
    for (size_t i = 0; i < size; i++)
        wrong += copy[i] != 0xEE;
    atomic_fetch_add(&copies.wrong, wrong);
    atomic_fetch_add(&copies.ran, 1);
    weft_waitgroup_done(&copies.wg);
}

#define COPY_TAKER(index)                                                                          \
    static void copy_taker_##index(void *arg)                                                      \
    {                                                                                              \
        look_at_copy(arg, copy_sizes[index]);                                                      \
    }
/* clang-format off */
COPY_TAKER(0) COPY_TAKER(1) COPY_TAKER(2) COPY_TAKER(3) COPY_TAKER(4) COPY_TAKER(5) COPY_TAKER(6)
COPY_TAKER(7) COPY_TAKER(8) COPY_TAKER(9) COPY_TAKER(10) COPY_TAKER(11) COPY_TAKER(12)
static const weft_fn copy_takers[] = {
    copy_taker_0, copy_taker_1, copy_taker_2, copy_taker_3, copy_taker_4, copy_taker_5, copy_taker_6,
    copy_taker_7, copy_taker_8, copy_taker_9, copy_taker_10, copy_taker_11, copy_taker_12};
/* clang-format on */
_Static_assert(TEST_COUNT_OF(copy_takers) == TEST_COUNT_OF(copy_sizes), "one taker a size");

static void copy_nothing(void *arg)
{
    (void)arg;
    atomic_fetch_add(&copies.ran, 1);
    weft_waitgroup_done(&copies.wg);
}

static void give_copies(void *arg)
{
    unsigned char *bytes = arg;
    enum { EACH = 3 };
    for (size_t s = 0; s < TEST_COUNT_OF(copy_sizes); s++) {
        size_t size = copy_sizes[s];
        for (size_t i = 0; i < size; i++)
            bytes[i] = (unsigned char)(i + size);
        weft_waitgroup_add(&copies.wg, EACH);
        for (int i = 0; i < EACH; i++)
            CHECK_EQ(weft_go_copy(copy_takers[s], bytes, size), 0);
        memset(bytes, 0x11, size);
    }
    weft_waitgroup_add(&copies.wg, 2);
    CHECK_EQ(weft_go_copy(copy_nothing, NULL, 0), 0);
    CHECK_EQ(weft_go_copy(copy_nothing, bytes, 0), 0);
    weft_waitgroup_wait(&copies.wg);
    CHECK_EQ(atomic_load(&copies.ran), EACH * (int)TEST_COUNT_OF(copy_sizes) + 2);
    CHECK_EQ(atomic_load(&copies.wrong), 0);
    for (size_t i = 0; i < COPY_MAX; i++)
        if (bytes[i] != 0x11) {
            FAIL("the caller's byte %zu was changed", i);
            break;
        }
}

TEST(copies_are_private_and_aligned)
{
    /* Goal: weft_go_copy gives each goroutine its own 16-aligned copy of 0 bytes to 64 KiB, as it was
     * at the call. Method: three goroutines a size; the caller overwrites the original at once, each
     * goroutine overwrites its copy and yields. */
    unsigned char *bytes = malloc(COPY_MAX);
    memset(&copies, 0, sizeof(copies));
    CHECK_EQ(test_run(give_copies, bytes), 0);
    free(bytes);
}

struct point {
    int x, y;
    const char *label;
    atomic_int *sum;
    weft_waitgroup *wg;
};

static void add_point(void *arg)
{
    struct point *p = arg;
    CHECK_STR_EQ(p->label, "a, b");
    CHECK_EQ(p->y, 0);
    atomic_fetch_add(p->sum, p->x);
    weft_waitgroup_done(p->wg);
}

static void go_macro(void *arg)
{
    atomic_int *sum = arg;
    weft_waitgroup wg = {0};
    weft_waitgroup_add(&wg, 10);
    for (int i = 1; i <= 10; i++)
        CHECK_EQ(WEFT_GO(add_point, struct point, .x = i, .label = "a, b", .sum = sum, .wg = &wg),
                 0);
    weft_waitgroup_wait(&wg);
    CHECK_EQ(atomic_load(sum), 55);
}

TEST(go_macro_builds_the_argument)
{
    /* Goal: WEFT_GO passes a struct built in place; members left out are zero. Method: sum of 10. */
    atomic_int sum = 0;
    CHECK_EQ(test_run(go_macro, &sum), 0);
}

static void pass_through(void *arg)
{
    CHECK_PTR_EQ(arg, &calls);
    count_call(NULL);
}

static void starts_with_arguments(void *arg)
{
    atomic_store(&calls, 0);
    CHECK_PTR_EQ(arg, &copies);
    CHECK_EQ(weft_go(pass_through, &calls), 0);
    CHECK_EQ(weft_go_with(NULL, pass_through, &calls), 0);
    TEST_UNTIL(atomic_load(&calls) == 2);
}

TEST(arguments_are_passed_through)
{
    /* Goal: weft_run, weft_go and weft_go_with hand over the pointer itself. Method: compare it. */
    CHECK_EQ(test_run(starts_with_arguments, &copies), 0);
}

/* ---- names and stacks ---- */

static void named(void *arg)
{
    weft_waitgroup_done(arg);
}

static void names(void *arg)
{
    weft_waitgroup wg = {0};
    char name[1001];
    static const size_t lengths[] = {0, 1, 30, 31, 32, 33, 1000};
    (void)arg;
    for (size_t i = 0; i < TEST_COUNT_OF(lengths); i++) {
        memset(name, 'n', sizeof(name));
        name[lengths[i]] = '\0';
        weft_waitgroup_add(&wg, 1);
        CHECK_EQ(weft_go_with(&(weft_go_options){.name = name}, named, &wg), 0);
        memset(name, 0, sizeof(name));
    }
    weft_waitgroup_wait(&wg);
}

TEST(names_of_any_length)
{
    /* Goal: names are copied and cut, never overrun. Method: lengths around 31, and 1000 (ASan). */
    CHECK_EQ(test_run(names, NULL), 0);
}

/* ---- ids and counts ---- */

enum { IDS = 1000 };
static uint64_t ids[IDS];
static atomic_int ids_used;

static void take_id(void *arg)
{
    uint64_t self = weft_self();
    ids[atomic_fetch_add(&ids_used, 1)] = self;
    weft_yield();
    CHECK_EQ(weft_self(), self);
    weft_waitgroup_done(arg);
}

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void *self_on_thread(void *arg)
{
    (void)arg;
    return (void *)(uintptr_t)weft_self();
}

static void *self_on_another_thread(void *arg)
{
    return call_on_thread(self_on_thread, arg);
}

static void collect_ids(void *arg)
{
    weft_waitgroup wg = {0};
    (void)arg;
    CHECK_EQ(weft_self(), 1);
    CHECK_EQ((uintptr_t)weft_blocking(self_on_another_thread, NULL), 0);
    for (int i = 0; i < IDS; i++) {
        weft_waitgroup_add(&wg, 1);
        CHECK_EQ(weft_go(take_id, &wg), 0);
        if (i >= IDS / 2)
            weft_waitgroup_wait(&wg);
    }
    weft_waitgroup_wait(&wg);
    CHECK_EQ(weft_self(), 1);
}

TEST(ids_are_unique)
{
    /* Goal: ids are unique in a run, also those of goroutines that have ended; 1 is main, 0 is no
     * goroutine. Method: half of the goroutines at once, half one after the other; sort. */
    for (int round = 0; round < 2; round++) {
        atomic_store(&ids_used, 0);
        CHECK_EQ(test_run(collect_ids, NULL), 0);
        REQUIRE(atomic_load(&ids_used) == IDS);
        qsort(ids, IDS, sizeof(ids[0]), by_value);
        CHECK_GT(ids[0], 1);
        for (int i = 1; i < IDS; i++)
            CHECK_NE(ids[i - 1], ids[i]);
    }
}

static void wait_for(void *arg)
{
    weft_waitgroup_wait(arg);
}

static void count_goroutines(void *arg)
{
    weft_waitgroup gate = {0};
    int n = *(int *)arg;
    CHECK_EQ(weft_num_goroutine(), 1);
    weft_waitgroup_add(&gate, 1);
    for (int i = 0; i < n; i++)
        CHECK_EQ(weft_go(wait_for, &gate), 0);
    CHECK_EQ(weft_num_goroutine(), n + 1);
    test_until_parked((uint64_t)n);
    CHECK_EQ(weft_num_goroutine(), n + 1);
    weft_waitgroup_done(&gate);
    test_until_goroutines(1);
}

TEST(num_goroutine_counts_the_living)
{
    /* Goal: runnable and parked goroutines count, ended ones soon don't, the runtime's own never (GO-26).
     * Method: n parked on a WaitGroup; let them end. */
    int n = test_scale_goroutines(1000);
    CHECK_EQ(test_run(count_goroutines, &n), 0);
    CHECK_EQ(weft_num_goroutine(), 0);
}
