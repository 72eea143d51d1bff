/* SPDX-License-Identifier: Apache-2.0
 * 3-for-select - chapter 3, select: work goes on in cycles until `done` is closed; the default is what lets each
 * cycle begin without waiting. Scaled down: the second's work takes 2 ms, and the signal comes after 10. */
#include <stdio.h>
#include <weft/weft.h>

static void close_later(void *arg)
{
    weft_sleep(10 * WEFT_MILLISECOND);
    weft_chan_close(arg);
    weft_chan_unref(arg);
}

static void work(void *arg)
{
    int cycles = 0;
    (void)arg;
    weft_chan *done = weft_chan_new(0, 0);
    weft_go(close_later, weft_chan_ref(done));
    while (WEFT_SELECT(WEFT_RECV(done, NULL), WEFT_DEFAULT) != 0) {
        cycles++;
        weft_sleep(2 * WEFT_MILLISECOND);
    }
    printf("Achieved %d cycles of work before signalled to stop.\n", cycles);
    if (cycles >= 1 && cycles <= 6)
        printf("as many as fit\n");
    weft_chan_unref(done);
}

int main(void)
{
    return weft_run(work, NULL, NULL);
}
