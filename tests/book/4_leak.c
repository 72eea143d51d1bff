/* SPDX-License-Identifier: Apache-2.0
 * 4-leak - chapter 4, preventing leaks: a worker whose input is a NULL channel waits for ever; main doesn't notice. */
#include <stdio.h>
#include <weft/weft.h>

struct work {
    weft_chan *strings, *completed;
};

static void do_work(void *arg)
{
    struct work *work = arg;
    const char *s;
    while (weft_chan_recv(work->strings, &s))
        printf("%s\n", s);
    printf("do_work exited.\n");
    weft_chan_close(work->completed);
}

static void leak(void *arg)
{
    weft_chan *completed = weft_chan_new(0, 0);
    (void)arg;
    WEFT_GO(do_work, struct work, NULL, completed);
    /* Perhaps more work is done here. */
    weft_yield();
    printf("Done.\n");
    weft_chan_unref(completed);
}

int main(void)
{
    return weft_run(leak, NULL, &(weft_config){.report_leaks = 1});
}
