/* SPDX-License-Identifier: Apache-2.0
 * counter.h - aarch64: the virtual counter of the generic timer. */
#ifndef WEFT_ARCH_AARCH64_COUNTER_H
#define WEFT_ARCH_AARCH64_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#define ARCH_COUNTER_NAME "arch_sys_counter" /* among the kernel's clock sources */

/* May be read earlier than the instructions before it. */
static inline uint64_t arch_counter(void)
{
    uint64_t count;
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(count));
    return count;
}

/* After what comes before it; that loads have their values by then is what Linux relies on as well. */
static inline uint64_t arch_counter_in_order(void)
{
    __asm__ volatile("isb" ::: "memory");
    return arch_counter();
}

/* By the architecture (Arm ARM, D12). */
static inline bool arch_counter_is_steady(void)
{
    return true;
}

#endif
