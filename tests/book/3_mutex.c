/* SPDX-License-Identifier: Apache-2.0
 * 3-mutex - chapter 3, Mutex: 6 increments and 6 decrements of one number, each in a goroutine of its own. The unlock is
 * deferred, so that it happens on a panic, too. */
#include <stdio.h>
#include <weft/weft.h>

static weft_mutex lock;
static int count, lines;

static void unlock(void *mutex)
{
    weft_mutex_unlock(mutex);
}

static void increment(void *arg)
{
    (void)arg;
    weft_mutex_lock(&lock);
    WEFT_DEFER(unlock, &lock);
    count++;
    lines++;
    printf("Incr: %d\n", count);
}

static void decrement(void *arg)
{
    (void)arg;
    weft_mutex_lock(&lock);
    WEFT_DEFER(unlock, &lock);
    count--;
    lines++;
    printf("Decr: %d\n", count);
}

static void calculate(void *arg)
{
    weft_waitgroup arithmetic = {0};
    (void)arg;
    for (int i = 0; i <= 5; i++)
        weft_waitgroup_go(&arithmetic, increment, NULL);
    for (int i = 0; i <= 5; i++)
        weft_waitgroup_go(&arithmetic, decrement, NULL);
    weft_waitgroup_wait(&arithmetic);
    printf("Done: %d after %d lines\n", count, lines);
}

int main(void)
{
    return weft_run(calculate, NULL, NULL);
}
