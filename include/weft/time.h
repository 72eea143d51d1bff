/* SPDX-License-Identifier: Apache-2.0
 * time.h - the clock and sleeping. Times are int64_t nanoseconds. */
#ifndef WEFT_TIME_H
#define WEFT_TIME_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

#define WEFT_NANOSECOND INT64_C(1)
#define WEFT_MICROSECOND (1000 * WEFT_NANOSECOND)
#define WEFT_MILLISECOND (1000 * WEFT_MICROSECOND)
#define WEFT_SECOND (1000 * WEFT_MILLISECOND)
#define WEFT_MINUTE (60 * WEFT_SECOND)
#define WEFT_HOUR (60 * WEFT_MINUTE)

/* A deadline that never comes. */
#define WEFT_FOREVER INT64_MAX

/* Nanoseconds on CLOCK_MONOTONIC's scale. Any thread. */
WEFT_API int64_t weft_now(void);

/* Pause this goroutine (or this foreign thread) for at least ns nanoseconds; <= 0 returns at once. */
WEFT_API void weft_sleep(int64_t ns);

/* Pause until weft_now() >= deadline. A deadline in the past returns at once; WEFT_FOREVER never. */
WEFT_API void weft_sleep_until(int64_t deadline);

WEFT_END_DECLS

#endif
