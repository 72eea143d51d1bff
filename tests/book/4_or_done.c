/* SPDX-License-Identifier: Apache-2.0
 * 4-or-done - chapter 4: a channel of somebody else's, who may never close it, is read until done is closed. */
#include <stdio.h>
#include <weft/weft.h>

static void read_until_done(void *arg)
{
    (void)arg;
    weft_chan *done = weft_chan_new(0, 0), *theirs = weft_chan_new(sizeof(int), 3);
    for (int i = 0; i < 3; i++)
        weft_chan_send(theirs, &i);
    weft_chan *mine = weft_or_done(done, weft_chan_ref(theirs));
    int seen = 0;
    WEFT_RANGE(int, v, mine)
    {
        printf("val %d\n", v);
        if (++seen == 3)
            weft_chan_close(done);
    }
    printf("done, and theirs is still open\n");
    weft_chan_unref(mine);
    weft_chan_unref(theirs);
    weft_chan_unref(done);
}

int main(void)
{
    return weft_run(read_until_done, NULL, NULL);
}
