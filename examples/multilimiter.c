/* SPDX-License-Identifier: Apache-2.0
 * multilimiter.c - chapter 5 of "Concurrency in Go": limits that belong to different things are kept apart and combined where they are used. The
 * interface as a whole allows two calls a second and ten a minute, its disk one a second, its network three a second; a
 * file takes interface and disk, an address interface and network. A second is 6 ms here, and what the arithmetic
 * of the buckets says is checked: no call before its time. */
#include <stdio.h>
#include <weft/weft.h>

#define SECOND (6 * WEFT_MILLISECOND)
#define MINUTE (60 * SECOND)
enum { FILES = 6, ADDRESSES = 6, CALLS = FILES + ADDRESSES };

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

/* The nth call, counted from 1, can't come before: two a second, and when ten are used up six seconds for each. */
static int64_t earliest(int n)
{
    int64_t by_second = (n - 1) * SECOND / 2, by_minute = (n - 10) * MINUTE / 10;
    return by_second > by_minute ? by_second : by_minute;
}

static void call(void *arg)
{
    struct connection c = {0};
    int too_soon = 0;
    (void)arg;
    int64_t begin = weft_now();
    open_connection(&c);
    for (int i = 0; i < FILES; i++)
        use(&c, c.file);
    for (int i = 0; i < ADDRESSES; i++)
        use(&c, c.address);
    for (int i = 0; i < c.calls; i++)
        too_soon += c.times[i] - begin < earliest(i + 1) - SECOND / 10;
    too_soon += c.times[FILES - 1] - begin < (FILES - 1) * SECOND - SECOND / 10; /* the disk's */
    printf("%d calls, %d of them too soon\n", c.calls, too_soon);
    weft_limiter_unref(c.file);
    weft_limiter_unref(c.address);
}

int main(void)
{
    return weft_run(call, NULL, NULL);
}
