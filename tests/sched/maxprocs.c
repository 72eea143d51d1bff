/* SPDX-License-Identifier: Apache-2.0
 * maxprocs.c - more and fewer processors while goroutines run: weft_maxprocs. */
#include "../test.h"

#include "runtime/hooks.h"

static weft_waitgroup all;
static atomic_int counted;
static atomic_bool stop;

static void reset(void)
{
    all = (weft_waitgroup){0};
    atomic_store(&counted, 0);
    atomic_store(&stop, false);
}

static void *join_thread(void *arg)
{
    pthread_join(*(pthread_t *)arg, NULL);
    return NULL;
}

static void done(void *wg)
{
    weft_waitgroup_done(wg);
}

/* ---- what it returns ---- */

static void asks_and_sets(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_maxprocs(0), 2);
    CHECK_EQ(weft_maxprocs(-1), 2);
    CHECK_EQ(weft_maxprocs(5), 2);
    CHECK_EQ(test_stats().procs, 5);
    CHECK_EQ(weft_maxprocs(1), 5);
    CHECK_EQ(test_stats().procs, 1);
    CHECK_EQ(weft_maxprocs(100000), 1);
    CHECK_EQ(weft_maxprocs(3), 1024);
    CHECK_EQ(weft_maxprocs(0), 3);
}

static void count_procs(void *arg)
{
    *(int *)arg = weft_maxprocs(0);
}

TEST(the_old_value_is_returned)
{
    /* Goal: weft_maxprocs gives what was and sets what is, within a run for that run only (GO-08). */
    int cpus = weft_num_cpu();
    CHECK_EQ(test_run_procs(2, asks_and_sets, NULL), 0);
    CHECK_EQ(test_run_procs(2, asks_and_sets, NULL), 0);
    CHECK_EQ(weft_num_cpu(), cpus);
}

CHILD(sets_for_later_runs)
{
    int n = 0;
    unsetenv("WEFT_MAXPROCS");
    weft_maxprocs(3);
    CHECK_EQ(weft_maxprocs(0), 3);
    CHECK_EQ(weft_run(count_procs, &n, NULL), 0);
    CHECK_EQ(n, 3);
    CHECK_EQ(weft_run(count_procs, &n, &(weft_config){.maxprocs = 4}), 0);
    CHECK_EQ(n, 4);
}

TEST(outside_a_run_it_is_for_later_ones)
{
    static struct test_result result;
    test_spawn("sets_for_later_runs", &result);
    CHECK_EXITED(&result, 0);
}

/* ---- more ---- */

static atomic_int turn, parties;

static void lock_step(void *arg)
{
    int me = (int)(intptr_t)arg, n = atomic_load(&parties);
    for (int i = 0; i < 5; i++)
        TEST_COMPUTE_UNTIL(atomic_load(&turn) % n == me && (atomic_fetch_add(&turn, 1), true));
    weft_waitgroup_done(&all);
}

static void grows(void *arg)
{
    (void)arg;
    for (int n = 2; n <= 4; n++) {
        weft_maxprocs(n);
        atomic_store(&turn, 0);
        atomic_store(&parties, n);
        weft_waitgroup_add(&all, n);
        for (int i = 0; i < n; i++)
            CHECK_EQ(weft_go(lock_step, (void *)(intptr_t)i), 0);
        weft_waitgroup_wait(&all);
    }
}

TEST(new_processors_run_goroutines)
{
    /* Goal: after weft_maxprocs(n) n goroutines run at once, also in a run that began with one processor.
     * Method: n that compute in turn, none of which ever gives way. */
    reset();
    CHECK_EQ(test_run_procs(1, grows, NULL), 0);
}

static void *grow_from_outside(void *arg)
{
    CHECK_EQ(weft_maxprocs(2), 1);
    return arg;
}

static void grown_from_outside(void *arg)
{
    pthread_t thread;
    (void)arg;
    REQUIRE(pthread_create(&thread, NULL, grow_from_outside, NULL) == 0);
    while (test_stats().procs == 1)
        weft_yield();
    CHECK_EQ(weft_maxprocs(0), 2);
    weft_blocking(join_thread, &thread);
    grows(NULL);
}

TEST(a_foreign_thread_may_set_it)
{
    /* Goal: the same from outside, where a run with one processor must learn to share its queue. */
    reset();
    CHECK_EQ(test_run_procs(1, grown_from_outside, NULL), 0);
}

static void *wants_more(void *arg)
{
    atomic_store(&stop, true);
    weft_maxprocs(2);
    return arg;
}

static void computes_and_returns(void *thread)
{
    REQUIRE(pthread_create(thread, NULL, wants_more, NULL) == 0);
    int64_t until = weft_now() + 20 * TEST_MS;
    while (!atomic_load(&stop) || weft_now() < until)
        ;
}

TEST(a_run_may_end_while_a_foreign_thread_wants_more)
{
    /* Goal: it doesn't wait for a processor that is gone. Method: the only one computes when the thread asks, and then
     * main returns. */
    for (int i = 0; i < 5; i++) {
        pthread_t thread;
        reset();
        CHECK_EQ(test_run_procs(1, computes_and_returns, &thread), 0);
        pthread_join(thread, NULL);
    }
    weft_maxprocs(test_procs(2)); /* it may have come after the run */
}

/* ---- fewer ---- */

static atomic_int outside;

