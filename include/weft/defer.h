/* SPDX-License-Identifier: Apache-2.0
 * defer.h - deferred calls and panics. */
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

/* What WEFT_DEFER is made of: link the record in, and on leaving the block unlink and call it. */
WEFT_API void weft_defer_push(weft_deferred *record, weft_fn fn, void *arg);
WEFT_API void weft_defer_pop(weft_deferred *record);

/* Call fn(arg) when the enclosing block ends, and also when a panic or weft_goexit leaves it, last
 * in first out. fn and arg are evaluated here. Works on foreign threads too. */
#define WEFT_DEFER(fn, arg) WEFT_DEFER_AT_(fn, arg, __COUNTER__)
#define WEFT_DEFER_AT_(fn, arg, id) WEFT_DEFER_NAMED_(fn, arg, id)
#ifdef __cplusplus
WEFT_END_DECLS
namespace weft_detail
{
struct deferred {
    weft_deferred record;
    deferred(weft_fn fn, void *arg) { weft_defer_push(&record, fn, arg); }
    ~deferred() { weft_defer_pop(&record); }
    deferred(const deferred &) = delete;
    deferred &operator=(const deferred &) = delete;
};
} // namespace weft_detail
WEFT_BEGIN_DECLS
#define WEFT_DEFER_NAMED_(fn, arg, id) ::weft_detail::deferred weft_deferred_##id##_((fn), (arg))
#else
#define WEFT_DEFER_NAMED_(fn, arg, id)                                                             \
    __attribute__((cleanup(weft_defer_pop))) weft_deferred weft_deferred_##id##_;                  \
    weft_defer_push(&weft_deferred_##id##_, (fn), (arg))
#endif

/* Raise a panic: this goroutine's deferred calls run, then the process ends with the message and
 * every goroutine, this one first, on stderr (docs/reports.md), status 2. */
WEFT_NORETURN WEFT_API void weft_panic(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Traces as text: of the calling goroutine, or of all with the caller's first, in the form of a report (docs/reports.md). The
 * others are held still for up to 20 ms, and of those that run even so only the header is there. On a foreign thread
 * it is that thread's trace, and the goroutines' if a run is on.
 *   buf, n  where to; what doesn't fit is cut off. There is a '\0' at the end if n isn't 0.
 * Returns how many bytes were written, without that. Any thread; takes no memory. Go: runtime.Stack. */
WEFT_API size_t weft_stack(char *buf, size_t n, bool all);

WEFT_END_DECLS

#endif
