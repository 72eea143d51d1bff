/* SPDX-License-Identifier: Apache-2.0
 * watching.h - a goroutine, M 1, that has watched `done` before, over selecting.h, with records for so many watches. */
#ifndef WEFT_TESTS_GENMC_WATCHING_H
#define WEFT_TESTS_GENMC_WATCHING_H

#include "selecting.h"

#include "runtime/chan/stop.c"

static struct weft_chan done, in;

static void watching_init(unsigned records)
{
    static struct waiter_record record[4];
    ms_init();
    for (unsigned i = 0; i < records; i++)
        record_add(1, &record[i]);
    chan_init(&done, NULL, 0);
    done.elem_size = 0;
    chan_init(&in, NULL, 0);
    g[1].watch.seen = &done;
}

/* As when it ends. */
static void watching_ends(void)
{
    struct waiter *watch = g[1].watch.record;
    if (watch)
        watch->unlink(watch);
}

/* As when it is freed. */
static void watched_ends(void)
{
    m_is(0);
    chan_fini_inside(&done);
}

static void *closes(void *arg)
{
    m_is(3);
    weft_chan_close(&done);
    return arg;
}

#endif
