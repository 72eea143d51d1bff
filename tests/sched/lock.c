/* SPDX-License-Identifier: Apache-2.0
 * lock.c - goroutines that are locked to their threads: weft_lock_os_thread. */
#include "../test.h"

#include <sys/syscall.h>

static weft_waitgroup all;

static pid_t thread_id(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static void done(void *wg)
{
    weft_waitgroup_done(wg);
}

/* ---- a locked goroutine keeps its thread ---- */

static void *block_shortly(void *arg)
{
    struct timespec pause = {.tv_nsec = 50000};
    nanosleep(&pause, NULL);
    *(pid_t *)arg = thread_id();
    return arg;
}

/* Everything that a goroutine can be stopped by, with others around. */
static void stays(void *arg)
{
    int rounds = *(int *)arg;
    weft_lock_os_thread();
    pid_t here = thread_id(), inside = 0;
    for (int i = 0; i < rounds; i++) {
        weft_yield();
        CHECK_EQ(thread_id(), here);
        weft_sleep(i % 4 * 20 * WEFT_MICROSECOND);
        CHECK_EQ(thread_id(), here);
        weft_waitgroup wg = {0};
        weft_waitgroup_add(&wg, 1);
        CHECK_EQ(weft_go(done, &wg), 0);
        weft_waitgroup_wait(&wg);
        CHECK_EQ(thread_id(), here);
        if (i % 8 == 0) {
            weft_blocking(block_shortly, &inside);
            CHECK_EQ(inside, here);
            CHECK_EQ(thread_id(), here);
        }
    }
    weft_unlock_os_thread();
}

static atomic_bool all_stayed;

static void wanders(void *arg)
{
    (void)arg;
    while (!atomic_load(&all_stayed))
        weft_yield();
}

static void some_stay(void *arg)
{
    int rounds = test_scale(400);
    weft_waitgroup wanderers = {0};
    (void)arg;
    atomic_store(&all_stayed, false);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_waitgroup_go(&wanderers, wanders, NULL), 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(weft_waitgroup_go(&all, stays, &rounds), 0);
    stays(&rounds);
    weft_waitgroup_wait(&all);
    atomic_store(&all_stayed, true);
    weft_waitgroup_wait(&wanderers);
}

TEST(a_locked_goroutine_keeps_its_thread)
{
    /* Goal: through yields, sleeps, waits and blocking sections (GO-15). Method: the thread's id, in main
     * and 4 goroutines that are locked at once, beside 3 that only yield. */
    CHECK_EQ(test_run(some_stay, NULL), 0);
}

/* ---- its thread runs no other ---- */

static atomic_int strangers;
static pid_t locked_thread;

static void looks(void *arg)
{
    (void)arg;
    atomic_fetch_add(&strangers, thread_id() == locked_thread);
    weft_yield();
    atomic_fetch_add(&strangers, thread_id() == locked_thread);
}

static void lock_and_start(void *arg)
{
    (void)arg;
    atomic_store(&strangers, 0);
    weft_lock_os_thread();
    locked_thread = thread_id();
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_waitgroup_go(&all, looks, NULL), 0);
    weft_waitgroup_wait(&all);
    CHECK_EQ(atomic_load(&strangers), 0);
}

TEST(its_thread_runs_no_other)
{
    /* Goal: what a locked goroutine starts runs on other threads (GO-14), while it waits too. */
    CHECK_EQ(test_run(lock_and_start, NULL), 0);
}

/* ---- nesting ---- */

static void nests(void *arg)
{
    (void)arg;
    weft_unlock_os_thread(); /* a surplus one is no error */
    weft_lock_os_thread();
    weft_lock_os_thread();
    weft_unlock_os_thread();
    lock_and_start(NULL); /* locks once more */
    weft_unlock_os_thread();
    lock_and_start(NULL);
    for (int i = 0; i < 3; i++)
        weft_unlock_os_thread();
    /* Now another may run here: with one processor nobody else is there to do it. */
    atomic_store(&strangers, 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(weft_waitgroup_go(&all, looks, NULL), 0);
    weft_waitgroup_wait(&all);
}

static void unlocked_shares_its_thread(void *arg)
{
    nests(arg);
    locked_thread = thread_id();
    CHECK_EQ(weft_waitgroup_go(&all, looks, NULL), 0);
    weft_waitgroup_wait(&all);
    CHECK_GE(atomic_load(&strangers), 1);
}

TEST(locks_nest)
{
    /* Goal: as many unlocks as locks (GO-12); then the thread is anybody's again. */
    CHECK_EQ(test_run_procs(1, unlocked_shares_its_thread, NULL), 0);
    CHECK_EQ(test_run(nests, NULL), 0);
}

/* ---- ending while locked ---- */

static atomic_int ended_thread;

static void ends_locked(void *arg)
{
    (void)arg;
    weft_lock_os_thread();
    atomic_store(&ended_thread, thread_id());
}

static bool thread_exists(pid_t id)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/task/%d", (int)id);
    return access(path, F_OK) == 0;
}

