/* SPDX-License-Identifier: Apache-2.0
 * 4-leak-done - chapter 4, preventing leaks: the same worker, with a channel that tells it to stop. */
#include <stdio.h>
#include <weft/weft.h>

struct work {
    weft_chan *done, *strings, *terminated;
};

static void do_work(void *arg)
{
    struct work *work = arg;
    const char *s;
    while (WEFT_SELECT(WEFT_RECV(work->strings, &s), WEFT_RECV(work->done, NULL)) == 0)
        printf("%s\n", s);
    printf("do_work exited.\n");
    weft_chan_close(work->terminated);
    weft_chan_unref(work->done);
    weft_chan_unref(work->terminated);
}

static void cancel(void *arg)
{
    weft_sleep(10 * WEFT_MILLISECOND);
    printf("Canceling do_work goroutine...\n");
    weft_chan_close(arg);
    weft_chan_unref(arg);
}

static void mend(void *arg)
{
    weft_chan *done = weft_chan_new(0, 0), *terminated = weft_chan_new(0, 0);
    (void)arg;
    WEFT_GO(do_work, struct work, weft_chan_ref(done), NULL, weft_chan_ref(terminated));
    weft_go(cancel, done);
    weft_chan_recv(terminated, NULL);
    weft_chan_unref(terminated);
    printf("Done.\n");
}

int main(void)
{
    return weft_run(mend, NULL, &(weft_config){.report_leaks = 1});
}
