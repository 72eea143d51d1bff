/* SPDX-License-Identifier: Apache-2.0
 * 1-livelock - chapter 1: two people in a corridor step aside for each other, both to the same side, again and again. Nobody
 * is blocked, all are busy, and nothing gets done.
 *
 * In the book a ticker sets the pace, and both wait for it; here who is first at a step looks again and again whether the other
 * one has come, so that they are always in step, and never wait: weft has parked nobody but main meanwhile. */
#include <stdatomic.h>
#include <stdio.h>
#include <weft/weft.h>

enum { TRIES = 5 };

static atomic_int arrived, steps;
static atomic_int left, right; /* who stand there */

struct person {
    const char *name;
    int tries;
    bool passed;
};

static void take_step(void)
{
    int now = steps;
    if (++arrived == 2) {
        arrived = 0;
        steps++;
    }
    while (steps == now)
        weft_yield();
}

/* Whether the other one stayed where he was. */
static bool try_side(atomic_int *side)
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
    while (!self->passed && self->tries < TRIES) {
        self->tries++;
        self->passed = try_side(&left) || try_side(&right);
    }
}

static uint64_t times_parked(void)
{
    weft_stats stats;
    weft_stats_read(&stats);
    return stats.parks;
}

static void meet(void *arg)
{
    struct person people[] = {{.name = "Alice"}, {.name = "Barbara"}};
    weft_waitgroup hallway = {0};
    uint64_t parks = times_parked();
    (void)arg;
    for (int i = 0; i < 2; i++)
        weft_waitgroup_go(&hallway, walk, &people[i]);
    weft_waitgroup_wait(&hallway);
    for (int i = 0; i < 2; i++)
        printf("%s %s after trying to scoot left and right %d times.\n", people[i].name,
               people[i].passed ? "got past" : "tosses her hands up in exasperation",
               people[i].tries);
    parks = times_parked() - parks;
    if (parks <= 1) /* main's wait */
        printf("%d steps, and neither got past\n", steps);
    else
        printf("%d steps, but somebody waited\n", steps);
}

int main(void)
{
    return weft_run(meet, NULL, NULL);
}
