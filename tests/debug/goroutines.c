/* SPDX-License-Identifier: Apache-2.0
 * goroutines.c - what gdb.sh looks at: one goroutine in each state. On one processor, so that the one that
 * is started last doesn't run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <weft/weft.h>

#define NOINLINE __attribute__((noinline))

static int pipes[2];
static weft_waitgroup never;

static bool crash;

/* Where gdb stops. */
NOINLINE static void all_are_there(void)
{
    if (crash)
        abort();
    __asm__ volatile("" : : : "memory");
}

/* What comes after it is no tail call: each function has its frame. */
#define KEEP_FRAME() __asm__ volatile("" : : : "memory")

static volatile int depth_max = 3;

NOINLINE static void wait_inner(int depth)
{
    if (depth < depth_max)
        wait_inner(depth + 1);
    else
        weft_waitgroup_wait(&never);
    KEEP_FRAME();
}

static void waiting_goroutine(void *arg)
{
    (void)arg;
    wait_inner(0);
    KEEP_FRAME();
}

static void sleeping_goroutine(void *arg)
{
    (void)arg;
    weft_sleep(WEFT_SECOND * 3600);
    KEEP_FRAME();
}

static volatile bool reading; /* one processor, one writer */

static void *read_pipe(void *arg)
{
    reading = true;
    (void)!read(pipes[0], arg, 1);
    return NULL;
}

static void blocking_goroutine(void *arg)
{
    char byte;
    (void)arg;
    weft_blocking(read_pipe, &byte);
}

static void yielding_goroutine(void *arg)
{
    (void)arg;
    for (;;)
        weft_yield();
}

/* One for each object of sync.h that can be waited for; main holds them. */
static weft_mutex mutex, cond_mutex;
static weft_rwmutex written, read_by_main;
static weft_cond cond = WEFT_COND_INIT(&cond_mutex);
static weft_sem sem;
static weft_once once;

static void locking_goroutine(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    KEEP_FRAME();
}

static void reading_goroutine(void *arg)
{
    (void)arg;
    weft_rwmutex_rlock(&written);
    KEEP_FRAME();
}

static void writing_goroutine(void *arg)
{
    (void)arg;
    weft_rwmutex_lock(&read_by_main);
    KEEP_FRAME();
}

static void second_writing_goroutine(void *arg)
{
    (void)arg;
    weft_rwmutex_lock(&written);
    KEEP_FRAME();
}

static void listening_goroutine(void *arg)
{
    (void)arg;
    weft_mutex_lock(&cond_mutex);
    weft_cond_wait(&cond);
    KEEP_FRAME();
}

static void acquiring_goroutine(void *arg)
{
    (void)arg;
    weft_sem_acquire(&sem, 1);
    KEEP_FRAME();
}

/* Calls itself, and waits for itself. */
static void once_goroutine(void *arg)
{
    weft_once_do(&once, once_goroutine, arg);
    KEEP_FRAME();
}

static int start(const char *name, weft_fn fn)
{
    return weft_go_with(&(weft_go_options){.name = name}, fn, NULL);
}

static int start_sync(void)
{
    weft_mutex_lock(&mutex);
    weft_rwmutex_lock(&written);
    weft_rwmutex_rlock(&read_by_main);
    return start("locker", locking_goroutine) || start("reader", reading_goroutine) ||
           start("writer", writing_goroutine) || start("writer 2", second_writing_goroutine) ||
           start("listener", listening_goroutine) || start("acquirer", acquiring_goroutine) ||
           start("oncer", once_goroutine);
}

static void unstarted_goroutine(void *arg)
{
    (void)arg;
}

static void start_all(void *arg)
{
    weft_stats stats;
    *(int *)arg = start("waiter", waiting_goroutine) || start("sleeper", sleeping_goroutine) ||
                  start("blocker", blocking_goroutine) || start("yielder", yielding_goroutine) ||
                  start_sync();
    do {
        weft_yield();
        weft_stats_read(&stats);
    } while (stats.parked < 9 || !reading);
    *(int *)arg |= start("newcomer", unstarted_goroutine);
    all_are_there();
    KEEP_FRAME();
}

int main(int argc, char **argv)
{
    int failed = 0;
    crash = argc > 1 && strcmp(argv[1], "crash") == 0;
    if (pipe(pipes))
        return 1;
    weft_waitgroup_add(&never, 1);
    int rc = weft_run(start_all, &failed, &(weft_config){.maxprocs = 1});
    printf("%d %d\n", rc, failed);
    return rc || failed;
}
