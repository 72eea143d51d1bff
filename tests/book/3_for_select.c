/* SPDX-License-Identifier: Apache-2.0
 * 3-for-select - chapter 3, select: work goes on in cycles until `done` is closed; the default is what lets each
 * cycle begin without waiting. Scaled down: the second's work takes 10 ms, and the signal comes after 55. */
#include <stdio.h>
#include <weft/weft.h>

#define CYCLE (10 * WEFT_MILLISECOND)
enum { CYCLES = 5, TRIES = 20 };

static void close_later(void *arg)
{
    weft_sleep(CYCLES * CYCLE + CYCLE / 2);
    weft_chan_close(arg);
    weft_chan_unref(arg);
}

/* How many cycles there were; -1: more than fit. */
static int work(void)
{
    int cycles = 0;
    weft_chan *done = weft_chan_new(0, 0);
    int64_t begin = weft_now();
    weft_go(close_later, weft_chan_ref(done));
    while (WEFT_SELECT(WEFT_RECV(done, NULL), WEFT_DEFAULT) != 0) {
        cycles++;
        weft_sleep(CYCLE);
    }
    printf("Achieved %d cycles of work before signalled to stop.\n", cycles);
    weft_chan_unref(done);
    return cycles <= (weft_now() - begin) / CYCLE ? cycles : -1;
}

/* A machine that is busy with something else may leave time for few of them, now and then. */
static void count_cycles(void *arg)
{
    int cycles = 0;
    (void)arg;
    for (int tries = 0; tries < TRIES && cycles >= 0 && cycles < CYCLES; tries++)
        cycles = work();
    printf("%s\n", cycles < 0 ? "more than fit" : cycles >= CYCLES ? "as many as fit" : "few");
}

int main(void)
{
    return weft_run(count_cycles, NULL, NULL);
}
