/* SPDX-License-Identifier: Apache-2.0
 * 3-once - chapter 3, Once: a hundred goroutines call do, and one increment is made. */
#include <stdio.h>
#include <weft/weft.h>

static weft_once once;
static int count;

static void increment(void *arg)
{
    (void)arg;
    count++;
}

static void increment_once(void *arg)
{
    weft_once_do(&once, increment, arg);
}

static void count_up(void *arg)
{
    weft_waitgroup increments = {0};
    (void)arg;
    for (int i = 0; i < 100; i++)
        weft_waitgroup_go(&increments, increment_once, NULL);
    weft_waitgroup_wait(&increments);
    printf("Count is %d\n", count);
}

int main(void)
{
    return weft_run(count_up, NULL, NULL);
}
