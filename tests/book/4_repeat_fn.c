/* SPDX-License-Identifier: Apache-2.0
 * 4-repeat-fn - chapter 4, generators: what a function gives, again and again, and the first ten of that. */
#include <stdio.h>
#include <weft/weft.h>

static void next_number(void *out, void *arg)
{
    int *number = arg;
    *number = *number * 5 % 23; /* goes through 1 .. 22 as if by chance */
    *(int *)out = *number;
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
}

int main(void)
{
    return weft_run(generate, NULL, NULL);
}
