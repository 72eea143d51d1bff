/* SPDX-License-Identifier: Apache-2.0
 * mixed.c - everything at once: foreign threads, sleepers, blocking sections, timeouts, short runs. */
#include "../test.h"

enum { FOREIGN = 3 };

static atomic_llong started, finished, timeouts;
static atomic_bool stop;
static weft_waitgroup all;

static void *touch_kernel(void *arg)
{
    sched_yield();
    return arg;
}

static void done(void *arg)
{
    weft_waitgroup_done(arg);
}

static void done_later(void *arg)
{
    weft_sleep(20000);
    weft_waitgroup_done(arg);
}

/* Waits with a short deadline for a group that is done at about that time, then for good. */
static void race_a_timeout(uint64_t random)
{
    weft_waitgroup wg = {0};
    weft_waitgroup_add(&wg, 1);
    CHECK_EQ(weft_go(random & 1 ? done_later : done, &wg), 0);
    if (weft_waitgroup_wait_until(&wg, weft_now() + (int64_t)(random >> 1) % 40000) != 0) {
        atomic_fetch_add(&timeouts, 1);
        weft_waitgroup_wait(&wg);
    }
}

static void start(uint64_t seed);

struct job {
    uint64_t seed;
};

static void job(void *arg)
{
    uint64_t seed = ((struct job *)arg)->seed, random = test_random(&seed);
    switch (random % 16) {
    case 0:
        weft_sleep((int64_t)(random >> 8) % 100000);
        break;
    case 1:
        weft_blocking(touch_kernel, NULL);
        break;
    case 2:
    case 3:
        race_a_timeout(random >> 8);
        break;
    case 4:
    case 5:
        weft_yield();
        break;
    case 6:
        start(test_random(&seed));
        break;
    case 7:
        for (volatile int spin = (int)(random >> 8) % 5000; spin > 0; spin--)
            ;
        break;
    }
    atomic_fetch_add(&finished, 1);
    weft_waitgroup_done(&all);
    if (random % 64 == 8)
        weft_goexit();
}

/* Counted in `all` while its count is held above zero by the caller. */
static void start(uint64_t seed)
{
    weft_waitgroup_add(&all, 1);
    atomic_fetch_add(&started, 1);
    CHECK_EQ(WEFT_GO(job, struct job, seed), 0);
}

static void *foreign(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    weft_waitgroup mine = {0};
    while (!atomic_load(&stop)) {
        uint64_t random = test_random(&seed);
        start(random);
        if (random % 8 == 0) {
            weft_waitgroup_add(&mine, 1);
            CHECK_EQ(weft_go(done, &mine), 0);
            weft_waitgroup_wait(&mine);
        }
        if (random % 64 == 1)
            weft_sleep(50000);
    }
    weft_waitgroup_done(&all);
    return NULL;
}

static void local_starter(void *arg)
{
    uint64_t seed = ((struct job *)arg)->seed;
    while (!atomic_load(&stop)) {
        uint64_t random = test_random(&seed);
        for (uint64_t i = random % 8; i > 0; i--)
            start(test_random(&seed));
        if (test_stats().goroutines > 500)
            weft_sleep(100000);
        else
            weft_yield();
    }
    weft_waitgroup_done(&all);
}

static void mix(void *arg)
{
    uint64_t seed = *(uint64_t *)arg;
    pthread_t threads[FOREIGN];
    all = (weft_waitgroup){0};
    atomic_store(&started, 0);
    atomic_store(&finished, 0);
    atomic_store(&stop, false);
    weft_waitgroup_add(&all, FOREIGN + 2);
    for (int i = 0; i < FOREIGN; i++)
        REQUIRE(pthread_create(&threads[i], NULL, foreign, (void *)(uintptr_t)test_random(&seed)) ==
                0);
    for (int i = 0; i < 2; i++)
        CHECK_EQ(WEFT_GO(local_starter, struct job, test_random(&seed)), 0);
    weft_sleep((int64_t)(test_seconds() * 1e9));
    atomic_store(&stop, true);
    if (weft_waitgroup_wait_until(&all, weft_now() + 20 * WEFT_SECOND * test_slowness()) != 0) {
        FAIL("%lld of %lld jobs finished", atomic_load(&finished), atomic_load(&started));
        test_dump_stats();
        _exit(1);
    }
    CHECK_EQ(atomic_load(&finished), atomic_load(&started));
    test_until_goroutines(1);
    TEST_UNTIL(test_stats().timers == 0); /* one may just be on its way out */
    CHECK_EQ(test_stats().in_blocking, 0);
    for (int i = 0; i < FOREIGN; i++)
        pthread_join(threads[i], NULL);
}

