/* SPDX-License-Identifier: Apache-2.0
 * 3-once-deadlock - chapter 3, Once: the call of one waits for the call of another that waits for the first. */
#include <stdio.h>
#include <weft/weft.h>

static weft_once on_a, on_b;

static void init_b(void *arg);

static void init_a(void *arg)
{
    weft_once_do(&on_b, init_b, arg);
}

static void init_b(void *arg)
{
    weft_once_do(&on_a, init_a, arg);
}

static void initialise(void *arg)
{
    weft_once_do(&on_a, init_a, arg);
    printf("never\n");
}

int main(void)
{
    return weft_run(initialise, NULL, NULL);
}
