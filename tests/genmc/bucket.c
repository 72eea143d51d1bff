/* SPDX-License-Identifier: Apache-2.0
 * bucket.c - a bucket of 2 tokens: two threads want 1 and 2 of them while its rules change twice, with two slots for rules, so
 * that the first is written again. What is taken and what is left come to what there was, and nobody is refused by a
 * mixture of rules: by both of them what there is is the same, but not by the limit of one since the time of the other.
 *
 * edit: runtime/context/bucket.h | s/BUCKET_SLOTS 8u/BUCKET_SLOTS 2u/
 * bug: a refusal by rules that are being rewritten | runtime/context/bucket.c | s/return (\*word & VERSION_MASK) == (before & VERSION_MASK);/return (void)before, 1;/
 * bug: new rules are written over those in force | runtime/context/bucket.c | s/version = (word + 1) & VERSION_MASK/version = word \& VERSION_MASK/ */
#include "model.h"

#include "runtime/context/bucket.c"
#include "runtime/context/bucket.h"

#define SECOND INT64_C(1000000000)

static struct bucket b;
static int taken[2];

static void *taker(void *arg)
{
    int n = arg ? 2 : 1;
    int64_t wait;
    enum bucket_answer answer = bucket_take(&b, SECOND, n, 0, &wait);
    REQUIRE(answer == BUCKET_TAKEN || answer == BUCKET_TOO_LATE);
    taken[n - 1] = answer == BUCKET_TAKEN ? n : 0;
    return NULL;
}

static void *setter(void *arg)
{
    (void)arg;
    bucket_set(&b, 0, 2, SECOND);
    bucket_set(&b, 0, 2, 100 * SECOND);
    return NULL;
}

int main(void)
{
    bucket_init(&b, 1, 2, 0);
    pthread_t one = go(taker, NULL), two = go(taker, &b), three = go(setter, NULL);
    join(one);
    join(two);
    join(three);
    REQUIRE(taken[0] || taken[1]); /* the first to come finds enough */
    REQUIRE(bucket_look(&b, SECOND).tokens == 2 - taken[0] - taken[1]);
    return 0;
}
