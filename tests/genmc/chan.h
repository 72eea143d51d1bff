/* SPDX-License-Identifier: Apache-2.0
 * chan.h - channels of which none is a timer's. */
#ifndef WEFT_TESTS_GENMC_CHAN_H
#define WEFT_TESTS_GENMC_CHAN_H

#include "channels.h"

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

#endif
