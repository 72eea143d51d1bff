/* SPDX-License-Identifier: Apache-2.0
 * fan.c - chapter 4 of "Concurrency in Go": a stage that is slow and needs nothing but its input is run by several
 * goroutines at once (fan-out), whose results go into one channel again (fan-in). Primes are picked out of a
 * stream of numbers that look random, by one goroutine and by one for each processor; both find the same ones, and the
 * latter sooner. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weft/weft.h>

enum { NUMBERS = 1000, WORKERS_MAX = 64 };

struct primes {
    uint32_t
        seed; /* of the numbers; the generator may use it until it has seen that done is closed */
    uint32_t found[NUMBERS];
    size_t n;
};

static void next_number(void *out, void *arg)
{
    uint32_t *state = arg;
    *state = *state * 1664525 + 1013904223;
    *(uint32_t *)out = *state >> 4;
}

/* The number if it is a prime, else 0. The slow way. */
static void prime_or_0(void *out, const void *in, void *arg)
{
    uint32_t n = *(const uint32_t *)in;
    (void)arg;
    uint32_t divisor = 2;
    while (divisor < 20000 && divisor * divisor <= n && n % divisor != 0)
        divisor++;
    *(uint32_t *)out = divisor * divisor > n && n > 1 ? n : 0;
}

static bool is_not_0(const void *in, void *arg)
{
    (void)arg;
    return *(const uint32_t *)in != 0;
}

static int by_size(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Returns how long it took. */
static int64_t find_primes(size_t workers, struct primes *primes)
{
    uint32_t prime;
    weft_chan *found[WORKERS_MAX], *done = weft_chan_new(0, 0);
    int64_t begin = weft_now();
    weft_chan *numbers =
        weft_take(done, weft_repeat_fn(done, sizeof prime, next_number, &primes->seed), NUMBERS);
    if (weft_fan_out(done, numbers, found, workers, sizeof prime, prime_or_0, NULL)) {
        fprintf(stderr, "no memory\n");
        exit(1);
    }
    weft_chan *all = weft_filter(done, weft_fan_in(done, found, workers), is_not_0, NULL);
    primes->n = 0;
    while (weft_chan_recv(all, &prime))
        primes->found[primes->n++] = prime;
    weft_chan_unref(all);
    weft_chan_close(done);
    weft_chan_unref(done);
    qsort(primes->found, primes->n, sizeof prime, by_size);
    int64_t took = weft_now() - begin;
    printf("%zu workers: %zu primes in %" PRId64 " us\n", workers, primes->n, took / 1000);
    return took;
}

static bool same(const struct primes *a, const struct primes *b)
{
    return a->n == b->n && memcmp(a->found, b->found, a->n * sizeof a->found[0]) == 0;
}

/* A machine that is busy with something else may turn the comparison round for a while; and one CPU gains nothing. */
static void fan(void *arg)
{
    int procs = weft_maxprocs(0), cpus = weft_num_cpu();
    bool all_same = true, faster = procs < 2 || cpus < 2;
    (void)arg;
    int64_t patience = weft_now() + 20 * WEFT_SECOND;
    do {
        static struct primes alone, together;
        alone.seed = together.seed = 1;
        int64_t one = find_primes(1, &alone);
        int64_t several = find_primes(procs < WORKERS_MAX ? (size_t)procs : WORKERS_MAX, &together);
        all_same &= same(&alone, &together);
        faster |= several < one * 3 / 4;
    } while (!faster && weft_now() < patience);
    printf("%s primes\n", all_same ? "the same" : "other");
    printf("%s\n", faster ? "fan-out is faster where two can run at once" : "fan-out is no help");
}

int main(void)
{
    return weft_run(fan, NULL, NULL);
}
