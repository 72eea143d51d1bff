/* SPDX-License-Identifier: Apache-2.0
 * 3-select-timeout - chapter 3, select: nothing ever comes, so a case that is due after a while ends the wait. */
#include <stdio.h>
#include <weft/weft.h>

static void wait_a_while(void *arg)
{
    weft_chan *nothing = NULL;
    int64_t begin = weft_now();
    (void)arg;
    switch (WEFT_SELECT(WEFT_RECV(nothing, NULL), WEFT_AFTER(10 * WEFT_MILLISECOND))) {
    case 0:
        printf("something came\n");
        break;
    case 1:
        printf("Timed out.\n");
        break;
    }
    if (weft_now() - begin >= 10 * WEFT_MILLISECOND)
        printf("not before it was time\n");
}

int main(void)
{
    return weft_run(wait_a_while, NULL, NULL);
}
