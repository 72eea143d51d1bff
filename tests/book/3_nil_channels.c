/* SPDX-License-Identifier: Apache-2.0
 * 3-nil-channels - chapter 3, channels: sending to and receiving from a NULL channel blocks for ever, so in a select
 * such a case is switched off; closing one panics. */
#include <stdio.h>
#include <weft/weft.h>

static void receive(void *arg)
{
    weft_chan_recv(NULL, NULL);
    printf("never\n");
    (void)arg;
}

static void send(void *arg)
{
    weft_chan_send(NULL, "x");
    printf("never\n");
    (void)arg;
}

static void use_nil(void *arg)
{
    weft_stats stats;
    (void)arg;
    weft_go(receive, NULL);
    weft_go(send, NULL);
    do {
        weft_yield();
        weft_stats_read(&stats);
    } while (stats.parked < 2);
    printf("both wait for ever\n");
    if (WEFT_SELECT(WEFT_RECV(NULL, NULL), WEFT_SEND(NULL, "x"), WEFT_DEFAULT) == 2)
        printf("neither case can go ahead\n");
    fflush(stdout);
    weft_chan_close(NULL);
}

int main(void)
{
    return weft_run(use_nil, NULL, NULL);
}
