/* SPDX-License-Identifier: Apache-2.0
 * pool.c - a pool of objects (chapter 3 of "Concurrency in Go"): what is put back is used again before anything is
 * made, and a pool can be filled ahead of time, so that a request that must be quick never waits for the making. */
#include <stdio.h>
#include <weft/weft.h>

struct connection {
    int number;
};

static int connect(void *object, void *arg)
{
    int *made = arg;
    ((struct connection *)object)->number = ++*made;
    printf("Creating new instance.\n");
    return 0;
}

static void take_turns(void *arg)
{
    int made = 0;
    (void)arg;
    weft_pool *pool = weft_pool_new(&(weft_pool_options){
        .object_size = sizeof(struct connection), .construct = connect, .arg = &made});

    struct connection *first = weft_pool_get(pool), *second = weft_pool_get(pool);
    weft_pool_put(pool, second);
    struct connection *third = weft_pool_get(pool);
    printf("%d instances, the third get gave number %d\n", made, third->number);

    weft_pool_warm(pool, 10);
    printf("%d instances, warmed\n", made);
    struct connection *ready[10];
    for (int i = 0; i < 10; i++)
        ready[i] = weft_pool_get(pool);
    printf("%d instances, all in use\n", made);

    for (int i = 0; i < 10; i++)
        weft_pool_put(pool, ready[i]);
    weft_pool_put(pool, first);
    weft_pool_put(pool, third);
    weft_pool_free(pool);
}

int main(void)
{
    return weft_run(take_turns, NULL, NULL);
}
