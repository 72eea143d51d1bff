/* SPDX-License-Identifier: Apache-2.0
 * A-race - appendix, the race detector: one goroutine increments what another looks at. Built for ThreadSanitizer, which knows
 * weft's goroutines, the program says so when it is run with the argument "racy"; the mended one, which waits before it
 * looks, is silent. */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

static int data;
static weft_waitgroup incremented, looked;

static void increment(void *arg)
{
    (void)arg;
    data++;
    weft_waitgroup_done(&incremented);
}

static void look(void *arg)
{
    bool racy = arg != NULL;
    if (!racy)
        weft_waitgroup_wait(&incremented);
    if (data == 0)
        printf("the value is 0.\n");
    else
        printf("the value is %d.\n", data);
    weft_waitgroup_done(&looked);
}

static void race(void *arg)
{
    weft_waitgroup_add(&incremented, 1);
    weft_waitgroup_add(&looked, 1);
    weft_go(increment, NULL);
    weft_go(look, arg);
    weft_waitgroup_wait(&incremented);
    weft_waitgroup_wait(&looked);
}

int main(int argc, char **argv)
{
    return weft_run(race, argc > 1 && strcmp(argv[1], "racy") == 0 ? &data : NULL, NULL);
}
