/* SPDX-License-Identifier: Apache-2.0
 * rate.c - chapter 5 of "Concurrency in Go": twenty calls at once to an interface that allows one a second (a unit of 10 ms here). All are
 * served, each a unit after the one before. */
#include <stdio.h>
#include <weft/weft.h>

#define UNIT (10 * WEFT_MILLISECOND)
enum { CALLS = 20, TRIES = 20 };

struct connection {
    weft_limiter *limiter;
    weft_waitgroup calls;
    _Atomic(int) files, addresses, served;
    int64_t times[CALLS]; /* when the nth was served */
};

static void read_file(void *arg)
{
    struct connection *c = arg;
    if (weft_limiter_wait(c->limiter, NULL) == 0) {
        c->files++;
        c->times[c->served++] = weft_now();
    }
    weft_waitgroup_done(&c->calls);
}

static void resolve_address(void *arg)
{
    struct connection *c = arg;
    if (weft_limiter_wait(c->limiter, NULL) == 0) {
        c->addresses++;
        c->times[c->served++] = weft_now();
    }
    weft_waitgroup_done(&c->calls);
}

/* How many came more than a tenth too soon. *late: how many a tenth too late and more than half a unit, in which one may wait
 * for a processor. */
static int too_soon(const struct connection *c, int64_t begin, int *late)
{
    int soon = 0;
    *late = 0;
    for (int i = 0; i < c->served; i++) {
        int64_t due = i * UNIT, came = c->times[i] - begin;
        soon += came < due - due / 10;
        *late += came > due + due / 10 + UNIT / 2;
    }
    return soon;
}

static int call(int *late)
{
    struct connection c = {.limiter = weft_limiter_new(weft_per(1, UNIT), 1)};
    int64_t begin = weft_now();
    weft_waitgroup_add(&c.calls, CALLS);
    for (int i = 0; i < CALLS / 2; i++)
        weft_go(read_file, &c);
    for (int i = 0; i < CALLS / 2; i++)
        weft_go(resolve_address, &c);
    weft_waitgroup_wait(&c.calls);
    weft_limiter_unref(c.limiter);
    int soon = too_soon(&c, begin, late);
    printf("%d files, %d addresses, %d too soon, %d late\n", c.files, c.addresses, soon, *late);
    return soon;
}

/* A machine that is busy with something else may serve them late, now and then; but never too soon. */
static void call_in_time(void *arg)
{
    int soon = 0, late = 1;
    (void)arg;
    for (int tries = 0; tries < TRIES && soon == 0 && late > 0; tries++)
        soon = call(&late);
    printf("%s\n", soon ? "too soon" : late ? "late" : "a unit between two calls");
}

int main(void)
{
    return weft_run(call_in_time, NULL, NULL);
}
