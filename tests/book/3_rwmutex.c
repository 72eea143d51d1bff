/* SPDX-License-Identifier: Apache-2.0
 * 3-rwmutex - chapter 3, RWMutex: many readers hold it at once, a writer only alone. */
#include <stdio.h>
#include <weft/weft.h>

enum { READERS = 8, WRITERS = 2, WRITES = 5 };

static weft_rwmutex lock;
static int value; /* what is read and written */
static _Atomic(int) reading, writing, broken;
static _Atomic(bool) all_read; /* at once */

static void observe(void *arg)
{
    (void)arg;
    weft_rwmutex_rlock(&lock);
    if (++reading == READERS)
        all_read = true;
    while (!all_read) /* none leaves before all have come */
        weft_yield();
    broken += writing > 0;
    reading--;
    weft_rwmutex_runlock(&lock);
}

static void produce(void *arg)
{
    (void)arg;
    for (int i = 0; i < WRITES; i++) {
        weft_rwmutex_lock(&lock);
        broken += ++writing != 1 || reading > 0;
        value++;
        weft_sleep(10 * WEFT_MICROSECOND); /* others come meanwhile */
        writing--;
        weft_rwmutex_unlock(&lock);
    }
}

static void run_observers(void)
{
    weft_waitgroup done = {0};
    for (int i = 0; i < READERS; i++)
        weft_waitgroup_go(&done, observe, NULL);
    weft_waitgroup_wait(&done);
}

static void read_and_write(void *arg)
{
    weft_waitgroup producers = {0};
    (void)arg;
    run_observers();
    printf("%d readers at once\n", READERS);
    for (int i = 0; i < WRITERS; i++)
        weft_waitgroup_go(&producers, produce, NULL);
    while (weft_waitgroup_wait_until(&producers, weft_now() + WEFT_MICROSECOND) != 0) {
        weft_rwmutex_rlock(&lock);
        broken += writing > 0;
        weft_rwmutex_runlock(&lock);
    }
    printf("%d writes, %s\n", value, broken ? "not always alone" : "each of them alone");
}

int main(void)
{
    return weft_run(read_and_write, NULL, NULL);
}
