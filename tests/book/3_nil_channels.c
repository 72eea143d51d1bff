/* SPDX-License-Identifier: Apache-2.0
 * 3-nil-channels - chapter 3, channels: sending to and receiving from a NULL channel blocks for ever, so in a select
 * such a case is switched off; closing one panics. With the argument "deadlock" main doesn't close it, but receives from it,
 * too, and nobody is left who could go on. */
#include <stdio.h>
#include <string.h>
#include <weft/weft.h>

static void receive_nil(void *arg)
{
    weft_chan_recv(NULL, NULL);
    printf("never\n");
    (void)arg;
}

static void send_nil(void *arg)
{
    weft_chan_send(NULL, "x");
    printf("never\n");
    (void)arg;
}

static void use_nil(void *arg)
{
    weft_stats stats;
    bool deadlock = arg != NULL;
    weft_go(receive_nil, NULL);
    weft_go(send_nil, NULL);
    do {
        weft_yield();
        weft_stats_read(&stats);
    } while (stats.parked < 2);
    printf("both wait for ever\n");
    if (WEFT_SELECT(WEFT_RECV(NULL, NULL), WEFT_SEND(NULL, "x"), WEFT_DEFAULT) == 2)
        printf("neither case can go ahead\n");
    fflush(stdout);
    if (deadlock)
        receive_nil(NULL);
    weft_chan_close(NULL);
}

int main(int argc, char **argv)
{
    static char deadlock[] = "deadlock";
    return weft_run(use_nil, argc > 1 && strcmp(argv[1], deadlock) == 0 ? deadlock : NULL, NULL);
}
