/* SPDX-License-Identifier: Apache-2.0
 * 3-select-default - chapter 3, select: with a default it never waits. */
#include <stdio.h>
#include <weft/weft.h>

enum { TRIES = 100 };
#define AT_ONCE                                                                                    \
    (WEFT_MILLISECOND /                                                                            \
     10) /* it takes a fraction of that; a machine that is busy, more now and then */

static void do_not_wait(void *arg)
{
    (void)arg;
    weft_chan *c1 = NULL, *c2 = weft_chan_new(sizeof(int), 0);
    int64_t least = WEFT_HOUR;
    for (int tries = 0; tries < TRIES && least >= AT_ONCE; tries++) {
        int64_t begin = weft_now();
        if (WEFT_SELECT(WEFT_RECV(c1, NULL), WEFT_RECV(c2, NULL), WEFT_DEFAULT) != 2)
            break;
        int64_t ns = weft_now() - begin;
        least = ns < least ? ns : least;
    }
    printf("In default after %lld ns\n%s\n", (long long)least,
           least < AT_ONCE ? "at once" : "late");
    weft_chan_unref(c2);
}

int main(void)
{
    return weft_run(do_not_wait, NULL, NULL);
}
