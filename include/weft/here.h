/* SPDX-License-Identifier: Apache-2.0
 * here.h - what the inline functions of other headers know of the thread that they run on. Nothing in it is for
 * programs; its layout is part of the binary interface. */
#ifndef WEFT_HERE_H
#define WEFT_HERE_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

#define WEFT_INLINE_ __attribute__((unused, always_inline)) static inline
#define WEFT_LIKELY_(x) __builtin_expect(!!(x), 1)

/* The number of no processor: of a foreign thread, and in a blocking section. */
#define WEFT_NO_PLACE_ 1024u

/* Where the holder of a processor counts readers of rwmutexes: sync.h, runtime/sync/bias.h. */
struct weft_row_ {
    const uint64_t *tickets_; /* who has which column */
    uint32_t counts_[14];     /* the holder's: twice a number | he is at it */
    uint32_t bases_[14];      /* what counts_ is where there are none; theirs who take a column */
} __attribute__((aligned(64)));

struct weft_here {
    uint32_t asked_; /* by others, that its goroutine give way; atomic */
    uint32_t place_; /* the number of the processor that is its goroutine's until that waits */
    struct weft_row_ *row_; /* that one's, or NULL */
};

/* The calling thread's; never NULL. */
WEFT_API extern __thread const struct weft_here *weft_here_now;

/* Its value, read afresh by each call: written in C the compiler could keep the variable's address, which is another one
 * once a wait has moved the goroutine to another thread. What doesn't change, it may keep. */
WEFT_INLINE_ const struct weft_here *weft_here_(void)
{
    const struct weft_here *here;
    uintptr_t offset;
#if defined(__x86_64__)
    __asm__("mov{q weft_here_now@gottpoff(%%rip), %0| %0, QWORD PTR weft_here_now@gottpoff[rip]}"
            : "=r"(offset));
    __asm__ volatile("mov{q %%fs:(%1), %0| %0, QWORD PTR fs:[%1]}" : "=r"(here) : "r"(offset));
#elif defined(__aarch64__)
    uintptr_t base;
    __asm__("adrp %0, :gottprel:weft_here_now\n\t"
            "ldr %0, [%0, :gottprel_lo12:weft_here_now]"
            : "=r"(offset));
    __asm__ volatile("mrs %1, tpidr_el0\n\t"
                     "ldr %0, [%1, %2]"
                     : "=r"(here), "=&r"(base)
                     : "r"(offset));
#else
#error "weft has no port to this processor yet"
#endif
    return here;
}

WEFT_INLINE_ bool weft_is_asked_(const struct weft_here *here)
{
    return __atomic_load_n(&here->asked_, __ATOMIC_RELAXED) != 0;
}

WEFT_END_DECLS

#endif