static void threads_end(void *arg)
{
    (void)arg;
    for (int i = 0; i < 10; i++) {
        CHECK_EQ(weft_waitgroup_go(&all, ends_locked, NULL), 0);
        weft_waitgroup_wait(&all);
        TEST_UNTIL(!thread_exists((pid_t)atomic_load(&ended_thread)));
    }
    CHECK_LE(test_stats().threads, 2 * test_stats().procs + 2);
}

TEST(one_that_ends_locked_takes_its_thread_along)
{
    /* Goal: state that it left in the thread reaches nobody (GO-13). Method: /proc, ten times. */
    CHECK_EQ(test_run(threads_end, NULL), 0);
}

/* ---- the end of a run ---- */

static void waits_for_ever(void *arg)
{
    weft_lock_os_thread();
    weft_waitgroup_wait(arg);
}

static void leave_locked(void *arg)
{
    weft_waitgroup_add(arg, 1);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(weft_go(waits_for_ever, arg), 0);
    test_until_parked(5);
    weft_lock_os_thread();
    weft_yield();
}

TEST(a_run_ends_with_locked_goroutines)
{
    /* Goal: main returns locked, beside others that are parked and locked; no thread stays behind. */
    int threads = 0;
    for (int i = 0; i < test_scale(100) + 1; i++) {
        weft_waitgroup never = {0};
        CHECK_EQ(test_run(leave_locked, &never), 0);
        if (i == 0)
            threads = test_entries("/proc/self/task");
    }
    TEST_UNTIL(test_entries("/proc/self/task") <= threads);
}

static void ends_so(void *arg)
{
    (void)arg;
    weft_lock_os_thread();
}

static void many_end_locked(void *arg)
{
    weft_waitgroup *all = arg;
    for (int i = 0; i < 1000; i++) {
        CHECK_EQ(weft_waitgroup_go(all, ends_so, NULL), 0);
        weft_waitgroup_wait(all);
    }
}

TEST(threads_that_ended_are_replaced_for_ever)
{
    /* Goal: they count for nothing any more. Method: more of them than there may be at once in the test build. */
    weft_waitgroup all = {0};
    CHECK_EQ(test_run(many_end_locked, &all), 0);
}

static pthread_mutex_t held_by_main = PTHREAD_MUTEX_INITIALIZER;
static pthread_key_t key;
static atomic_bool in_destructor, another_ran;

static void wait_for_main(void *arg)
{
    (void)arg;
    atomic_store(&in_destructor, true);
    pthread_mutex_lock(&held_by_main);
    pthread_mutex_unlock(&held_by_main);
}

static void ends_with_destructor(void *arg)
{
    weft_lock_os_thread();
    CHECK_EQ(pthread_setspecific(key, arg), 0);
}

static void runs(void *arg)
{
    (void)arg;
    atomic_store(&another_ran, true);
}

static void starts_others_meanwhile(void *arg)
{
    pthread_mutex_lock(&held_by_main);
    CHECK_EQ(weft_go(ends_with_destructor, &key), 0);
    while (!atomic_load(&in_destructor))
        weft_yield();
    TEST_COMPUTE_UNTIL((weft_go(runs, NULL) == 0) &&
                       (atomic_load(&another_ran) || test_stats().procs == 1));
    pthread_mutex_unlock(&held_by_main);
    (void)arg;
}

TEST(a_thread_that_takes_long_to_end_holds_up_nobody)
{
    /* Goal: where another thread is needed, none is waited for that runs destructors, which may wait for
     * whoever needs it. */
    REQUIRE(pthread_key_create(&key, wait_for_main) == 0);
    CHECK_EQ(test_run(starts_others_meanwhile, NULL), 0);
    pthread_key_delete(key);
}

/* ---- elsewhere ---- */

static void *lock_here(void *arg)
{
    weft_lock_os_thread();
    weft_unlock_os_thread();
    weft_unlock_os_thread();
    return arg;
}

static void lock_in_section(void *arg)
{
    weft_blocking(lock_here, arg);
    lock_and_start(arg);
}

TEST(on_foreign_threads_it_does_nothing)
{
    lock_here(NULL);
    CHECK_EQ(test_run(lock_in_section, NULL), 0);
}
