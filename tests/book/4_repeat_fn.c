/* SPDX-License-Identifier: Apache-2.0
 * 4-repeat-fn - chapter 4, generators: what a function gives, again and again, and the first ten of that; and the first ten primes
 * among numbers that look random. */
#include <stdio.h>
#include <weft/weft.h>

static void next_number(void *out, void *arg)
{
    int *number = arg;
    *number = *number * 5 % 23; /* goes through 1 .. 22 as if by chance */
    *(int *)out = *number;
}

static void random_number(void *out, void *arg)
{
    uint32_t *state = arg;
    *state = *state * 1664525 + 1013904223;
    *(int *)out = (int)(*state >> 8) % 50000;
}

static bool is_prime(const void *in, void *arg)
{
    int n = *(const int *)in, divisor = 2;
    (void)arg;
    while (divisor * divisor <= n && n % divisor != 0)
        divisor++;
    return n > 1 && divisor * divisor > n;
}

static void find_primes(void)
{
    static uint32_t seed = 1;
    weft_chan *done = weft_chan_new(0, 0);
    weft_chan *numbers = weft_repeat_fn(done, sizeof(int), random_number, &seed);
    weft_chan *ten = weft_take(done, weft_filter(done, numbers, is_prime, NULL), 10);
    WEFT_RANGE(int, prime, ten) printf("%d ", prime);
    printf("\n");
    weft_chan_unref(ten);
    weft_chan_close(done);
    weft_chan_unref(done);
}

static void generate(void *arg)
{
    static int seed = 1; /* the generator may use it until it has seen that done is closed */
    (void)arg;
    weft_chan *done = weft_chan_new(0, 0);
    weft_chan *ten = weft_take(done, weft_repeat_fn(done, sizeof(int), next_number, &seed), 10);
    WEFT_RANGE(int, v, ten) printf("%d ", v);
    printf("\n");
    weft_chan_unref(ten);
    weft_chan_close(done);
    weft_chan_unref(done);
    find_primes();
}

int main(void)
{
    return weft_run(generate, NULL, NULL);
}
