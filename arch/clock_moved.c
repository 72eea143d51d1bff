/* SPDX-License-Identifier: Apache-2.0
 * clock_moved.c - the test build's clock that can be moved. */
#include "arch/clock_moved.h"

#include <stdlib.h>
#include <string.h>

#include "arch/os.h"

#ifdef WEFT_TEST_BUILD

static _Atomic(bool) moved, flies;
static _Atomic(int64_t) offset;

bool clock_is_moved(void)
{
    return atomic_load_explicit(&moved, memory_order_relaxed);
}

int64_t clock_offset(void)
{
    return atomic_load_explicit(&offset, memory_order_acquire);
}

bool clock_fly_to(int64_t deadline)
{
    if (!atomic_load_explicit(&flies, memory_order_acquire))
        return false;
    os_yield(); /* who has something to do goes first */
    int64_t by = clock_offset(), now = os_now();
    while (now < deadline && deadline != OS_FOREVER &&
           !atomic_compare_exchange_weak_explicit(&offset, &by, by + (deadline - now),
                                                  memory_order_acq_rel, memory_order_acquire))
        now = os_now();
    return deadline != OS_FOREVER;
}

bool clock_has_no_counter(void)
{
    const char *clock = getenv("WEFT_CLOCK");
    return clock && !strcmp(clock, "kernel");
}

bool os_clock_move(int64_t ns)
{
    atomic_store_explicit(&moved, true, memory_order_relaxed);
    atomic_fetch_add_explicit(&offset, ns, memory_order_acq_rel);
    return true;
}

void os_clock_fly(bool on)
{
    atomic_store_explicit(&moved, true, memory_order_relaxed);
    atomic_store_explicit(&flies, on, memory_order_release);
}

#else

bool os_clock_move(int64_t ns)
{
    (void)ns;
    return false;
}

void os_clock_fly(bool on)
{
    (void)on;
}

#endif
