/* SPDX-License-Identifier: Apache-2.0
 * counter.h - x86_64: the time stamp counter. */
#ifndef WEFT_ARCH_X86_64_COUNTER_H
#define WEFT_ARCH_X86_64_COUNTER_H

#include <cpuid.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>

#define ARCH_COUNTER_NAME "tsc" /* among the kernel's clock sources */

/* May be read earlier than the instructions before it. */
static inline uint64_t arch_counter(void)
{
    return __builtin_ia32_rdtsc();
}

/* After all loads before it. (Intel SDM, RDTSC; AMD's has lfence wait as well, as Linux sees to.) */
static inline uint64_t arch_counter_in_order(void)
{
    __asm__ volatile("lfence" ::: "memory");
    return __builtin_ia32_rdtsc();
}

/* It counts at one rate, also while the processor sleeps, and reading it isn't forbidden (prctl(2), PR_SET_TSC). */
static inline bool arch_counter_is_steady(void)
{
    unsigned a = 0, b = 0, c = 0, d = 0;
    int allowed = PR_TSC_ENABLE;
    return __get_cpuid(0x80000007, &a, &b, &c, &d) && (d & 1u << 8) &&
           (prctl(PR_GET_TSC, &allowed) != 0 || allowed == PR_TSC_ENABLE);
}

#endif
