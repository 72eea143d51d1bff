/* SPDX-License-Identifier: Apache-2.0
 * 3-for-select - chapter 3, select: work goes on in cycles until `done` is closed; the default is what lets each
 * cycle begin without waiting. Scaled down: the second's work takes 10 ms, and the signal comes after 50. */
#include <stdio.h>
#include <weft/weft.h>

#define CYCLE (10 * WEFT_MILLISECOND)

static void close_later(void *arg)
{
    weft_sleep(50 * WEFT_MILLISECOND);
    weft_chan_close(arg);
    weft_chan_unref(arg);
}

static void work(void *arg)
{
    int cycles = 0;
    (void)arg;
    weft_chan *done = weft_chan_new(0, 0);
    int64_t begin = weft_now();
    weft_go(close_later, weft_chan_ref(done));
    while (WEFT_SELECT(WEFT_RECV(done, NULL), WEFT_DEFAULT) != 0) {
        cycles++;
        weft_sleep(CYCLE);
    }
    printf("Achieved %d cycles of work before signalled to stop.\n", cycles);
    if (cycles <= (weft_now() - begin) / CYCLE)
        printf("no more than fit\n");
    weft_chan_unref(done);
}

int main(void)
{
    return weft_run(work, NULL, NULL);
}
