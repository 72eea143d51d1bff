/* SPDX-License-Identifier: Apache-2.0
 * 1-starvation - chapter 1: a greedy worker holds a shared mutex through all of its loop, a polite one only when it must. Both
 * do the same work. weft's mutex, like Go's, hands itself over to who has waited for a millisecond, so the polite one falls
 * behind, but it isn't starved. */
#include <stdio.h>
#include <weft/weft.h>

enum { LOOPS = 30, FAR_BEHIND = 10000 };

static weft_mutex shared;
static _Atomic(int) greedy_loops, polite_loops;

/* Until both have done some work. */
static bool goes_on(void)
{
    return greedy_loops < LOOPS || polite_loops < LOOPS;
}

static void greedy_worker(void *arg)
{
    (void)arg;
    for (; goes_on(); greedy_loops++) {
        weft_mutex_lock(&shared);
        weft_sleep(3);
        weft_mutex_unlock(&shared);
    }
}

static void polite_worker(void *arg)
{
    (void)arg;
    for (; goes_on(); polite_loops++) {
        for (int i = 0; i < 3; i++) {
            weft_mutex_lock(&shared);
            weft_sleep(1);
            weft_mutex_unlock(&shared);
        }
    }
}

static void work(void *arg)
{
    weft_waitgroup done = {0};
    (void)arg;
    weft_waitgroup_go(&done, greedy_worker, NULL);
    weft_waitgroup_go(&done, polite_worker, NULL);
    weft_waitgroup_wait(&done);
    printf("Greedy worker was able to execute %d work loops\n", greedy_loops);
    printf("Polite worker was able to execute %d work loops\n", polite_loops);
    printf("%s\n",
           greedy_loops / polite_loops < FAR_BEHIND ? "both get on" : "the polite one starves");
}

int main(void)
{
    return weft_run(work, NULL, NULL);
}
