/* SPDX-License-Identifier: Apache-2.0
 * arch.h - the model checker's machine, found before the real arch/arch.h on the include path.
 * arch/atomic.h and the rest of arch/ are the real ones: this is a port like any other.
 *
 * Fences are C11's. A flow of control (a goroutine's stack, or an M's own) is a thread of the model
 * checker that waits for its turn; a switch passes the turn on. Since only the thread whose turn it is
 * moves, what one M does is ordered as on the machine, by the turn. Between two Ms nothing is ordered but
 * by what weft does: a switch writes the context that it leaves, and reads the one that it enters, by plain
 * accesses, and a flow writes to its stack by plain accesses as long as it stands on it. So a
 * goroutine that is resumed before it has left, or a stack with two users, is a race (or a use
 * after free), which the checker reports. */
#ifndef WEFT_ARCH_ARCH_H
#define WEFT_ARCH_ARCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "weft-config.h"

void __VERIFIER_assert_fail(const char *text, const char *file, int line);
void __VERIFIER_loop_begin(void);
void __VERIFIER_spin_start(void);
void __VERIFIER_spin_end(_Bool condition);

/* Go on when condition, an expression with atomic loads in it, holds. Who waits for ever is an error. */
#define AWAIT(condition)                                                                           \
    (__VERIFIER_loop_begin(), __VERIFIER_spin_start(), __VERIFIER_spin_end(condition))

#define SANITIZE_OWNER_DATA_BEGIN
#define SANITIZE_OWNER_DATA_END

#define CACHE_LINE 64

#define likely(x) (!!(x))
#define unlikely(x) (!!(x))

#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

static inline void arch_relax(void) {}

static inline void arch_fence_full(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

/* Full too: what x86 gets from the RMW itself is what weft asks for. */
static inline void arch_fence_after_rmw(void)
{
    atomic_thread_fence(memory_order_seq_cst);
}

/* Drivers use elements that fit 32 bits. */
static inline _Bool arch_cas_pair(void *at, uint64_t lo, uint64_t hi, uint64_t new_lo,
                                  uint64_t new_hi)
{
    (void)at, (void)lo, (void)hi, (void)new_lo, (void)new_hi;
    __VERIFIER_assert_fail("a wide element", __FILE__, __LINE__);
    return 0;
}

/* Drivers with pairs of numbers below 2^32 have them in one word, a half each: model/edits puts these in the place
 * of accesses to either. */
static inline uint64_t model_load_lo(void *at)
{
    return (uint32_t)atomic_load_explicit((_Atomic(uint64_t) *)at, memory_order_acquire);
}

static inline uint64_t model_load_hi(void *at)
{
    return atomic_load_explicit((_Atomic(uint64_t) *)at, memory_order_acquire) >> 32;
}

static inline _Bool model_cas_halves(void *at, uint64_t lo, uint64_t hi, uint64_t new_lo,
                                     uint64_t new_hi)
{
    uint64_t was = hi << 32 | lo;
    if ((lo | hi | new_lo | new_hi) >> 32)
        __VERIFIER_assert_fail("a wide number", __FILE__, __LINE__);
    return atomic_compare_exchange_strong_explicit((_Atomic(uint64_t) *)at, &was,
                                                   new_hi << 32 | new_lo, memory_order_acq_rel,
                                                   memory_order_relaxed);
}

/* As large as a real one; the depot's links lie over it while a descriptor is free. */
struct arch_context {
    void *sp;             /* plain: stands for all that a switch saves */
    _Atomic(void *) turn; /* what the switcher passes; NULL: not this flow's turn */
    void (*fn)(void *);
};

/* The M whose turn it is to run on this thread, and the stack it stands on. */
static _Thread_local void *model_m;
static _Thread_local void *model_stack;

#define ARCH_TLS_LOAD(var) model_##var()
#define ARCH_RETURNS_ELSEWHERE __attribute__((noinline))
#define model_tls_m() ((struct m *)model_m)

/* The word below a stack's record, where its first frame is. */
static inline void model_touch_stack(void)
{
    if (model_stack)
        ((uintptr_t *)model_stack)[-1] = 1;
}

static inline void *model_await_turn(struct arch_context *ctx)
{
    void *pass;
    AWAIT((pass = atomic_load_explicit(&ctx->turn, memory_order_acquire)) != NULL);
    atomic_store_explicit(&ctx->turn, NULL, memory_order_relaxed);
    model_m = pass;
    model_touch_stack();
    return pass;
}

static inline void model_pass_turn(const struct arch_context *to, void *pass)
{
    if (!to->sp)
        __VERIFIER_assert_fail("a switch to what was never saved", __FILE__, __LINE__);
    model_touch_stack();
    atomic_store_explicit(&((struct arch_context *)to)->turn, pass, memory_order_release);
}

static inline void *model_flow(void *ctx)
{
    struct arch_context *c = ctx;
    model_stack = c->sp;
    void (*fn)(void *) = c->fn;
    fn(model_await_turn(c));
    return NULL;
}

/* It is created before its turn comes, by the M that will pass it. */
/* For unwinders only. */
static inline void arch_context_note(struct arch_context *here)
{
    (void)here;
}

static inline void arch_context_init(struct arch_context *ctx, void *top, void (*fn)(void *))
{
    pthread_t thread;
    ctx->sp = top;
    ctx->fn = fn;
    atomic_store_explicit(&ctx->turn, NULL, memory_order_relaxed);
    pthread_create(&thread, NULL, model_flow, ctx);
}

static inline void *arch_switch(struct arch_context *from, const struct arch_context *to,
                                void *pass)
{
    from->sp = from;
    model_pass_turn(to, pass);
    return model_await_turn(from);
}

_Noreturn static inline void arch_jump(const struct arch_context *to, void *pass)
{
    model_pass_turn(to, pass);
    pthread_exit(NULL);
    __builtin_unreachable();
}

_Noreturn static inline void arch_restart(void *top, void (*fn)(void *), void *pass)
{
    model_stack = top;
    model_touch_stack();
    fn(pass);
    __builtin_unreachable();
}

#define ARCH_RED_ZONE 0

/* Another stack of the same flow. */
static inline void *arch_call_on(struct arch_context *back, void *sp, void *(*fn)(void *),
                                 void *arg)
{
    (void)back, (void)sp;
    return fn(arg);
}

static inline void arch_fp_save(uint16_t *control)
{
    *control = 0;
}

static inline void arch_set_fp_control(uint16_t control)
{
    (void)control;
}

#endif
