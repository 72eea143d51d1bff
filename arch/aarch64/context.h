/* SPDX-License-Identifier: Apache-2.0
 * context.h - aarch64 (AAPCS64, Linux): switching stacks, the FP control word, fences, TLS.
 *
 * The switch is inlined with every register as a clobber, x19-x30 and v8-v15 too: the ABI promises those
 * (of v8-v15 the low halves) to the enclosing function's caller, and so the compiler saves just what lives
 * across. It leaves by br: ret would look for its target in the return predictor, where another
 * goroutine's call is on top. sp and x29, which can't be clobbers, are stored by hand. Nothing is pushed, so the
 * CFI of the enclosing function is right at the resume label and unwinders need no more than sp, pc and fp.
 *
 * Indirect branches go through x16, as a br through x16 or x17 may land on any kind of BTI pad. Return
 * addresses signed by pac-ret stay valid: a frame is left and entered again at the same sp.
 *
 * Not kept by a switch: FPSR's flags, FPCR's low half (exception traps, FEAT_AFP), SVE's predicates, and SME's
 * ZA, which must be off when a goroutine calls weft. */
#ifndef WEFT_ARCH_AARCH64_CONTEXT_H
#define WEFT_ARCH_AARCH64_CONTEXT_H

#include <stdint.h>

#include "arch/context.h"

#if defined(__has_feature)
#if __has_feature(shadow_call_stack)
#error "a shadow call stack (x18) is not switched with the goroutine: build without it"
#endif
#endif

/* hint #36 is bti j: a no-op to processors and assemblers that don't know it. */
#ifdef __ARM_FEATURE_BTI_DEFAULT
#define ARCH_LANDING "hint #36\n\t"
#else
#define ARCH_LANDING ""
#endif

#ifdef __clang__
#define ARCH_FFR_CLOBBER /* unknown there: it never keeps anything in it */
#else
#define ARCH_FFR_CLOBBER , "ffr"
#endif

#ifdef __ARM_FEATURE_SVE
#define ARCH_VECTOR_CLOBBERS                                                                       \
    "z0", "z1", "z2", "z3", "z4", "z5", "z6", "z7", "z8", "z9", "z10", "z11", "z12", "z13", "z14", \
        "z15", "z16", "z17", "z18", "z19", "z20", "z21", "z22", "z23", "z24", "z25", "z26", "z27", \
        "z28", "z29", "z30", "z31", "p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7", "p8", "p9",    \
        "p10", "p11", "p12", "p13", "p14", "p15" ARCH_FFR_CLOBBER
#else
#define ARCH_VECTOR_CLOBBERS                                                                       \
    "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11", "v12", "v13", "v14", \
        "v15", "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", \
        "v28", "v29", "v30", "v31"
#endif

static inline __attribute__((always_inline)) void *
arch_switch(struct arch_context *from, const struct arch_context *to, void *pass)
{
    register void *x0 __asm__("x0") = pass;
    register struct arch_context *x1 __asm__("x1") = from;
    register const struct arch_context *x2 __asm__("x2") = to;
    __asm__ volatile("adr x16, 1f\n\t"
                     "mov x17, sp\n\t"
                     "stp x17, x16, [%[from]]\n\t"
                     "str x29, [%[from], #16]\n\t"
                     "ldp x17, x16, [%[to]]\n\t"
                     "ldr x29, [%[to], #16]\n\t"
                     "mov sp, x17\n\t"
                     "br x16\n\t"
                     "1: " ARCH_LANDING
                     : "+r"(x0), [from] "+r"(x1), [to] "+r"(x2)
                     :
                     : "x3", "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                       "x15", "x16", "x17", "x18", "x19", "x20", "x21", "x22", "x23", "x24", "x25",
                       "x26", "x27", "x28", "x30", "cc", "memory", ARCH_VECTOR_CLOBBERS);
    return x0;
}

static inline __attribute__((always_inline, noreturn)) void arch_jump(const struct arch_context *to,
                                                                      void *pass)
{
    register void *x0 __asm__("x0") = pass;
    register const struct arch_context *x2 __asm__("x2") = to;
    __asm__ volatile("ldp x17, x16, [%[to]]\n\t"
                     "ldr x29, [%[to], #16]\n\t"
                     "mov sp, x17\n\t"
                     "br x16\n\t"
                     :
                     : "r"(x0), [to] "r"(x2)
                     : "x16", "x17", "memory");
    __builtin_unreachable();
}

