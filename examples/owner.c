/* SPDX-License-Identifier: Apache-2.0
 * owner.c - who owns a channel (chapter 3 of "Concurrency in Go"): the goroutine that makes a channel writes and
 * closes it, and hands out nothing but its receiving end, so a consumer can do it no harm. */
#include <weft/weft.h>

#include <stdio.h>

WEFT_CHAN_TYPE(results, int);

static void produce(void *arg)
{
    results_tx out = {arg};
    for (int i = 0; i <= 5; i++)
        results_send(out, i);
    results_close(out);
    results_unref(out);
}

static results_rx chan_owner(void)
{
    results stream = results_new(5);
    results_ref(stream);
    weft_go(produce, results_raw(stream));
    return results_to_rx(stream);
}

static void consume(void *arg)
{
    (void)arg;
    results_rx stream = chan_owner();
    WEFT_RANGE(int, result, results_raw(stream)) printf("Received: %d\n", result);
    printf("Done receiving!\n");
    results_unref(stream);
}

int main(void)
{
    return weft_run(consume, NULL, NULL);
}
