/* SPDX-License-Identifier: Apache-2.0
 * 3-select-empty - chapter 3, select: one without cases blocks for ever. */
#include <stdio.h>
#include <weft/weft.h>

static void block(void *arg)
{
    weft_select(NULL, 0);
    printf("never\n");
    (void)arg;
}

static void look_on(void *arg)
{
    weft_stats stats;
    (void)arg;
    weft_go(block, NULL);
    do {
        weft_yield();
        weft_stats_read(&stats);
    } while (stats.parked < 1);
    weft_sleep(10 * WEFT_MILLISECOND);
    weft_stats_read(&stats);
    printf("%d still waits\n", (int)stats.parked);
}

int main(void)
{
    return weft_run(look_on, NULL, NULL);
}
