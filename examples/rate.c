/* SPDX-License-Identifier: Apache-2.0
 * rate.c - chapter 5 of "Concurrency in Go": twenty calls at once to an interface that allows one a second (a unit of 10 ms here). All are
 * served, and the last one when nineteen units have passed. */
#include <stdio.h>
#include <weft/weft.h>

#define UNIT (10 * WEFT_MILLISECOND)

struct connection {
    weft_limiter *limiter;
    weft_waitgroup calls;
    _Atomic(int) files, addresses;
};

static void read_file(void *arg)
{
    struct connection *c = arg;
    if (weft_limiter_wait(c->limiter, NULL) == 0)
        c->files++;
    weft_waitgroup_done(&c->calls);
}

static void resolve_address(void *arg)
{
    struct connection *c = arg;
    if (weft_limiter_wait(c->limiter, NULL) == 0)
        c->addresses++;
    weft_waitgroup_done(&c->calls);
}

static void call(void *arg)
{
    struct connection c = {.limiter = weft_limiter_new(weft_per(1, UNIT), 1)};
    (void)arg;
    int64_t begin = weft_now();
    weft_waitgroup_add(&c.calls, 20);
    for (int i = 0; i < 10; i++)
        weft_go(read_file, &c);
    for (int i = 0; i < 10; i++)
        weft_go(resolve_address, &c);
    weft_waitgroup_wait(&c.calls);
    int64_t units = (weft_now() - begin + UNIT / 10) / UNIT;
    printf("%d files, %d addresses\n", c.files, c.addresses);
    printf("%s\n", units >= 19 ? "19 units at least" : "too soon");
    weft_limiter_unref(c.limiter);
}

int main(void)
{
    return weft_run(call, NULL, NULL);
}
