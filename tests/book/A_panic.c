/* SPDX-License-Identifier: Apache-2.0
 * A-panic - appendix: a goroutine panics among others; the report tells of all of them, of that one first. */
#include <stdio.h>
#include <weft/weft.h>

static weft_chan *never, *go_ahead;
static weft_waitgroup workers;

static void fail(void *arg)
{
    (void)arg;
    weft_chan_recv(go_ahead, NULL);
    weft_panic("a worker has failed");
}

static void wait(void *arg)
{
    (void)arg;
    weft_chan_recv(never, NULL);
    printf("never\n");
}

static void start(void *arg)
{
    weft_stats stats;
    (void)arg;
    never = weft_chan_new(0, 0);
    go_ahead = weft_chan_new(0, 0);
    weft_waitgroup_go(&workers, fail, NULL);
    weft_waitgroup_go(&workers, wait, NULL);
    do { /* the book's program needs luck for its traces */
        weft_yield();
        weft_stats_read(&stats);
    } while (stats.parked < 2);
    weft_chan_send(go_ahead, NULL);
    weft_waitgroup_wait(&workers);
}

int main(void)
{
    return weft_run(start, NULL, NULL);
}