static inline __attribute__((always_inline, noreturn)) void
arch_restart(void *top, void (*fn)(void *), void *pass)
{
    register void *x0 __asm__("x0") = pass;
    register uintptr_t x1 __asm__("x1") = (uintptr_t)top & ~(uintptr_t)15;
    register void (*x2)(void *) __asm__("x2") = fn;
    __asm__ volatile("mov sp, %[top]\n\t"
                     "mov x29, %[fn]\n\t"
                     "b arch_entry\n\t"
                     :
                     : "r"(x0), [top] "r"(x1), [fn] "r"(x2)
                     : "memory");
    __builtin_unreachable();
}

/* What a function may use below its stack pointer: nothing here. */
#define ARCH_RED_ZONE 0

/* In entry.S: call fn(arg) on the stack below sp, or (sp NULL) below this frame. arch_jump(back, result) drops what it
 * has called and returns from here, too. */
void *arch_call_on(struct arch_context *back, void *sp, void *(*fn)(void *), void *arg)
    __attribute__((visibility("hidden")));

/* See x86_64; compilers know of no such thing here. */
#define ARCH_RETURNS_ELSEWHERE __attribute__((noinline))

/* As arch_switch() would leave it, for unwinders: while this function's frame is there. */
static inline __attribute__((always_inline)) void arch_context_note(struct arch_context *here)
{
    __asm__ volatile("adr x16, 1f\n\t"
                     "mov x17, sp\n\t"
                     "stp x17, x16, [%[here]]\n\t"
                     "str x29, [%[here], #16]\n\t"
                     "1:"
                     :
                     : [here] "r"(here)
                     : "x16", "x17", "memory");
}

/* In entry.S: fn(arg), which unwinders take for called from where that flow of control stopped. */
void arch_call_within(const struct arch_context *stopped, void (*fn)(void *), void *arg)
    __attribute__((visibility("hidden")));

/* FPCR's upper half: rounding mode, flush to zero, default NaN, half-precision format. Reading it is a register
 * move; a write may drain the pipeline, so a switch writes only what differs. */
static inline void arch_fp_save(uint16_t *upper)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    *upper = (uint16_t)(fpcr >> 16);
}

static inline void arch_set_fp_control(uint16_t upper)
{
    uint64_t fpcr;
    __asm__ volatile("mrs %0, fpcr" : "=r"(fpcr));
    fpcr = (fpcr & UINT64_C(0xffff)) | (uint64_t)upper << 16;
    __asm__ volatile("msr fpcr, %0" : : "r"(fpcr));
}

/* yield is a no-op on most cores; isb waits some ten ns and leaves the memory system alone (so does
 * Rust's spin_loop). */
static inline void arch_relax(void)
{
    __asm__ volatile("isb" : : : "memory");
}

static inline void arch_fence_full(void)
{
    __asm__ volatile("dmb ish" : : : "memory");
}

/* An acquire-release RMW, LL/SC loop or LSE, does not order its own store before later loads: those wait for
 * its load only. */
static inline void arch_fence_after_rmw(void)
{
    __asm__ volatile("dmb ish" : : : "memory");
}

/* The thread's value of an initial-exec TLS pointer, read afresh each time: written in C the
 * compiler could keep the variable's address over a switch that moved this stack to another thread. */
#define ARCH_TLS_LOAD(var)                                                                         \
    ({                                                                                             \
        __typeof__(var) tls_value_;                                                                \
        uint64_t tls_base_;                                                                        \
        __asm__ volatile("mrs %1, tpidr_el0\n\t"                                                   \
                         "adrp %0, :gottprel:" #var "\n\t"                                         \
                         "ldr %0, [%0, :gottprel_lo12:" #var "]\n\t"                               \
                         "ldr %0, [%1, %0]"                                                        \
                         : "=&r"(tls_value_), "=&r"(tls_base_));                                   \
        tls_value_;                                                                                \
    })

#endif
