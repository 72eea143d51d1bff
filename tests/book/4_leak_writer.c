/* SPDX-License-Identifier: Apache-2.0
 * 4-leak-writer - chapter 4, preventing leaks: one who sends random numbers that nobody receives any more, and the same
 * with a channel that tells him to stop. */
#include <stdio.h>
#include <stdlib.h>
#include <weft/weft.h>

struct stream {
    weft_chan *done, *numbers;
};

static void send_random(void *arg)
{
    weft_chan *numbers = arg;
    for (;;) {
        int number = (int)random();
        weft_chan_send(numbers, &number);
    }
}

static void send_random_until(void *arg)
{
    struct stream *stream = arg;
    int number;
    do
        number = (int)random();
    while (WEFT_SELECT(WEFT_SEND(stream->numbers, &number), WEFT_RECV(stream->done, NULL)) == 0);
    printf("send_random_until exited.\n");
    weft_chan_close(stream->numbers);
    weft_chan_unref(stream->numbers);
    weft_chan_unref(stream->done);
}

static void print_three(weft_chan *numbers)
{
    for (int i = 1; i <= 3; i++) {
        int number;
        weft_chan_recv(numbers, &number);
        printf("%d: a number\n", i);
    }
}

static void leak_and_mend(void *arg)
{
    weft_chan *leaked = weft_chan_new(sizeof(int), 0), *numbers = weft_chan_new(sizeof(int), 0);
    weft_chan *done = weft_chan_new(0, 0);
    (void)arg;
    weft_go(send_random, leaked); /* which keeps it for ever */
    print_three(leaked);
    WEFT_GO(send_random_until, struct stream, weft_chan_ref(done), weft_chan_ref(numbers));
    print_three(numbers);
    weft_chan_close(done);
    while (weft_chan_recv(numbers, NULL))
        ;
    weft_chan_unref(done);
    weft_chan_unref(numbers);
}

int main(void)
{
    return weft_run(leak_and_mend, NULL, &(weft_config){.report_leaks = 1});
}
