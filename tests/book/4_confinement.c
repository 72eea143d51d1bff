/* SPDX-License-Identifier: Apache-2.0
 * 4-confinement - chapter 4: lexical confinement. Who may write is decided by who can see what: the owner hands out
 * the receiving end only, and two goroutines get two halves of one array, so neither needs a lock. */
#include <stdio.h>
#include <weft/weft.h>

WEFT_CHAN_TYPE(numbers, int);

static void own(void *arg)
{
    numbers_tx out = {arg};
    for (int i = 0; i <= 5; i++)
        numbers_send(out, i);
    numbers_close(out);
    numbers_unref(out);
}

static numbers_rx owner(void)
{
    numbers results = numbers_new(5);
    numbers_ref(results);
    weft_go(own, numbers_raw(results));
    return numbers_to_rx(results);
}

struct half {
    weft_waitgroup *done;
    const char *bytes;
    int n;
    int sum;
};

static void add_up(void *arg)
{
    struct half *h = arg;
    for (int i = 0; i < h->n; i++)
        h->sum += h->bytes[i];
    weft_waitgroup_done(h->done);
}

static void confine(void *arg)
{
    (void)arg;
    numbers_rx results = owner();
    WEFT_RANGE(int, result, numbers_raw(results)) printf("Received: %d\n", result);
    numbers_unref(results);

    weft_waitgroup done = {0};
    struct half first = {&done, "gol", 3, 0}, second = {&done, "ang", 3, 0};
    weft_waitgroup_add(&done, 2);
    weft_go(add_up, &first);
    weft_go(add_up, &second);
    weft_waitgroup_wait(&done);
    printf("%d and %d\n", first.sum, second.sum);
}

int main(void)
{
    return weft_run(confine, NULL, NULL);
}
