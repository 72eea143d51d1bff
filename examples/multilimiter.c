/* SPDX-License-Identifier: Apache-2.0
 * multilimiter.c - chapter 5 of "Concurrency in Go": limits that belong to different things are kept apart and combined where they are used. The
 * interface as a whole allows two calls a second and ten a minute, its disk one a second, its network three a second; a
 * file takes interface and disk, an address interface and network. A second is 10 ms here, and each call's time is what the
 * arithmetic of the buckets says. */
#include <stdio.h>
#include <weft/weft.h>

#define SECOND (10 * WEFT_MILLISECOND)
#define MINUTE (60 * SECOND)
enum { FILES = 10, ADDRESSES = 10, CALLS = FILES + ADDRESSES, TRIES = 20 };

struct connection {
    weft_limiter *file, *address; /* each a combination */
    int64_t times[CALLS];         /* of calls, in their order */
    int calls;
};

static weft_limiter *combined(weft_limiter *a, weft_limiter *b)
{
    return weft_limiter_multi((weft_limiter *[]){a, b}, 2);
}

static void open_connection(struct connection *c)
{
    weft_limiter *per_second = weft_limiter_new(weft_per(2, SECOND), 1);
    weft_limiter *per_minute = weft_limiter_new(weft_per(10, MINUTE), 10);
    weft_limiter *interface = combined(per_second, per_minute);
    weft_limiter *disk = weft_limiter_new(weft_per(1, SECOND), 1);
    weft_limiter *network = weft_limiter_new(weft_per(3, SECOND), 3);
    c->file = combined(interface, disk);
    c->address = combined(interface, network);
    weft_limiter *parts[] = {per_second, per_minute, interface, disk, network};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        weft_limiter_unref(parts[i]); /* the combinations hold them */
}

static void use(struct connection *c, weft_limiter *limiter)
{
    if (weft_limiter_wait(limiter, NULL) == 0)
        c->times[c->calls++] = weft_now();
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* The files come by the disk's rate, one a second, the addresses after them by the interface's, two a second; and
 * whatever the tenth call has left of the minute, each later one waits for six seconds of it. */
static int64_t due(int i)
{
    int64_t by_second =
        i < FILES ? i * SECOND : (FILES - 1) * SECOND + (i - FILES + 1) * SECOND / 2;
    return later(by_second, (i - 9) * MINUTE / 10);
}

/* Returns how many calls came more than a tenth too soon; *late: a tenth too late, and more than half a second, in which one may
 * wait for a processor. */
static int call(int *late)
{
    struct connection c = {0};
    int soon = 0;
    *late = 0;
    int64_t begin = weft_now();
    open_connection(&c);
    for (int i = 0; i < FILES; i++)
        use(&c, c.file);
    for (int i = 0; i < ADDRESSES; i++)
        use(&c, c.address);
    for (int i = 0; i < c.calls; i++) {
        int64_t came = c.times[i] - begin;
        soon += came < due(i) - due(i) / 10;
        *late += came > due(i) + due(i) / 10 + SECOND / 2;
    }
    printf("%d calls, %d too soon, %d late\n", c.calls, soon, *late);
    weft_limiter_unref(c.file);
    weft_limiter_unref(c.address);
    return soon;
}

/* A machine that is busy with something else may be late, now and then; but never too soon. */
static void call_in_time(void *arg)
{
    int soon = 0, late = 1;
    (void)arg;
    for (int tries = 0; tries < TRIES && soon == 0 && late > 0; tries++)
        soon = call(&late);
    printf("%s\n", soon ? "too soon" : late ? "late" : "each in its time");
}

int main(void)
{
    return weft_run(call_in_time, NULL, NULL);
}
