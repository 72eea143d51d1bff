/* SPDX-License-Identifier: Apache-2.0
 * pair.h - x86_64: compare and swap of two adjacent words. Compilers inline it only where told that
 * the processor has it (all have, since 2006), else they call libatomic. */
#ifndef WEFT_ARCH_X86_64_PAIR_H
#define WEFT_ARCH_X86_64_PAIR_H

#include <stdbool.h>
#include <stdint.h>

/* at: 16 bytes, aligned to 16. A full fence. */
static inline bool arch_cas_pair(void *at, uint64_t lo, uint64_t hi, uint64_t new_lo,
                                 uint64_t new_hi)
{
    bool swapped;
    __asm__ volatile("lock cmpxchg16b %[at]"
                     : "=@ccz"(swapped), [at] "+m"(*(char(*)[16])at), "+a"(lo), "+d"(hi)
                     : "b"(new_lo), "c"(new_hi)
                     : "memory");
    return swapped;
}

#endif
