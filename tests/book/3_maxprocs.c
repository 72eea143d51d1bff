/* SPDX-License-Identifier: Apache-2.0
 * 3-maxprocs - chapter 3, the GOMAXPROCS lever, moved while goroutines run: with n processors n goroutines run at
 * the same instant, each of which computes and never gives way. */
#include <stdatomic.h>
#include <stdio.h>
#include <weft/weft.h>

static atomic_int meeting, wanted;
static weft_waitgroup all;

static void meet(void *arg)
{
    (void)arg;
    atomic_fetch_add(&meeting, 1);
    while (atomic_load(&meeting) <
           atomic_load(&wanted)) /* as long as one isn't running this never ends */
        ;
    weft_waitgroup_done(&all);
}

static void move_the_lever(void *arg)
{
    (void)arg;
    for (int n = 1; n <= 4; n++) {
        weft_maxprocs(n);
        atomic_store(&meeting, 0);
        atomic_store(&wanted, n);
        weft_waitgroup_add(&all, n);
        for (int i = 0; i < n; i++)
            weft_go(meet, NULL);
        weft_waitgroup_wait(&all);
        printf("%d at once\n", n);
    }
}

int main(void)
{
    return weft_run(move_the_lever, NULL, NULL);
}
