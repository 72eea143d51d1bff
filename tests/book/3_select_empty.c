/* SPDX-License-Identifier: Apache-2.0
 * 3-select-empty - chapter 3, select: one without cases blocks for ever. */
#include <stdio.h>
#include <weft/weft.h>

static void block(void *arg)
{
    printf("main blocks\n");
    fflush(stdout);
    weft_select(NULL, 0);
    printf("never\n");
    (void)arg;
}

int main(void)
{
    return weft_run(block, NULL, NULL);
}
