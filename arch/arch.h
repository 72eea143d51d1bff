/* SPDX-License-Identifier: Apache-2.0
 * arch.h - what the rest of weft may know of the processor. Each port gives, in its own folder
 * (docs/porting.md says it at more length):
 *
 *   struct arch_context                 where a stopped flow of control goes on: sp, pc, fp
 *   arch_context_init(ctx, top, fn)     a context that calls fn(pass) at the top of a stack
 *   arch_switch(from, to, pass)         stop here, go on at `to`; gives what the next switcher passes
 *   arch_jump(to, pass)                 go on at `to`, never come back
 *   arch_restart(top, fn, pass)         drop all frames of this stack and call fn(pass) at its top
 *   arch_call_on(back, sp, fn, arg)     call fn on another stack, below sp - ARCH_RED_ZONE, or on this one (sp NULL);
 *                                       arch_jump(back, result) returns from the call, too
 *   arch_fp_save(&word), arch_set_fp_control(word)   the rounding mode's control word, 16 bits
 *   arch_relax()                        a pause in a spin loop
 *   arch_fence_full()                   a store-load fence
 *   arch_fence_after_rmw()              the same right after an RMW, which may have done it already
 *   ARCH_TLS_LOAD(var)                  a thread-local pointer, read afresh
 *   ARCH_RETURNS_ELSEWHERE              attributes of a function that returns on another stack than the last call was made on
 *   arch_cas_pair(at, lo, hi, new_lo, new_hi)   compare and swap of two words
 *
 * Not saved by a switch: what the C calling convention leaves to the caller, the floating-point exception
 * flags, and such controls as the port names. */
#ifndef WEFT_ARCH_ARCH_H
#define WEFT_ARCH_ARCH_H

#include "weft-config.h"

#if defined(__SANITIZE_THREAD__)
#define WEFT_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEFT_TSAN 1
#endif
#endif

/* The scheduler's own data belongs to whoever holds the M or the P, which to TSan, for which every
 * goroutine is a thread, looks like sharing. Between these two lines plain accesses are not
 * instrumented; atomics still are, and make the edges that user code relies on. */
#if defined(WEFT_TSAN) && defined(__clang__)
#define SANITIZE_OWNER_DATA_BEGIN                                                                  \
    _Pragma("clang attribute push(__attribute__((no_sanitize(\"thread\"))), apply_to = function)")
#define SANITIZE_OWNER_DATA_END _Pragma("clang attribute pop")
#else
#define SANITIZE_OWNER_DATA_BEGIN
#define SANITIZE_OWNER_DATA_END
#endif

SANITIZE_OWNER_DATA_BEGIN
#if defined(__x86_64__)
#include "arch/x86_64/context.h"
#include "arch/x86_64/pair.h"
#elif defined(__aarch64__)
#include "arch/aarch64/context.h"
#include "arch/aarch64/pair.h"
#else
#error "weft has no port to this processor yet: docs/porting.md says what one has to give"
#endif
SANITIZE_OWNER_DATA_END

#define CACHE_LINE 64

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#endif