TEST(all_that_starts_finishes)
{
    /* Goal: under a mixed load nothing is lost and nothing runs twice. Method: jobs that sleep, block,
     * time out, yield, spawn and exit, started by foreign threads and goroutines for
     * WEFT_TEST_SECONDS; exact counts, nothing left. */
    uint64_t seed = test_seed();
    CHECK_EQ(test_run(mix, &seed), 0);
    fprintf(stderr, "    %lld jobs, %lld timeouts\n", atomic_load(&started),
            atomic_load(&timeouts));
}

/* ---- foreign threads against an idle runtime ---- */

static atomic_llong rounds;

static void *ask(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    while (!atomic_load(&stop)) {
        weft_waitgroup answer = {0};
        uint64_t random = test_random(&seed);
        weft_waitgroup_add(&answer, 1);
        CHECK_EQ(weft_go(done, &answer), 0);
        if (weft_waitgroup_wait_until(&answer, weft_now() + 20 * WEFT_SECOND) != 0)
            test_stuck(__FILE__, __LINE__, "an answer from an idle runtime");
        for (volatile int spin = (int)(random % 60000); random % 4 && spin > 0; spin--)
            ;
        atomic_fetch_add(&rounds, 1);
    }
    return NULL;
}

static void *ask_all(void *arg)
{
    pthread_t threads[2];
    uint64_t seed = *(uint64_t *)arg;
    atomic_store(&stop, false);
    for (int i = 0; i < 2; i++)
        REQUIRE(pthread_create(&threads[i], NULL, ask, (void *)(uintptr_t)test_random(&seed)) == 0);
    weft_sleep((int64_t)(test_seconds() * 1e9));
    atomic_store(&stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
    return NULL;
}

static void answer(void *arg)
{
    weft_blocking(ask_all, arg);
}

TEST(an_idle_runtime_answers)
{
    /* Goal: a start from outside that meets threads spinning, going to sleep or asleep is taken up.
     * Method: two foreign threads ask, wait for the answer, pause 0 to some 60 us, ask again. */
    uint64_t seed = test_seed();
    atomic_store(&rounds, 0);
    CHECK_EQ(test_run(answer, &seed), 0);
    CHECK_GT(atomic_load(&rounds), 0);
    fprintf(stderr, "    %lld questions\n", atomic_load(&rounds));
}

/* ---- runs that end in the middle of everything ---- */

static void never(void *arg)
{
    static weft_waitgroup never_done = {0};
    static atomic_flag added = ATOMIC_FLAG_INIT;
    (void)arg;
    if (!atomic_flag_test_and_set(&added))
        weft_waitgroup_add(&never_done, 1);
    for (;;) {
        weft_waitgroup_wait_until(&never_done, weft_now() + 5000);
        weft_sleep(3000);
        weft_yield();
    }
}

static void respawn(void *arg)
{
    weft_blocking(touch_kernel, NULL);
    weft_go(respawn, arg);
}

static void end_abruptly(void *arg)
{
    uint64_t random = *(uint64_t *)arg;
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(weft_go(never, NULL), 0);
        CHECK_EQ(weft_go(respawn, NULL), 0);
    }
    switch (random % 3) {
    case 0:
        break;
    case 1:
        weft_yield();
        break;
    case 2:
        weft_sleep((int64_t)(random >> 8) % 200000);
        break;
    }
}

TEST(runs_end_at_any_moment)
{
    /* Goal: the end of a run stops goroutines in every state, with timers firing, sections returning
     * and goroutines starting. Method: short runs for WEFT_TEST_SECONDS; each must succeed. */
    uint64_t seed = test_seed();
    int64_t until = test_now() + (int64_t)(test_seconds() * 1e9);
    int runs = 0;
    /* A loaded machine may not give each thread its turn within the default second. */
    weft_config config = {.maxprocs = test_procs(2), .stop_ns = 20 * WEFT_SECOND};
    do {
        uint64_t random = test_random(&seed);
        CHECK_EQ(test_run_config(end_abruptly, &random, &config), 0);
        runs++;
    } while (test_now() < until);
    fprintf(stderr, "    %d runs\n", runs);
}
