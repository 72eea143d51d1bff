/* SPDX-License-Identifier: Apache-2.0
 * 4-tee - chapter 4, the tee-channel: each value into two channels. */
#include <stdio.h>
#include <weft/weft.h>

static void split(void *arg)
{
    static const int values[] = {1, 2};
    weft_chan *out1, *out2, *done = weft_chan_new(0, 0);
    (void)arg;
    if (weft_tee(done, weft_take(done, weft_repeat(done, values, 2, sizeof values[0]), 4), &out1,
                 &out2) == 0) {
        WEFT_RANGE(int, val1, out1)
        {
            int val2;
            weft_chan_recv(out2, &val2);
            printf("out1: %d, out2: %d\n", val1, val2);
        }
        weft_chan_unref(out1);
        weft_chan_unref(out2);
    }
    weft_chan_close(done);
    weft_chan_unref(done);
}

int main(void)
{
    return weft_run(split, NULL, NULL);
}
