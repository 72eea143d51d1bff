/* SPDX-License-Identifier: Apache-2.0
 * 3-select-default - chapter 3, select: with a default it never waits. */
#include <stdio.h>
#include <weft/weft.h>

static void do_not_wait(void *arg)
{
    (void)arg;
    weft_chan *c1 = NULL, *c2 = weft_chan_new(sizeof(int), 0);
    int64_t begin = weft_now();
    if (WEFT_SELECT(WEFT_RECV(c1, NULL), WEFT_RECV(c2, NULL), WEFT_DEFAULT) == 2)
        printf("In default after %lld ns\nat once\n", (long long)(weft_now() - begin));
    weft_chan_unref(c2);
}

int main(void)
{
    return weft_run(do_not_wait, NULL, NULL);
}
