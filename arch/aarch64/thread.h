/* SPDX-License-Identifier: Apache-2.0
 * thread.h - aarch64: what the kernel keeps of a thread: registers in a signal's frame, a shadow stack. */
#ifndef WEFT_ARCH_AARCH64_THREAD_H
#define WEFT_ARCH_AARCH64_THREAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <ucontext.h>

#ifndef PR_GET_SHADOW_STACK_STATUS
#define PR_GET_SHADOW_STACK_STATUS 74 /* Linux 6.13 */
#endif

static inline uintptr_t arch_interrupted_pc(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.pc;
}

static inline uintptr_t arch_interrupted_sp(const ucontext_t *u)
{
    return (uintptr_t)u->uc_mcontext.sp;
}

/* Whether returns of this thread are checked against a shadow stack (GCS). */
static inline bool arch_shadow_stack(void)
{
    unsigned long status = 0;
    return prctl(PR_GET_SHADOW_STACK_STATUS, &status, 0, 0, 0) == 0 && (status & 1);
}

#endif
