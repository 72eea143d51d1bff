/* SPDX-License-Identifier: Apache-2.0
 * clock_linux.c - the clock: CLOCK_MONOTONIC, computed (clock.h) from the processor's counter where that is steady and the
 * kernel itself keeps time by it. */
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "arch/clock.h"
#include "arch/clock_moved.h"
#include "arch/os.h"

#if defined(__x86_64__)
#include "arch/x86_64/counter.h"
#elif defined(__aarch64__)
#include "arch/aarch64/counter.h"
#endif

#define NS_PER_S INT64_C(1000000000)
#define READINGS_MAX 8

enum { COUNTER_UNKNOWN, COUNTER_STEADY, COUNTER_NONE };

static struct clock clock_of_process = CLOCK_INIT;
static _Atomic(int) counter_kind; /* COUNTER_... */

SANITIZE_OWNER_DATA_BEGIN

static int64_t kernel_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * NS_PER_S + t.tv_nsec;
}

/* The kernel watches its source, against others where there are some, and across processors. */
static bool kernel_uses_counter(void)
{
    static const char path[] = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    char name[32];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, name, sizeof name) : -1;
    if (fd >= 0)
        close(fd);
    size_t length = strlen(ARCH_COUNTER_NAME);
    return n == (ssize_t)length + 1 && !memcmp(name, ARCH_COUNTER_NAME "\n", length + 1);
}

static bool counter_is_good(void)
{
    int kind = atomic_load_relaxed(&counter_kind);
    if (unlikely(kind == COUNTER_UNKNOWN)) {
        int saved_errno = *os_errno_location();
        bool good = !clock_has_no_counter() && arch_counter_is_steady() && kernel_uses_counter();
        *os_errno_location() = saved_errno;
        kind = good ? COUNTER_STEADY : COUNTER_NONE;
        atomic_store_relaxed(&counter_kind, kind);
    }
    return kind == COUNTER_STEADY;
}

static void read_once(struct clock_reading *out)
{
    out->seen = atomic_load_acquire(&clock_of_process.current);
    uint64_t before = arch_counter_in_order();
    out->ns = kernel_now();
    out->width = arch_counter_in_order() - before;
    out->counter = before + out->width / 2;
}

/* Once more, at most READINGS_MAX times, where it was interrupted: it took much longer than the shortest so far. */
static void read_both(struct clock_reading *out)
{
    static _Atomic(uint64_t) shortest = UINT64_MAX / 4;
    for (int i = 0; i < READINGS_MAX; i++) {
        read_once(out);
        uint64_t best = atomic_load_relaxed(&shortest);
        if (out->width < best)
            atomic_store_relaxed(&shortest, best = out->width);
        if (out->width <= 2 * best)
            return;
    }
}

static __attribute__((noinline)) int64_t now_slow(void)
{
    struct clock_reading reading;
    int64_t now;
    if (!counter_is_good())
        return kernel_now();
    do
        read_both(&reading);
    while (!clock_read(&clock_of_process, &reading, &now));
    if (unlikely(clock_is_given_up(&clock_of_process)) &&
        now == reading.ns) /* beyond the last floor */
        atomic_store_relaxed(&counter_kind, COUNTER_NONE);
    return now;
}

int64_t os_now(void)
{
    int64_t now;
    bool known = atomic_load_relaxed(&counter_kind) == COUNTER_STEADY &&
                 clock_at(&clock_of_process, arch_counter(), &now);
    return (likely(known) ? now : now_slow()) + clock_offset();
}

int64_t os_now_in_order(void)
{
    int64_t now;
    bool known = atomic_load_relaxed(&counter_kind) == COUNTER_STEADY &&
                 clock_at(&clock_of_process, arch_counter_in_order(), &now);
    return (likely(known) ? now : now_slow()) + clock_offset();
}

SANITIZE_OWNER_DATA_END
