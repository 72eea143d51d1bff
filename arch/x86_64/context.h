/* SPDX-License-Identifier: Apache-2.0
 * context.h - x86_64 (System V): switching stacks.
 *
 * The switch is inlined with every register as a clobber, so the compiler saves just those that live
 * across it (1 ns), and leaves by an indirect jmp: a ret into another stack always mispredicts
 * (8.9 ns against 3.0 ns for the same switch as a function). Only rsp and rbp are stored by hand:
 * rbp may be the frame pointer, which can't be a clobber. Nothing is pushed, so the CFI of the
 * enclosing function is right at the resume label and unwinders need no more than sp, pc and fp. */
#ifndef WEFT_ARCH_X86_64_CONTEXT_H
#define WEFT_ARCH_X86_64_CONTEXT_H

#include <stdint.h>

#include "arch/context.h"

#if defined(__CET__) && (__CET__ & 1)
#define ARCH_LANDING "endbr64\n\t"
#else
#define ARCH_LANDING ""
#endif

#ifdef __AVX512F__
#define ARCH_VECTOR_CLOBBERS_HIGH                                                                  \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5",  \
        "k6", "k7"
#else
#define ARCH_VECTOR_CLOBBERS_HIGH
#endif

#define ARCH_VECTOR_CLOBBERS                                                                       \
    "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10",       \
        "xmm11", "xmm12", "xmm13", "xmm14", "xmm15" ARCH_VECTOR_CLOBBERS_HIGH

static inline __attribute__((always_inline)) void *
arch_switch(struct arch_context *from, const struct arch_context *to, void *pass)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%[from])\n\t"
                     "movq %%rax, 8(%[from])\n\t"
                     "movq %%rbp, 16(%[from])\n\t"
                     "movq 0(%[to]), %%rsp\n\t"
                     "movq 16(%[to]), %%rbp\n\t"
                     "jmpq *8(%[to])\n\t"
                     "1: " ARCH_LANDING
                     : "+D"(pass), [from] "+S"(from), [to] "+d"(to)
                     :
                     : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
                       "cc", "memory", ARCH_VECTOR_CLOBBERS);
    return pass;
}

static inline __attribute__((always_inline, noreturn)) void arch_jump(const struct arch_context *to,
                                                                      void *pass)
{
    __asm__ volatile("movq 0(%[to]), %%rsp\n\t"
                     "movq 16(%[to]), %%rbp\n\t"
                     "jmpq *8(%[to])\n\t"
                     :
                     : "D"(pass), [to] "d"(to)
                     : "memory");
    __builtin_unreachable();
}

static inline __attribute__((always_inline, noreturn)) void
arch_restart(void *top, void (*fn)(void *), void *pass)
{
    __asm__ volatile("movq %[top], %%rsp\n\t"
                     "movq %[fn], %%rbp\n\t"
                     "jmp arch_entry\n\t"
                     :
                     : "D"(pass), [top] "d"((uintptr_t)top & ~(uintptr_t)15), [fn] "a"(fn)
                     : "memory");
    __builtin_unreachable();
}

/* What a function may use below its stack pointer. */
#define ARCH_RED_ZONE 128

/* In entry.S: call fn(arg) on the stack below sp, or (sp NULL) below this frame. arch_jump(back, result) drops what it
 * has called and returns from here, too. */
void *arch_call_on(struct arch_context *back, void *sp, void *(*fn)(void *), void *arg)
    __attribute__((visibility("hidden")));

/* For a function that always switches before it returns. The call that the processor predicts its return by was another
 * goroutine's, from elsewhere (7 ns); a jump is predicted by where it has gone to before. The returns of its callers come
 * off by one: not for one that may not have switched. */
#define ARCH_RETURNS_ELSEWHERE __attribute__((noinline, function_return("thunk-extern")))

/* As arch_switch() would leave it, for unwinders: while this function's frame is there. */
static inline __attribute__((always_inline)) void arch_context_note(struct arch_context *here)
{
    __asm__ volatile("leaq 1f(%%rip), %%rax\n\t"
                     "movq %%rsp, 0(%[here])\n\t"
                     "movq %%rax, 8(%[here])\n\t"
                     "movq %%rbp, 16(%[here])\n\t"
                     "1:"
                     :
                     : [here] "r"(here)
                     : "rax", "memory");
}

/* In entry.S: fn(arg), which unwinders take for called from where that flow of control stopped. */
void arch_call_within(const struct arch_context *stopped, void (*fn)(void *), void *arg)
    __attribute__((visibility("hidden")));

/* fesetround() sets the rounding bits of both the x87 control word and mxcsr. Reading the former
 * takes 0.6 ns and the latter 14 ns here, so a switch looks at the x87 word only and carries its
 * rounding bits over to mxcsr when they differ. Changes to mxcsr alone (flush to zero) stay with
 * the thread: docs/decisions.md. */
static inline void arch_fp_save(uint16_t *cw)
{
    __asm__ volatile("fnstcw %0" : "=m"(*cw));
}

static inline void arch_set_fp_control(uint16_t cw)
{
    uint32_t mxcsr;
    __asm__ volatile("fldcw %0" : : "m"(cw));
    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
    mxcsr = (mxcsr & ~UINT32_C(0x6000)) | ((uint32_t)(cw & 0x0c00) << 3);
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

static inline void arch_relax(void)
{
    __builtin_ia32_pause();
}

/* 2.3 ns; mfence, which clang would choose, takes 20. */
static inline void arch_fence_full(void)
{
    __asm__ volatile("lock orq $0, (%%rsp)" : : : "memory", "cc");
}

/* A locked instruction orders everything before it with everything after it here. */
static inline void arch_fence_after_rmw(void)
{
    __asm__ volatile("" : : : "memory");
}

/* The thread's value of an initial-exec TLS pointer, read afresh each time: written in C the
 * compiler could keep the variable's address over a switch that moved this stack to another thread. */
#define ARCH_TLS_LOAD(var)                                                                         \
    ({                                                                                             \
        __typeof__(var) tls_value_;                                                                \
        __asm__ volatile("movq " #var "@gottpoff(%%rip), %0\n\tmovq %%fs:(%0), %0"                 \
                         : "=r"(tls_value_));                                                      \
        tls_value_;                                                                                \
    })

#endif
