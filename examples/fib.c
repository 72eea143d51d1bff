/* SPDX-License-Identifier: Apache-2.0
 * fib.c - fork and join by channels (chapter 6 of "Concurrency in Go"): fib(4), a goroutine and a channel a call. */
#include <weft/weft.h>

#include <stdio.h>

struct fib {
    int n;
    weft_chan *result;
};

static weft_chan *fib(int n);

static int take(weft_chan *from)
{
    int v = 0;
    weft_chan_recv(from, &v);
    weft_chan_unref(from);
    return v;
}

static void compute(void *arg)
{
    struct fib *self = arg;
    int v = 1;
    if (self->n > 2) {
        weft_chan *first = fib(self->n - 1), *second = fib(self->n - 2);
        v = take(first) + take(second);
    }
    weft_chan_send(self->result, &v);
    weft_chan_unref(self->result);
}

static weft_chan *fib(int n)
{
    weft_chan *result = weft_chan_new(sizeof(int), 0);
    WEFT_GO(compute, struct fib, n, weft_chan_ref(result));
    return result;
}

static void run(void *arg)
{
    (void)arg;
    printf("fib(4) = %d\n", take(fib(4)));
}

int main(void)
{
    return weft_run(run, NULL, NULL);
}
