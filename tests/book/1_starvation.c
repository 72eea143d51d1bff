/* SPDX-License-Identifier: Apache-2.0
 * 1-starvation - chapter 1: a greedy worker holds a shared mutex through all of its loop, a polite one only when it must. Both
 * do the same work. weft's mutex, like Go's, hands itself over to who has waited for a millisecond: whoever is behind, and waits
 * three times a loop at most, isn't starved. What the other can do in three milliseconds bounds the ratio. */
#include <stdio.h>
#include <weft/weft.h>

enum { LOOPS = 30, TRIES = 20 };
#define WORK (3 * WEFT_MICROSECOND)     /* the book's 3 ns would be over before they begin */
#define PATIENCE (2 * WEFT_MILLISECOND) /* with as much room again */

static weft_mutex shared;
static _Atomic(int) greedy_loops, polite_loops;

/* Until both have done some work. */
static bool goes_on(void)
{
    return greedy_loops < LOOPS || polite_loops < LOOPS;
}

static void greedy_loop(void)
{
    weft_mutex_lock(&shared);
    weft_sleep(WORK);
    weft_mutex_unlock(&shared);
}

static void greedy_worker(void *arg)
{
    (void)arg;
    for (; goes_on(); greedy_loops++)
        greedy_loop();
}

static void polite_worker(void *arg)
{
    (void)arg;
    for (; goes_on(); polite_loops++) {
        for (int i = 0; i < 3; i++) {
            weft_mutex_lock(&shared);
            weft_sleep(WORK / 3);
            weft_mutex_unlock(&shared);
        }
    }
}

static int64_t loop_ns(void)
{
    int64_t begin = weft_now();
    for (int i = 0; i < LOOPS; i++)
        greedy_loop();
    return (weft_now() - begin) / LOOPS + 1;
}

static bool both_get_on(void)
{
    weft_waitgroup done = {0};
    int64_t bound = 3 * PATIENCE / loop_ns() + 3; /* three in turn */
    greedy_loops = polite_loops = 0;
    weft_waitgroup_go(&done, greedy_worker, NULL);
    weft_waitgroup_go(&done, polite_worker, NULL);
    weft_waitgroup_wait(&done);
    int more = greedy_loops > polite_loops ? greedy_loops : polite_loops;
    int fewer = greedy_loops + polite_loops - more;
    printf("Greedy worker was able to execute %d work loops\n", greedy_loops);
    printf("Polite worker was able to execute %d work loops\n", polite_loops);
    printf("ratio %d, %lld at most\n", more / fewer, (long long)bound);
    return more / fewer <= bound;
}

/* Where the machine is busy with something else one of them may have no processor for long, now and then. */
static void work(void *arg)
{
    bool fair = false;
    (void)arg;
    for (int tries = 0; tries < TRIES && !fair; tries++)
        fair = both_get_on();
    printf("%s\n", fair ? "both get on" : "one of them starves");
}

int main(void)
{
    return weft_run(work, NULL, NULL);
}
