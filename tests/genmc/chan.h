/* SPDX-License-Identifier: Apache-2.0
 * chan.h - channels of small numbers in the model: the real files of runtime/chan/, over waiting.h. */
#ifndef WEFT_TESTS_GENMC_CHAN_H
#define WEFT_TESTS_GENMC_CHAN_H

#include "waiting.h"

static inline void model_copy_word(void *to, const void *from)
{
    *(uint64_t *)to = *(const uint64_t *)from;
}

#include "runtime/chan/op.c"
#include "runtime/chan/try.c"
#include "runtime/chan/wait.c"
#include "runtime/chan/waitlist.c"

enum run_hold sched_hold_run(void)
{
    return RUN_OURS;
}

void sched_release_run(enum run_hold hold)
{
    (void)hold;
}

/* No channel here is a timer's. */
void timed_settle(struct weft_chan *ch)
{
    (void)ch;
    REQUIRE(false);
}

void timed_left_slow(struct weft_chan *ch)
{
    (void)ch;
    REQUIRE(false);
}

enum chan_result timed_get(struct weft_chan *ch, void *out)
{
    (void)ch, (void)out;
    REQUIRE(false);
    return CHAN_BLOCKED;
}

static struct weft_chan channel;
static struct atomic_pair cells[4];

static struct weft_chan *chan_of_words(uint32_t capacity)
{
    struct weft_chan *c = &channel;
    c->form = capacity ? FORM_WORD : FORM_SYNC;
    c->capacity = capacity;
    c->cells = capacity + 1;
    c->index_mask = capacity <= 1 ? capacity : 3;
    c->skip = c->index_mask + 1 - c->cells;
    c->turn = capacity == 0;
    c->elem_size = sizeof(uint64_t);
    c->ring = cells;
    for (uint32_t i = 0; i < c->cells; i++)
        atomic_store_relaxed(&cells[i].lo, (uint64_t)ring_round_before(c, i) << POSITION_SHIFT);
    return c;
}

#endif
