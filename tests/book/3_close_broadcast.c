/* SPDX-License-Identifier: Apache-2.0
 * 3-close-broadcast - chapter 3, channels: closing one releases all who wait on it at once. */
#include <stdio.h>
#include <weft/weft.h>

static weft_chan *begin;
static weft_waitgroup finished;
static int order;

static void wait_for_begin(void *arg)
{
    weft_chan_recv(begin, NULL);
    int nth = __atomic_add_fetch(&order, 1, __ATOMIC_RELAXED); /* who comes first is open */
    printf("%d has begun\n", nth);
    weft_waitgroup_done(&finished);
    (void)arg;
}

static void unblock(void *arg)
{
    weft_stats stats;
    (void)arg;
    begin = weft_chan_new(0, 0);
    for (int i = 0; i < 5; i++) {
        weft_waitgroup_add(&finished, 1);
        weft_go(wait_for_begin, NULL);
    }
    do {
        weft_yield();
        weft_stats_read(&stats);
    } while (stats.parked < 5);
    printf("all %d wait\nUnblocking goroutines...\n", 5 - order);
    fflush(stdout);
    weft_chan_close(begin);
    weft_waitgroup_wait(&finished);
    printf("all %d have run\n", order);
    weft_chan_unref(begin);
}

int main(void)
{
    return weft_run(unblock, NULL, NULL);
}
