/* SPDX-License-Identifier: Apache-2.0
 * clock_moved.h - in the test build the clock can be moved forward, by jumps, or by flying: whoever waits for a time finds
 * that it has come. So a test lives through years, and through what a suspended machine sees. With WEFT_CLOCK=kernel it is the
 * kernel's from the start, as on a machine without a steady counter. */
#ifndef WEFT_ARCH_CLOCK_MOVED_H
#define WEFT_ARCH_CLOCK_MOVED_H

#include <stdbool.h>
#include <stdint.h>

#include "weft-config.h"

#ifdef WEFT_TEST_BUILD

bool clock_is_moved(void);  /* waits are to be short: the clock may be moved meanwhile */
int64_t clock_offset(void); /* how far it was moved */
/* Whether waiting until a deadline is over, as it is while the clock flies. */
bool clock_fly_to(int64_t deadline);
bool clock_has_no_counter(void);

#else

static inline bool clock_is_moved(void)
{
    return false;
}

static inline int64_t clock_offset(void)
{
    return 0;
}

static inline bool clock_fly_to(int64_t deadline)
{
    (void)deadline;
    return false;
}

static inline bool clock_has_no_counter(void)
{
    return false;
}

#endif
#endif
