/* SPDX-License-Identifier: Apache-2.0
 * 1-livelock - chapter 1: two people in a corridor step aside for each other, both to the same side, again and again. Nobody
 * is blocked, all are busy, and nothing gets done.
 *
 * In the book a ticker sets the pace; here who is first at a step waits for the other one, so that they are always in step. */
#include <stdio.h>
#include <weft/weft.h>

enum { TRIES = 5 };

static weft_mutex mutex;
static weft_cond stepped = WEFT_COND_INIT(&mutex);
static int waiting, steps;
static int left, right; /* who stands there; under the mutex */

struct person {
    const char *name;
    int tries;
    bool passed;
};

static void take_step(void)
{
    int now = steps;
    if (++waiting == 2) {
        waiting = 0;
        steps++;
        weft_cond_broadcast(&stepped);
    }
    while (steps == now)
        weft_cond_wait(&stepped);
}

/* Whether the other one stayed where he was. */
static bool try_side(int *side)
{
    ++*side;
    take_step();
    if (*side == 1)
        return true;
    take_step();
    --*side;
    return false;
}

static void walk(void *arg)
{
    struct person *self = arg;
    weft_mutex_lock(&mutex);
    while (!self->passed && self->tries < TRIES) {
        self->tries++;
        self->passed = try_side(&left) || try_side(&right);
    }
    weft_mutex_unlock(&mutex);
}

static void meet(void *arg)
{
    struct person people[] = {{.name = "Alice"}, {.name = "Barbara"}};
    weft_waitgroup hallway = {0};
    (void)arg;
    for (int i = 0; i < 2; i++)
        weft_waitgroup_go(&hallway, walk, &people[i]);
    weft_waitgroup_wait(&hallway);
    for (int i = 0; i < 2; i++)
        printf("%s %s after trying to scoot left and right %d times.\n", people[i].name,
               people[i].passed ? "got past" : "tosses her hands up in exasperation",
               people[i].tries);
    printf("%d steps, and neither got past\n", steps);
}

int main(void)
{
    return weft_run(meet, NULL, NULL);
}
