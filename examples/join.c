/* SPDX-License-Identifier: Apache-2.0
 * join.c - fork and join: the main goroutine waits for the one it started.
 *
 * Without the wait, main could return first; the run would end, and hello might never be said. */
#include <weft/weft.h>

#include <stdio.h>
#include <string.h>

static void say_hello(void *arg)
{
    weft_waitgroup *wg = arg;
    puts("hello");
    weft_waitgroup_done(wg);
}

static void join(void *arg)
{
    (void)arg;
    weft_waitgroup wg = {0};
    weft_waitgroup_add(&wg, 1);
    int error = weft_go(say_hello, &wg);
    if (error)
        weft_panic("cannot start a goroutine: %s", strerror(-error));
    weft_waitgroup_wait(&wg); /* the join point */
    puts("joined");
}

int main(void)
{
    return weft_run(join, NULL, NULL) == 0 ? 0 : 1;
}