static void looks_where(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        atomic_fetch_add(&outside, weft_priv_proc() >= 1);
        atomic_fetch_add(&counted, 1);
        weft_yield();
    }
    weft_waitgroup_done(&all);
}

static void shrinks(void *arg)
{
    (void)arg;
    weft_waitgroup_add(&all, 20);
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_go(looks_where, NULL), 0);
    for (int round = 0; round < 20; round++) {
        weft_maxprocs(1 + round % 4);
        weft_maxprocs(1);
        /* Each processor lets go within 61 picks; then all run on the first. */
        int before;
        do {
            weft_sleep(WEFT_MILLISECOND);
            atomic_store(&outside, 0);
            before = atomic_load(&counted);
            while (atomic_load(&counted) < before + 1000)
                weft_yield();
        } while (atomic_load(&outside) > 0);
    }
    atomic_store(&stop, true);
    weft_waitgroup_wait(&all);
}

TEST(processors_that_go_leave_their_goroutines_to_others)
{
    /* Goal: with fewer processors all goroutines go on, on those that are left. Method: 20 yield and say
     * where they run, while the number goes up and down to 1. */
    reset();
    CHECK_EQ(test_run(shrinks, NULL), 0);
}

/* ---- under load ---- */

enum { LOCKED = 6 };

static void yields_locked(void *arg)
{
    weft_lock_os_thread();
    for (int i = 0; i < (int)(intptr_t)arg; i++)
        weft_yield();
    weft_waitgroup_done(&all);
}

static void *go_up_and_down(void *arg)
{
    for (int i = 0; i < (int)(intptr_t)arg; i++)
        weft_maxprocs(1 + i % 4);
    return NULL;
}

static void shrinks_under_locked(void *arg)
{
    int rounds = test_scale(300) + 10;
    (void)arg;
    for (int round = 0; round < rounds; round++) {
        pthread_t thread;
        weft_waitgroup_add(&all, LOCKED);
        for (int i = 0; i < LOCKED; i++)
            CHECK_EQ(weft_go(yields_locked, (void *)(intptr_t)(20 + i)), 0);
        REQUIRE(pthread_create(&thread, NULL, go_up_and_down, (void *)(intptr_t)(20 + round % 4)) ==
                0);
        weft_blocking(join_thread, &thread);
        weft_waitgroup_wait(&all);
    }
}

TEST(a_locked_goroutine_outlives_the_processor_that_found_it)
{
    /* Goal: a locked goroutine that is picked on a processor that is to go is handed to its thread all the same, and
     * ends there. Method: once the number stays as it is there is nothing else to be picked, so nobody comes by. */
    reset();
    CHECK_EQ(test_run(shrinks_under_locked, NULL), 0);
}

#define ALIVE_MAX 300 /* each may need a thread, of which the test build has 512 */

static void *block_shortly(void *arg)
{
    sched_yield();
    return arg;
}

static void works(void *arg)
{
    int me = (int)(intptr_t)arg;
    for (int i = 0; i < 50; i++) {
        switch ((me + i) % 5) {
        case 0:
            weft_yield();
            break;
        case 1:
            weft_sleep(i * WEFT_MICROSECOND);
            break;
        case 2:
            weft_blocking(block_shortly, NULL);
            break;
        case 3: {
            weft_waitgroup wg = {0};
            weft_waitgroup_add(&wg, 1);
            CHECK_EQ(weft_go(done, &wg), 0);
            weft_waitgroup_wait(&wg);
            break;
        }
        case 4:
            if (me % 16 == 0) {
                weft_lock_os_thread();
                weft_yield();
                weft_unlock_os_thread();
            }
            break;
        }
    }
    atomic_fetch_add(&counted, 1);
    weft_waitgroup_done(&all);
}

static void *change_from_outside(void *arg)
{
    uint64_t seed = *(uint64_t *)arg;
    while (!atomic_load(&stop)) {
        weft_maxprocs(1 + (int)(test_random(&seed) % 64));
        struct timespec pause = {.tv_nsec = 200000};
        nanosleep(&pause, NULL);
    }
    return NULL;
}

static void changes(void *arg)
{
    uint64_t seed = *(uint64_t *)arg, other = seed + 1;
    int n = test_scale(2000) + 100;
    pthread_t thread;
    REQUIRE(pthread_create(&thread, NULL, change_from_outside, &other) == 0);
    weft_waitgroup_add(&all, n);
    for (int i = 0; i < n; i++) {
        while (i - atomic_load(&counted) >= ALIVE_MAX)
            weft_yield();
        CHECK_EQ(weft_go(works, (void *)(intptr_t)i), 0);
        if (i % 16 == 0)
            weft_maxprocs(1 + (int)(test_random(&seed) % 64));
    }
    weft_waitgroup_wait(&all);
    atomic_store(&stop, true);
    weft_blocking(join_thread, &thread);
    CHECK_EQ(atomic_load(&counted), n);
    TEST_UNTIL(weft_num_goroutine() == 1); /* the last is on its way out */
    TEST_UNTIL(test_stats().timers == 0);  /* one may just be on its way out */
}

TEST(nothing_is_lost_while_it_changes)
{
    /* Goal: no goroutine, timer or wake-up gets lost while the number changes between 1 and 64 (GO-10).
     * Method: goroutines that yield, sleep, block, start others and lock their threads, while one of them
     * and a foreign thread change it. */
    uint64_t seed = test_seed();
    reset();
    CHECK_EQ(test_run(changes, &seed), 0);
}
