/* SPDX-License-Identifier: Apache-2.0
 * channels.h - channels of small numbers in the model: the real files of runtime/chan/, over waiting.h. */
#ifndef WEFT_TESTS_GENMC_CHANNELS_H
#define WEFT_TESTS_GENMC_CHANNELS_H

#include "waiting.h"

static inline void model_copy_word(void *to, const void *from)
{
    *(uint64_t *)to = *(const uint64_t *)from;
}

#include "runtime/chan/chan.c"
#include "runtime/chan/op.c"
#include "runtime/chan/try.c"
#include "runtime/chan/wait.c"
#include "runtime/chan/waitlist.c"
#include "runtime/chan/watch.c"

void sched_set_watch(struct sched_g *sched_g, struct waiter *record)
{
    ((struct g *)sched_g)->watch.record = record;
}

enum run_hold sched_hold_run_without_p(void)
{
    return RUN_OURS;
}

void sched_release_run_without_p(enum run_hold hold)
{
    (void)hold;
    REQUIRE(false);
}

/* A channel of words in zeroed memory. */
static void chan_init(struct weft_chan *c, struct atomic_pair *cells, uint32_t capacity)
{
    c->form = capacity ? FORM_WORD : FORM_SYNC;
    c->capacity = capacity;
    c->cells = capacity + 1;
    c->index_mask = mask_for(c->cells);
    c->skip = c->index_mask + 1 - c->cells;
    c->turn = capacity == 0;
    c->elem_size = sizeof(uint64_t);
    c->ring = cells;
    atomic_store_relaxed(&c->refs, 1);
    if (capacity)
        init_cells(c);
}

static struct weft_chan *chan_of_words(uint32_t capacity)
{
    static struct weft_chan channel;
    static struct atomic_pair cells[4];
    chan_init(&channel, cells, capacity);
    return &channel;
}

/* ---- elements that may each be sent and received once: i stands for what its sender wrote before ---- */

#define ELEMENTS 4

static int written[ELEMENTS]; /* plain */
static _Atomic(uint32_t) received[ELEMENTS];

static uint64_t element(uint64_t i)
{
    written[i] = (int)i;
    return i;
}

static void arrived(uint64_t i)
{
    REQUIRE(i > 0 && i < ELEMENTS);
    REQUIRE(written[i] == (int)i);
    REQUIRE(atomic_add_acq_rel(&received[i], 1) == 0);
}

static bool has_arrived(int i)
{
    return atomic_load_relaxed(&received[i]);
}

#endif
