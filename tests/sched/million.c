/* SPDX-License-Identifier: Apache-2.0
 * million.c - a million goroutines: alive at once, queued at once, one after the other. */
#include "../test.h"

struct million {
    int n;
    weft_waitgroup gate, all;
    atomic_int woken;
    uint64_t sum;
};

static void park(void *arg)
{
    struct million *m = arg;
    weft_waitgroup_wait(&m->gate);
    atomic_fetch_add(&m->woken, 1);
    weft_waitgroup_done(&m->all);
}

static void park_all(void *arg)
{
    struct million *m = arg;
    weft_waitgroup_add(&m->gate, 1);
    weft_waitgroup_add(&m->all, m->n);
    for (int i = 0; i < m->n; i++) {
        if (weft_go(park, m) != 0) {
            FAIL("goroutine %d of %d could not start", i, m->n);
            exit(1);
        }
        /* Also lets the queue drain, so that not all stacks are first touched at the end. */
        if (i % 1000 == 0)
            weft_yield();
    }
    test_until_parked((uint64_t)m->n);
    CHECK_EQ(weft_num_goroutine(), m->n + 1);
    CHECK_EQ(atomic_load(&m->woken), 0);
    weft_waitgroup_done(&m->gate);
    weft_waitgroup_wait(&m->all);
    CHECK_EQ(atomic_load(&m->woken), m->n);
    test_until_goroutines(1);
}

static long available_kib(void)
{
    char line[128];
    long kib = 0;
    FILE *f = fopen("/proc/meminfo", "re");
    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "MemAvailable: %ld kB", &kib) == 1)
            break;
    if (f)
        fclose(f);
    return kib;
}

static int wanted(void)
{
    return test_scale_goroutines(getenv("WEFT_TEST_MILLION") ? 1000000 : 100000);
}

TEST(alive_at_once)
{
    /* Goal: a million goroutines (WEFT_TEST_MILLION, else fewer) are parked on one WaitGroup, each
     * with a stack of its own, and all wake. Method: count them. At most 8 KiB each must be free. */
    struct million m = {.n = wanted()};
    if (available_kib() < m.n * 8L)
        SKIP("too little memory");
    CHECK_EQ(test_run(park_all, &m), 0);
}

struct number {
    struct million *m;
    int i;
};

static atomic_ullong sum;

static void add_number(void *arg)
{
    struct number *number = arg;
    atomic_fetch_add(&sum, (unsigned)number->i);
    weft_waitgroup_done(&number->m->all);
}

static void queue_all(void *arg)
{
    struct million *m = arg;
    weft_waitgroup_add(&m->all, m->n);
    for (int i = 0; i < m->n; i++)
        if (WEFT_GO(add_number, struct number, m, i) != 0) {
            FAIL("goroutine %d of %d could not start", i, m->n);
            exit(1);
        }
    weft_waitgroup_wait(&m->all);
    test_until_goroutines(1);
}

TEST(queued_at_once)
{
    /* Goal: a million goroutines fit into the queues before any has run, and each gets its own
     * argument. Method: main starts them without a pause; the sum of their arguments. */
    struct million m = {.n = wanted()};
    atomic_store(&sum, 0);
    CHECK_EQ(test_run(queue_all, &m), 0);
    CHECK_EQ(atomic_load(&sum), (uint64_t)m.n * (uint64_t)(m.n - 1) / 2);
}

static void one_by_one(void *arg)
{
    struct million *m = arg;
    long rss = 0;
    for (int i = 0; i < m->n; i++) {
        weft_waitgroup_add(&m->all, 1);
        if (WEFT_GO(add_number, struct number, m, i) != 0) {
            FAIL("goroutine %d of %d could not start", i, m->n);
            exit(1);
        }
        weft_waitgroup_wait(&m->all);
        if (i == m->n / 10)
            rss = test_rss_kib();
    }
    if (test_rss_tells())
        CHECK_LT(test_rss_kib() - rss, 1024);
}

TEST(one_after_the_other)
{
    /* Goal: goroutines that end give everything back. Method: many in a row, memory after a tenth
     * and at the end: less than 1 MiB more. */
    struct million m = {.n = test_scale(1000000)};
    atomic_store(&sum, 0);
    CHECK_EQ(test_run(one_by_one, &m), 0);
    CHECK_EQ(atomic_load(&sum), (uint64_t)m.n * (uint64_t)(m.n - 1) / 2);
}

static void waves(void *arg)
{
    struct million *m = arg;
    long rss = 0;
    for (int wave = 0; wave < 10; wave++) {
        m->gate = m->all = (weft_waitgroup){0};
        atomic_store(&m->woken, 0);
        park_all(m);
        if (wave == 4)
            rss = test_rss_kib();
    }
    /* A twentieth of what a wave takes at 4 KiB each. */
    if (test_rss_tells())
        CHECK_LT(test_rss_kib() - rss, 1024 + m->n * 4L / 20);
}

TEST(waves_reuse_stacks)
{
    /* Goal: a second wave of parked goroutines uses the memory of the first. Method: ten waves,
     * memory after the fifth and the tenth. */
    struct million m = {.n = test_scale_goroutines(20000)};
    CHECK_EQ(test_run(waves, &m), 0);
}
