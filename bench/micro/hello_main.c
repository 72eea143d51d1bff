/* SPDX-License-Identifier: Apache-2.0
 * weft-hello: the process that the row hello times. */
#include <stdio.h>
#include <weft/weft.h>

static void hello(void *arg)
{
    (void)arg;
    puts("hello");
}

int main(void)
{
    return weft_run(hello, NULL, NULL) != 0;
}
