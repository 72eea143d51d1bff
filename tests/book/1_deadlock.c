/* SPDX-License-Identifier: Apache-2.0
 * 1-deadlock - chapter 1: two goroutines lock two values in opposite order, and each waits for what the other holds. */
#include <stdio.h>
#include <weft/weft.h>

struct value {
    weft_mutex mutex;
    int value;
};

struct sum {
    struct value *first, *second;
};

static weft_waitgroup sums, both_hold_one;

static void print_sum(void *arg)
{
    struct sum *sum = arg;
    weft_mutex_lock(&sum->first->mutex);
    weft_waitgroup_done(&both_hold_one); /* the book sleeps here */
    weft_waitgroup_wait(&both_hold_one);
    weft_mutex_lock(&sum->second->mutex);
    printf("sum=%d\n", sum->first->value + sum->second->value);
    weft_waitgroup_done(&sums);
}

static void add(void *arg)
{
    static struct value a, b;
    (void)arg;
    weft_waitgroup_add(&both_hold_one, 2);
    weft_waitgroup_add(&sums, 2);
    WEFT_GO(print_sum, struct sum, &a, &b);
    WEFT_GO(print_sum, struct sum, &b, &a);
    weft_waitgroup_wait(&sums);
}

int main(void)
{
    return weft_run(add, NULL, NULL);
}
