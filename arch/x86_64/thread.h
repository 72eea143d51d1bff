/* SPDX-License-Identifier: Apache-2.0
 * thread.h - x86_64: what the kernel keeps of a thread: registers in a signal's frame, a shadow stack. */
#ifndef WEFT_ARCH_X86_64_THREAD_H
#define WEFT_ARCH_X86_64_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

static inline uintptr_t arch_interrupted_pc(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.gregs[REG_RIP];
}

static inline uintptr_t arch_interrupted_sp(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.gregs[REG_RSP];
}

/* Whether returns of this thread are checked against a shadow stack (CET). rdssp is a nop where none is
 * in use, and on processors that have none. */
static inline bool arch_shadow_stack(void)
{
    uint64_t ssp = 0;
    __asm__ volatile("rdsspq %0" : "+r"(ssp));
    return ssp != 0;
}

#endif
