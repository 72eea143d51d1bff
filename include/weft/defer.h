/* SPDX-License-Identifier: Apache-2.0
 * defer.h - deferred calls and panics.
 *
 * As in Go, but that weft_try takes the place of recover. A panic first runs the deferred calls, last in first out, of all
 * that was called since the innermost weft_try; then that returns true. With no weft_try around it, it ends the process. A
 * panic in a deferred call takes the place of the one that the call runs for, if there is one; a weft_try in it catches
 * what is raised in it, and no other.
 *
 * weft doesn't unwind: of C++ frames that a panic or weft_goexit leaves, destructors don't run, but for WEFT_DEFER's, and
 * those of the exceptions that these frames had thrown or caught. A
 * deferred call must not throw. A function that has deferred something must not be left by longjmp, pthread_exit, or an
 * exception through C code that isn't compiled with -fexceptions: the call would be made when its frame is gone.
 *
 * An exception that would leave a function which weft has called, a goroutine's, weft_try's or weft_blocking's, is a panic
 * instead, raised where it was thrown: the message is its what(). Within them exceptions are the
 * program's own; goroutines may park between throw and catch, as long as the C++ runtime was loaded when the run
 * began. */
#ifndef WEFT_DEFER_H
#define WEFT_DEFER_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* A deferred call, in the frame that defers it. weft's; use WEFT_DEFER. */
typedef struct weft_deferred {
    struct weft_deferred *next_;
    weft_fn fn_;
    void *arg_;
} weft_deferred;

/* What a block keeps of one: a record that others may look at must lie in memory, this needn't. weft's. */
typedef struct weft_defer_scope {
    weft_deferred **list_, *next_;
    weft_fn fn_;
    void *arg_;
} weft_defer_scope;

/* Where the list of this goroutine's or foreign thread's deferred calls begins, newest first. It stays where it is, whatever
 * thread the goroutine runs on, so a function needs to ask only once. Fatal on a foreign thread without memory. */
WEFT_API weft_deferred **weft_defer_list(void) __attribute__((const));

/* The list is the goroutine's, not the thread's: TSan is told of goroutines only by their switches. */
#define WEFT_DEFER_FN_ __attribute__((unused, no_sanitize("thread"))) static inline

WEFT_DEFER_FN_ weft_defer_scope weft_defer_enter_(weft_deferred *record, weft_fn fn, void *arg)
{
    weft_deferred **list = weft_defer_list();
    weft_defer_scope scope = {list, *list, fn, arg};
    record->next_ = scope.next_;
    record->fn_ = fn;
    record->arg_ = arg;
    *list = record;
    return scope;
}

WEFT_DEFER_FN_ void weft_defer_leave_(weft_defer_scope *scope)
{
    *scope->list_ = scope->next_;
    scope->fn_(scope->arg_);
}

/* Call fn(arg) when the enclosing block ends, and also when a panic or weft_goexit leaves it, last
 * in first out. fn and arg are evaluated here. Works on foreign threads too. Some ten instructions. */
#define WEFT_DEFER(fn, arg) WEFT_DEFER_AT_(fn, arg, __COUNTER__)
#define WEFT_DEFER_AT_(fn, arg, id) WEFT_DEFER_NAMED_(fn, arg, id)
#ifdef __cplusplus
WEFT_END_DECLS
namespace weft_detail
{
struct deferred {
    weft_defer_scope scope;
    deferred(weft_deferred *record, weft_fn fn, void *arg)
        : scope(weft_defer_enter_(record, fn, arg))
    {
    }
    ~deferred() { weft_defer_leave_(&scope); }
    deferred(const deferred &) = delete;
    deferred &operator=(const deferred &) = delete;
};
} // namespace weft_detail
WEFT_BEGIN_DECLS
#define WEFT_DEFER_NAMED_(fn, arg, id)                                                             \
    weft_deferred weft_deferred_##id##_;                                                           \
    ::weft_detail::deferred weft_defer_scope_##id##_(&weft_deferred_##id##_, (fn), (arg))
#else
#define WEFT_DEFER_NAMED_(fn, arg, id)                                                             \
    weft_deferred weft_deferred_##id##_;                                                           \
    __attribute__((cleanup(weft_defer_leave_))) weft_defer_scope weft_defer_scope_##id##_ =        \
        weft_defer_enter_(&weft_deferred_##id##_, (fn), (arg))
#endif

/* Raise a panic: deferred calls run, then the innermost weft_try returns true. If there is none, the process ends with
 * "panic: MESSAGE" and every goroutine, this one first, on stderr (docs/reports.md), status 2; panics that it interrupted the deferred calls of
 * stand above it. Of the message 255 bytes count; in the report
 * a tab follows each newline. In weft_blocking's function it is raised in the goroutine, after the deferred calls
 * of that function, unless a weft_try in that catches it. In a pool's construct and destroy no weft_try around the call
 * catches it, nor in a weft_local's destroy. (Go: panic.) */
WEFT_NORETURN WEFT_API void weft_panic(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* What weft_try tells about a panic. */
typedef struct weft_panic_info {
    char message[256];
    uint64_t goroutine; /* which one panicked; 0: a foreign thread */
    char *trace;        /* where: a line a frame, innermost first; NULL without memory */
} weft_panic_info;

/* Call fn(arg). True: it panicked, and its deferred calls have run (Go: a deferred recover). On goroutines, in blocking
 * sections and on foreign threads.
 *   info  told what happened, to be given back by weft_panic_clear; {0} if nothing did. NULL: nobody wants to
 *         know, which spares making the message and the trace: symbols are read from files, half a millisecond
 * weft_goexit in fn ends the goroutine, not just the try. The rounding mode is again the caller's. Other goroutines' panics
 * can't be tried. Fatal on a foreign thread without memory. */
WEFT_API bool weft_try(weft_fn fn, void *arg, weft_panic_info *info);

/* Free what belongs to info; NULL, and a second time, are no error. */
WEFT_API void weft_panic_clear(weft_panic_info *info);

/* Traces as text: of the calling goroutine, or of all with the caller's first, in the form of a report (docs/reports.md). The
 * others are held still for up to 20 ms, and of those that run even so only the header is there. On a foreign thread
 * it is that thread's trace, and the goroutines' if a run is on.
 *   buf, n  where to; what doesn't fit is cut off. There is a '\0' at the end if n isn't 0.
 * Returns how many bytes were written, without that. Any thread; takes no memory. Go: runtime.Stack. */
WEFT_API size_t weft_stack(char *buf, size_t n, bool all);

WEFT_END_DECLS

#endif
