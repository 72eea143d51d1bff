/* SPDX-License-Identifier: Apache-2.0
 * hello.c - the smallest program: weft_run makes its function goroutine 1. */
#include <weft/weft.h>

#include <stdio.h>

static void hello(void *arg)
{
    (void)arg;
    puts("hello");
}

int main(void)
{
    return weft_run(hello, NULL, NULL) == 0 ? 0 : 1;
}
