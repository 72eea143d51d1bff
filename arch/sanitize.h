/* SPDX-License-Identifier: Apache-2.0
 * sanitize.h - what AddressSanitizer, ThreadSanitizer and Valgrind must be told about stacks.
 * All of it is empty in a plain build. */
#ifndef WEFT_ARCH_SANITIZE_H
#define WEFT_ARCH_SANITIZE_H

#include <stdbool.h>
#include <stddef.h>

#include "arch/atomic.h"

#if defined(__SANITIZE_ADDRESS__)
#define WEFT_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define WEFT_ASAN 1
#endif
#endif

#ifdef WEFT_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif
#ifdef WEFT_TSAN
#include <sanitizer/tsan_interface.h>
void AnnotateIgnoreReadsBegin(const char *file, int line); /* in TSan's run-time library */
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);
#endif
#ifdef WEFT_VALGRIND
#include <valgrind/memcheck.h>
#include <valgrind/valgrind.h>
#endif

#if defined(WEFT_ASAN) || defined(WEFT_TSAN)
#define SANITIZE_FIBERS true
#else
#define SANITIZE_FIBERS false
#endif
#if defined(WEFT_ASAN) || defined(WEFT_TSAN) || defined(WEFT_VALGRIND)
#define SANITIZE_STACKS true
#else
#define SANITIZE_STACKS false
#endif

/* For a function that begins on one flow of control and ends on another: TSan's record of its entry and of
 * its return would be in different ones. */
#if defined(WEFT_TSAN) && defined(__clang__)
#define SANITIZE_NO_FRAME __attribute__((disable_sanitizer_instrumentation))
#else
#define SANITIZE_NO_FRAME
#endif

/* Under TSan a stack that is used again would look like a race between its two users. */
#ifdef WEFT_TSAN
#define SANITIZE_FRESH_STACKS true
#else
#define SANITIZE_FRESH_STACKS false
#endif

/* What a sanitizer keeps for one flow of control. */
struct sanitize_fiber {
#if defined(WEFT_TSAN)
    void *tsan;
#elif defined(WEFT_ASAN)
    void *fake_stack;
    const void *low;
    size_t size;
#else
    char empty_;
#endif
};

SANITIZE_OWNER_DATA_BEGIN

static inline void sanitize_fiber_init(struct sanitize_fiber *f, const void *low, size_t size)
{
#if defined(WEFT_TSAN)
    f->tsan = __tsan_create_fiber(0);
    (void)low, (void)size;
#elif defined(WEFT_ASAN)
    *f = (struct sanitize_fiber){.low = low, .size = size};
#else
    (void)f, (void)low, (void)size;
#endif
}

/* The thread's own stack as a flow of control. */
static inline void sanitize_fiber_thread(struct sanitize_fiber *f, const void *low, size_t size)
{
#if defined(WEFT_TSAN)
    f->tsan = __tsan_get_current_fiber();
    (void)low, (void)size;
#else
    sanitize_fiber_init(f, low, size);
#endif
}

static inline void sanitize_fiber_destroy(struct sanitize_fiber *f)
{
#ifdef WEFT_TSAN
    if (f->tsan)
        __tsan_destroy_fiber(f->tsan);
    f->tsan = NULL;
#else
    (void)f;
#endif
}

/* Around a switch: before it on the old stack (from NULL: it is never resumed), after it on the new. */
static inline __attribute__((always_inline)) void sanitize_leave(struct sanitize_fiber *from,
                                                                 struct sanitize_fiber *to)
{
#if defined(WEFT_TSAN)
    (void)from;
    __tsan_switch_to_fiber(to->tsan, __tsan_switch_to_fiber_no_sync);
#elif defined(WEFT_ASAN)
    __sanitizer_start_switch_fiber(from ? &from->fake_stack : NULL, to->low, to->size);
#else
    (void)from, (void)to;
#endif
}

static inline void sanitize_arrive(struct sanitize_fiber *self)
{
#ifdef WEFT_ASAN
    __sanitizer_finish_switch_fiber(self->fake_stack, NULL, NULL);
#else
    (void)self;
#endif
}

/* An edge "what came before the release is seen after the acquire", where the real one is made by
 * code that isn't instrumented. */
static inline void sanitize_release(void *p)
{
#ifdef WEFT_TSAN
    __tsan_release(p);
#else
    (void)p;
#endif
}

static inline void sanitize_acquire(void *p)
{
#ifdef WEFT_TSAN
    __tsan_acquire(p);
#else
    (void)p;
#endif
}

/* Between these two, library functions that TSan watches (malloc, free, mmap, memset) are not taken
 * for accesses by this goroutine; what they allocate has no history. */
static inline void sanitize_ignore_begin(void)
{
#ifdef WEFT_TSAN
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
    AnnotateIgnoreWritesBegin(__FILE__, __LINE__);
#endif
}

static inline void sanitize_ignore_end(void)
{
#ifdef WEFT_TSAN
    AnnotateIgnoreWritesEnd(__FILE__, __LINE__);
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
#endif
}

/* Memcheck takes a change of the stack pointer for a frame, unless it leads from one stack that it knows to another. The
 * number is for sanitize_stack_deregister(). */
static inline unsigned sanitize_stack_register(void *low, void *high)
{
#ifdef WEFT_VALGRIND
    return VALGRIND_STACK_REGISTER(low, high);
#else
    (void)low, (void)high;
    return 0;
#endif
}

static inline void sanitize_stack_deregister(unsigned number)
{
#ifdef WEFT_VALGRIND
    VALGRIND_STACK_DEREGISTER(number);
#else
    (void)number;
#endif
}

/* bytes below sp are about to be used as a stack: Memcheck takes what lies below the stack pointer of a thread
 * for lost, and doesn't follow it there from another stack. */
static inline void sanitize_stack_below(char *sp, size_t bytes)
{
#ifdef WEFT_VALGRIND
    (void)VALGRIND_MAKE_MEM_UNDEFINED(sp - bytes, bytes);
#else
    (void)sp, (void)bytes;
#endif
}

/* A stack leaves one user: forget the red zones of frames that never returned. */
static inline void sanitize_stack_recycle(void *low, size_t size)
{
#ifdef WEFT_ASAN
    __asan_unpoison_memory_region(low, size);
#else
    (void)low, (void)size;
#endif
}

SANITIZE_OWNER_DATA_END

#endif
