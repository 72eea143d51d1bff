/* SPDX-License-Identifier: Apache-2.0
 * 3-once-two - chapter 3, Once: it counts the calls of do, not the functions that it is given. The decrement isn't made. */
#include <stdio.h>
#include <weft/weft.h>

static int count;

static void increment(void *arg)
{
    (void)arg;
    count++;
}

static void decrement(void *arg)
{
    (void)arg;
    count--;
}

static void count_up_and_down(void *arg)
{
    weft_once once = {0};
    (void)arg;
    weft_once_do(&once, increment, NULL);
    weft_once_do(&once, decrement, NULL);
    printf("Count is %d\n", count);
}

int main(void)
{
    return weft_run(count_up_and_down, NULL, NULL);
}
