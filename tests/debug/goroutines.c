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

static void unstarted_goroutine(void *arg)
{
    (void)arg;
}

static int start(const char *name, weft_fn fn)
{
    return weft_go_with(&(weft_go_options){.name = name}, fn, NULL);
}

static void start_all(void *arg)
{
    weft_stats stats;
    *(int *)arg = start("waiter", waiting_goroutine) || start("sleeper", sleeping_goroutine) ||
                  start("blocker", blocking_goroutine) || start("yielder", yielding_goroutine);
    do {
        weft_yield();
        weft_stats_read(&stats);
    } while (stats.parked < 2 || !reading);
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
