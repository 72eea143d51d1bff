/* SPDX-License-Identifier: Apache-2.0
 * programs_sched.h - the programs of programs.h, which includes this, that are about processors and threads: maxprocs, locked
 * threads, goroutine-local storage, the report of stalls. */
#ifndef WEFT_TESTS_FAIL_PROGRAMS_SCHED_H
#define WEFT_TESTS_FAIL_PROGRAMS_SCHED_H

#include <sys/stat.h>

/* ---- goroutine-local storage ---- */

enum { KEYS = 4 }; /* more than the first table of a test build has slots for */

struct local_job {
    weft_local *keys[KEYS];
    int set;
};

static atomic_int values_destroyed;

static void destroy_value(void *value)
{
    CHECK_EQ(*(char *)value, 'v');
    free(value);
    atomic_fetch_add(&values_destroyed, 1);
}

/* A call of its own, as errno is another one after a yield. */
static TEST_NOINLINE weft_local *key_checked(void)
{
    errno = 0;
    weft_local *key = weft_local_new(destroy_value);
    if (!key)
        accepted(-errno);
    return key;
}

/* One value a key, each the caller's until it is set. */
static void set_values(void *arg)
{
    struct local_job *job = arg;
    job->set = 0;
    for (int i = 0; i < KEYS; i++) {
        char *value = job->keys[i] ? malloc(1) : NULL;
        if (!value)
            continue;
        *value = 'v';
        bool set = accepted(weft_local_set(job->keys[i], value));
        CHECK_PTR_EQ(weft_local_get(job->keys[i]), set ? value : NULL);
        job->set += set;
        if (!set)
            free(value);
        weft_yield();
    }
}

static void *set_values_on_thread(void *arg)
{
    set_values(arg);
    return NULL;
}

static void *set_values_on_new_thread(void *arg)
{
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, NULL, set_values_on_thread, arg), 0);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    return NULL;
}

/* On goroutines and on a thread that isn't weft's: what was set is destroyed, once. */
static void main_local(void *arg)
{
    struct local_job jobs[3] = {0};
    weft_waitgroup done = {0};
    (void)arg;
    atomic_store(&values_destroyed, 0);
    for (int i = 0; i < KEYS; i++)
        jobs[0].keys[i] = key_checked();
    jobs[1] = jobs[2] = jobs[0];
    for (int i = 0; i < 2; i++)
        accepted(weft_waitgroup_go(&done, set_values, &jobs[i]));
    weft_blocking(set_values_on_new_thread, &jobs[2]);
    weft_waitgroup_wait(&done);
    test_until_goroutines(1);
    CHECK_EQ(atomic_load(&values_destroyed), jobs[0].set + jobs[1].set + jobs[2].set);
}

/* ---- processors ---- */

static void set_procs(int n)
{
    weft_maxprocs(n);
    int now = weft_maxprocs(0);
    CHECK_GE(now, 1);
    CHECK_LE(now, n);
    accepted(now == n ? 0 : -ENOMEM);
}

/* What can't be made isn't there, and what there is goes on. */
static void main_maxprocs(void *arg)
{
    static const int procs[] = {3, 6, 1, 8};
    for (size_t i = 0; i < TEST_COUNT_OF(procs); i++) {
        set_procs(procs[i]);
        main_go(arg);
    }
}

/* ---- locked threads ---- */

static void use_own_thread(void *arg)
{
    (void)arg;
    weft_lock_os_thread();
    pthread_t self = pthread_self();
    for (int i = 0; i < 3; i++) {
        weft_yield();
        CHECK(pthread_equal(self, pthread_self()));
    }
    nap(NULL);
    CHECK(pthread_equal(self, pthread_self()));
    weft_unlock_os_thread();
    weft_yield();
}

static void end_locked(void *arg)
{
    (void)arg;
    weft_lock_os_thread();
    weft_yield();
}

/* Each needs a thread besides: for the others, and for what is runnable when it ends and its thread with it. */
static void main_lock(void *arg)
{
    weft_waitgroup done = {0};
    for (int i = 0; i < 3; i++)
        accepted(weft_waitgroup_go(&done, i % 2 ? end_locked : use_own_thread, arg));
    use_own_thread(arg);
    weft_waitgroup_wait(&done);
}

/* ---- stalls ---- */

static void watch_stalls(void)
{
    setenv("WEFT_STALL_MS", "1", 1);
}

static void watch_no_stalls(void)
{
    unsetenv("WEFT_STALL_MS");
}

static off_t told_bytes(void)
{
    struct stat is;
    return fstat(STDERR_FILENO, &is) == 0 && S_ISREG(is.st_mode) ? is.st_size : -1;
}

/* Until it is told: what tells asks for things that can fail. Where that can't be seen, or nothing is told, for some time. */
static void main_stall(void *arg)
{
    off_t before = told_bytes();
    int64_t limit = test_now() + (before < 0 ? 50 : 2000) * TEST_MS;
    (void)arg;
    while (told_bytes() == before && test_now() < limit)
        sched_yield();
    weft_yield();
}

#endif
