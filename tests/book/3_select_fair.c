/* SPDX-License-Identifier: Apache-2.0
 * 3-select-fair - chapter 3, select: among several cases that can go ahead each has the same chance, as nothing is
 * known of what they mean. */
#include <stdio.h>
#include <weft/weft.h>

static void count(void *arg)
{
    int counts[2] = {0};
    (void)arg;
    weft_chan *c1 = weft_chan_new(0, 0), *c2 = weft_chan_new(0, 0);
    weft_chan_close(c1);
    weft_chan_close(c2);
    for (int i = 0; i < 1001; i++)
        counts[WEFT_SELECT(WEFT_RECV(c1, NULL), WEFT_RECV(c2, NULL))]++;
    printf("c1Count: %d\nc2Count: %d\n", counts[0], counts[1]);
    if (counts[0] >= 400 && counts[0] <= 600)
        printf("each about as often\n");
    weft_chan_unref(c1);
    weft_chan_unref(c2);
}

int main(void)
{
    return weft_run(count, NULL, NULL);
}
