/* SPDX-License-Identifier: Apache-2.0
 * 3-maxprocs - chapter 3, the GOMAXPROCS lever, moved up and down while goroutines run: with n processors n of them run at
 * the same instant, and never more. Each computes, without a call of weft's, until as many run as can; then it gives way. */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <weft/weft.h>

enum { WORKERS = 5, TURNS = 5 };

static atomic_int running, most, wanted, meetings, turns[WORKERS];
static atomic_bool end;
static weft_waitgroup all;

static void work(void *arg)
{
    atomic_int *mine = arg;
    while (!end) {
        int met = meetings, now = ++running, before = most;
        while (before < now && !atomic_compare_exchange_weak(&most, &before, now))
            ;
        if (now >= wanted)
            meetings++; /* for those who look too late to see it */
        while (meetings == met && running < wanted && !end) /* without all of them it never ends */
            sched_yield(); /* the CPU to another thread; the processor stays its own */
        running--;
        ++*mine;
        weft_yield();
    }
}

/* Until each has given way so many times. */
static void watch_turns(int n)
{
    int until[WORKERS];
    for (int i = 0; i < WORKERS; i++)
        until[i] = turns[i] + n;
    for (int i = 0; i < WORKERS; i++)
        while (turns[i] < until[i])
            weft_sleep(WEFT_MILLISECOND);
}

static void move_the_lever(void *arg)
{
    static const int positions[] = {1, 2, 4, 3, 1, 4, 2};
    (void)arg;
    for (int i = 0; i < WORKERS; i++)
        weft_waitgroup_go(&all, work, &turns[i]);
    for (size_t i = 0; i < sizeof positions / sizeof positions[0]; i++) {
        int n = positions[i];
        wanted = n; /* first: with fewer processors more would never come */
        weft_maxprocs(n);
        watch_turns(2); /* one that computes keeps its processor until it gives way */
        for (int tries = 0; tries == 0 || (most > n && tries < 20);
             tries++) { /* or maybe some turns later */
            most = 0;
            watch_turns(TURNS);
        }
        printf("%d: %d at once\n", n, most);
    }
    end = true;
    weft_waitgroup_wait(&all);
}

int main(void)
{
    return weft_run(move_the_lever, NULL, NULL);
}
