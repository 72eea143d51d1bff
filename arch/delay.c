/* SPDX-License-Identifier: Apache-2.0
 * delay.c - delay injection, in the test build only. WEFT_DELAY=N stops a thread for a random while
 * at one in N atomic operations (mostly a short spin, sometimes a yield, seldom a sleep), so that
 * interleavings that the scheduler of an idle machine never shows do happen. A test may also hold one
 * thread at its n-th such point for as long as it likes. */
#include "arch/os.h"

#ifdef WEFT_TEST_BUILD

#include <stdlib.h>
#include <time.h>

SANITIZE_OWNER_DATA_BEGIN

static _Thread_local uint64_t delay_rng;
static _Atomic(int) delay_one_in = -1;

static int delay_setting(void)
{
    int n = atomic_load_explicit(&delay_one_in, memory_order_relaxed);
    if (n < 0) {
        const char *text = getenv("WEFT_DELAY");
        n = text ? atoi(text) : 0;
        n = n > 0 ? n : 0;
        atomic_store_explicit(&delay_one_in, n, memory_order_relaxed);
    }
    return n;
}

static _Thread_local unsigned hold_after, hold_round;
static _Atomic(uint32_t) hold_state; /* HOLD_... */
static _Atomic(unsigned) hold_rounds;
enum { HOLD_NONE, HOLD_HELD, HOLD_OVER };

bool os_hold_at(unsigned nth)
{
    /* Who asked before, on whatever thread he was then, isn't held any more. */
    hold_round = atomic_fetch_add_explicit(&hold_rounds, 1, memory_order_relaxed) + 1;
    hold_after = nth;
    atomic_store_explicit(&hold_state, HOLD_NONE, memory_order_release);
    return true;
}

bool os_hold_is_on(void)
{
    return atomic_load_explicit(&hold_state, memory_order_acquire) == HOLD_HELD;
}

void os_hold_end(void)
{
    atomic_store_explicit(&hold_state, HOLD_OVER, memory_order_release);
    os_futex_wake(&hold_state, INT32_MAX);
}

static __attribute__((noinline)) void hold(void)
{
    int saved_errno = *os_errno_location();
    uint32_t none = HOLD_NONE; /* not if it has been ended before it began */
    atomic_compare_exchange_strong_explicit(&hold_state, &none, HOLD_HELD, memory_order_acq_rel,
                                            memory_order_acquire);
    while (os_hold_is_on())
        os_futex_wait(&hold_state, HOLD_HELD, OS_FOREVER);
    *os_errno_location() = saved_errno;
}

__attribute__((noinline)) void os_delay_point(void)
{
    if (unlikely(hold_after)) {
        hold_after--;
        if (hold_after == 0 &&
            hold_round == atomic_load_explicit(&hold_rounds, memory_order_relaxed))
            hold();
    }
    int one_in = delay_setting();
    if (likely(one_in == 0))
        return;
    if (delay_rng == 0)
        delay_rng = os_random() | 1;
    delay_rng ^= delay_rng << 13;
    delay_rng ^= delay_rng >> 7;
    delay_rng ^= delay_rng << 17;
    if (delay_rng % (uint64_t)one_in)
        return;
    int saved_errno = *os_errno_location();
    unsigned kind = (unsigned)(delay_rng >> 40) % 64;
    if (kind == 0) {
        struct timespec t = {.tv_nsec = (long)(delay_rng >> 50) * 4};
        nanosleep(&t, NULL);
    } else if (kind < 8) {
        os_yield();
    } else {
        for (unsigned i = (unsigned)(delay_rng >> 46) % 512; i > 0; i--)
            arch_relax();
    }
    *os_errno_location() = saved_errno;
}

SANITIZE_OWNER_DATA_END

#else

bool os_hold_at(unsigned nth)
{
    (void)nth;
    return false;
}

bool os_hold_is_on(void)
{
    return false;
}

void os_hold_end(void) {}

#endif
