/* SPDX-License-Identifier: Apache-2.0
 * 3-join - chapter 3, goroutines: a fork point, and the join point without which main might end before the
 * greeting was said. */
#include <stdio.h>
#include <weft/weft.h>

static void say_hello(void *arg)
{
    printf("hello\n");
    weft_waitgroup_done(arg);
}

static void greet(void *arg)
{
    weft_waitgroup said = {0};
    (void)arg;
    weft_waitgroup_add(&said, 1);
    weft_go(say_hello, &said);
    weft_waitgroup_wait(&said); /* the join point */
    printf("joined\n");
}

int main(void)
{
    return weft_run(greet, NULL, NULL);
}
