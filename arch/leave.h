/* SPDX-License-Identifier: Apache-2.0
 * leave.h - leaving the frames below a call, all at once: what longjmp(3) does, without its signal mask, its mangled
 * pointers and its second return of one function. */
#ifndef WEFT_ARCH_LEAVE_H
#define WEFT_ARCH_LEAVE_H

#include "arch/arch.h"
#include "arch/sanitize.h"

#ifdef WEFT_TSAN
#include <setjmp.h>
#endif

struct leave_point {
    struct arch_context back;
#ifdef WEFT_TSAN
    jmp_buf jump; /* TSan keeps a record of calls, which only longjmp() winds back */
#endif
};

SANITIZE_OWNER_DATA_BEGIN

/* fn(arg), and what it returns; or what leave_to(point) gives, which may be called until fn has returned, on the flow of
 * control that runs fn. */
static inline void *leave_call(struct leave_point *point, void *(*fn)(void *), void *arg)
{
#ifdef WEFT_TSAN
    if (setjmp(point->jump))
        return point->back.sp;
#endif
    return arch_call_on(&point->back, NULL, fn, arg);
}

static inline _Noreturn void leave_to(struct leave_point *point, void *result)
{
#ifdef WEFT_ASAN
    __asan_handle_no_return();
#endif
#ifdef WEFT_TSAN
    point->back.sp = result;
    longjmp(point->jump, 1);
#else
    arch_jump(&point->back, result);
#endif
}

SANITIZE_OWNER_DATA_END

#endif
