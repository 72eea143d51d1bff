/* SPDX-License-Identifier: Apache-2.0
 * fib_chan_20, skynet_1m, threadring_503, sieve_500: programs of goroutines and unbuffered channels. */
#include "bench/harness.h"

#include <stdlib.h>

static weft_chan *make_chan(struct call *call)
{
    weft_chan *ch = weft_chan_new(sizeof(int64_t), 0);
    if (!ch) {
        bench_fail(call->bench, "out of memory");
    }
    return ch;
}

static void check(struct call *call, int64_t result, int64_t wanted)
{
    if (result != wanted) {
        bench_fail(call->bench, "%lld, not %lld", (long long)result, (long long)wanted);
    }
}

/* Such a row's operation is the whole. */
static void took_since(struct call *call, int64_t begin)
{
    call->elapsed_ns = weft_now() - begin;
    bench_count(call->bench, "total_ns", (double)call->elapsed_ns / (double)call->iterations);
}

/* ---- fib_chan_20: the book's, a goroutine and a channel a call ---- */

struct fib {
    struct call *call;
    int64_t n;
    weft_chan *out;
};

static void fib(void *arg)
{
    struct fib *self = arg;
    int64_t result = 1, other;
    if (self->n > 2) {
        weft_chan *first = make_chan(self->call), *second = make_chan(self->call);
        WEFT_GO(fib, struct fib, self->call, self->n - 1, weft_chan_ref(first));
        WEFT_GO(fib, struct fib, self->call, self->n - 2, weft_chan_ref(second));
        weft_chan_recv(first, &result);
        weft_chan_recv(second, &other);
        result += other;
        weft_chan_unref(first);
        weft_chan_unref(second);
    } else {
        mark_proc(self->call);
    }
    weft_chan_send(self->out, &result);
    weft_chan_unref(self->out);
}

static void fib_chan_20_body(struct call *call)
{
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        int64_t result = 0;
        weft_chan *out = make_chan(call);
        WEFT_GO(fib, struct fib, call, 20, weft_chan_ref(out));
        weft_chan_recv(out, &result);
        weft_chan_unref(out);
        check(call, result, 6765);
    }
    took_since(call, begin);
}
ROW_IN_WEFT(fib_chan_20)

/* ---- skynet_1m: a tree of goroutines, ten children each; the leaves' numbers are summed up ---- */

struct node {
    struct call *call;
    weft_chan *out;
    int64_t number, leaves;
};

static void skynet(void *arg)
{
    struct node *self = arg;
    int64_t sum = self->number, v;
    if (self->leaves > 1) {
        weft_chan *in = make_chan(self->call);
        int64_t leaves = self->leaves / 10;
        sum = 0;
        for (int i = 0; i < 10; i++) {
            WEFT_GO(skynet, struct node, self->call, weft_chan_ref(in), self->number + i * leaves,
                    leaves);
        }
        for (int i = 0; i < 10; i++) {
            weft_chan_recv(in, &v);
            sum += v;
        }
        weft_chan_unref(in);
        mark_proc(self->call);
    }
    weft_chan_send(self->out, &sum);
    weft_chan_unref(self->out);
}

static void skynet_1m_body(struct call *call)
{
    int64_t leaves = bench_small() ? 1000 : 1000000;
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        int64_t sum = 0;
        weft_chan *out = make_chan(call);
        WEFT_GO(skynet, struct node, call, weft_chan_ref(out), 0, leaves);
        weft_chan_recv(out, &sum);
        weft_chan_unref(out);
        check(call, sum, leaves * (leaves - 1) / 2);
    }
    took_since(call, begin);
}
ROW_IN_WEFT(skynet_1m)

/* ---- threadring_503 ---- */

enum { MEMBERS = 503 };

struct member {
    weft_chan *in, *next, *won;
    int64_t index;
};

static void member_main(void *arg)
{
    struct member *self = arg;
    int64_t hops;
    while (weft_chan_recv(self->in, &hops)) {
        if (hops == 0) {
            weft_chan_send(self->won, &self->index);
            break;
        }
        hops--;
        weft_chan_send(self->next, &hops);
    }
    weft_chan_unref(self->in);
}

static void threadring_503_body(struct call *call)
{
    struct member *members = calloc(MEMBERS, sizeof(*members));
    weft_chan *won = make_chan(call);
    weft_waitgroup ended = {0};
    for (int i = 0; i < MEMBERS; i++) {
        members[i] = (struct member){.in = make_chan(call), .won = won, .index = i};
    }
    for (int i = 0; i < MEMBERS; i++) {
        members[i].next = members[(i + 1) % MEMBERS].in;
        if (weft_waitgroup_go(&ended, member_main, &members[i])) {
            bench_fail(call->bench, "weft_waitgroup_go failed");
            return;
        }
    }
    int64_t winner = -1, hops = call->iterations, begin = weft_now();
    weft_chan_send(members[0].in, &hops);
    weft_chan_recv(won, &winner);
    call->elapsed_ns = weft_now() - begin;
    mark_proc(call);
    check(call, winner, call->iterations % MEMBERS);
    for (int i = 0; i < MEMBERS; i++) {
        if (i != winner) {
            weft_chan_close(members[i].in);
        }
    }
    weft_waitgroup_wait(&ended);
    weft_chan_unref(won);
    free(members);
}
ROW_IN_WEFT(threadring_503)

/* ---- sieve_500: a goroutine a prime, each passes on what its prime doesn't divide ---- */

struct filter {
    weft_chan *in, *out;
    int64_t prime;
};

/* The numbers end with 0. */
static void filter_main(void *arg)
{
    struct filter *self = arg;
    int64_t n;
    do {
        weft_chan_recv(self->in, &n);
        if (n == 0 || n % self->prime) {
            weft_chan_send(self->out, &n);
        }
    } while (n);
    weft_chan_unref(self->in);
    weft_chan_unref(self->out);
}

struct numbers {
    weft_chan *out;
    int64_t last;
};

static void count_up(void *arg)
{
    struct numbers *self = arg;
    int64_t end = 0;
    for (int64_t n = 2; n <= self->last; n++) {
        weft_chan_send(self->out, &n);
    }
    weft_chan_send(self->out, &end);
    weft_chan_unref(self->out);
}

/* The numbers up to the last prime, so that all goroutines end. */
static int64_t sieve(struct call *call, int64_t last)
{
    int64_t n, largest = 0;
    weft_chan *in = make_chan(call);
    WEFT_GO(count_up, struct numbers, weft_chan_ref(in), last);
    for (;;) {
        weft_chan_recv(in, &n);
        if (n == 0) {
            break;
        }
        largest = n;
        weft_chan *out = make_chan(call);
        WEFT_GO(filter_main, struct filter, in, weft_chan_ref(out), n);
        in = out;
    }
    mark_proc(call);
    weft_chan_unref(in);
    return largest;
}

static void sieve_500_body(struct call *call)
{
    int64_t last = bench_small() ? 541 : 3571; /* the 100th and the 500th prime */
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        check(call, sieve(call, last), last);
    }
    took_since(call, begin);
}
ROW_IN_WEFT(sieve_500)

void add_csp_rows(void)
{
    static const struct bench_row rows[] = {
        {.name = "fib_chan_20", .body = fib_chan_20_row, .warmup = 1},
        {.name = "skynet_1m", .body = skynet_1m_row, .warmup = 1},
        {.name = "threadring_503", .body = threadring_503_row, .warmup = 100 * MEMBERS},
        {.name = "sieve_500", .body = sieve_500_row, .warmup = 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bench_add(&rows[i]);
    }
}
