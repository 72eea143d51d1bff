/* SPDX-License-Identifier: Apache-2.0
 * pair.h - aarch64: compare and swap of two adjacent words, by exclusive loads and stores, which every Armv8
 * has. A pair that was read in halves of two values differs from the expected one, so it fails rightly. */
#ifndef WEFT_ARCH_AARCH64_PAIR_H
#define WEFT_ARCH_AARCH64_PAIR_H

#include <stdbool.h>
#include <stdint.h>

/* at: 16 bytes, aligned to 16. A full fence where it succeeds. */
static inline bool arch_cas_pair(void *at, uint64_t lo, uint64_t hi, uint64_t new_lo,
                                 uint64_t new_hi)
{
    uint64_t old_lo, old_hi;
    uint32_t failed, swapped;
    __asm__ volatile("1: ldaxp %[old_lo], %[old_hi], %[at]\n\t"
                     "cmp %[old_lo], %[lo]\n\t"
                     "ccmp %[old_hi], %[hi], #0, eq\n\t"
                     "b.ne 2f\n\t"
                     "stlxp %w[failed], %[new_lo], %[new_hi], %[at]\n\t"
                     "cbnz %w[failed], 1b\n\t"
                     "dmb ish\n\t"
                     "2: cset %w[swapped], eq\n\t"
                     : [at] "+Q"(*(char(*)[16])at), [old_lo] "=&r"(old_lo), [old_hi] "=&r"(old_hi),
                       [failed] "=&r"(failed), [swapped] "=&r"(swapped)
                     : [lo] "r"(lo), [hi] "r"(hi), [new_lo] "r"(new_lo), [new_hi] "r"(new_hi)
                     : "cc", "memory");
    return swapped;
}

#endif
