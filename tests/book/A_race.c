/* SPDX-License-Identifier: Apache-2.0
 * A-race - appendix, the race detector: main looks at what a goroutine increments. Built for ThreadSanitizer, which knows
 * weft's goroutines, the program says so when it is run with the argument "racy"; the mended one, which waits before it
 * looks, is silent (HB-14). Racing, main waits for the other one without synchronising with it, which takes two processors. */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

static int data;
static int is_there; /* relaxed: orders nothing */
static weft_waitgroup incremented;

static void increment(void *arg)
{
    (void)arg;
    data++;
    __atomic_store_n(&is_there, 1, __ATOMIC_RELAXED);
    weft_waitgroup_done(&incremented);
}

static void look(void)
{
    if (data == 0)
        printf("the value is 0.\n");
    else
        printf("the value is %d.\n", data);
}

static void race(void *arg)
{
    bool racy = arg != NULL;
    weft_waitgroup_add(&incremented, 1);
    weft_go(increment, NULL);
    while (racy && !__atomic_load_n(&is_there, __ATOMIC_RELAXED))
        ;
    if (racy)
        look();
    weft_waitgroup_wait(&incremented);
    look();
}

int main(int argc, char **argv)
{
    return weft_run(race, argc > 1 && strcmp(argv[1], "racy") == 0 ? &data : NULL, NULL);
}
