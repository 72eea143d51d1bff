/* SPDX-License-Identifier: Apache-2.0
 * error.h - errors that say what happened, when, where, to whom, and what to tell the user.
 *
 *   weft_error *e = weft_error_wrap(low, -EIO, "order %d can't be read", id);
 *   weft_error_set_user_message(e, "Your order is not available at the moment.");
 *   weft_error_print(e, stderr);
 *   weft_error_unref(e);
 *
 * An error has a code (negative errno by custom; any number will do), a message for the operator, and where it was made:
 * UTC time, host, process, goroutine, stack. It may wrap another, which it then owns, and so on. A trace id ties together
 * what belongs to one request: that of the error it wraps, else that of the context, else 32 random hexadecimal digits.
 *
 * Errors are never NULL when they are made. Where there is no memory one wraps nothing: making gives the error that was to be
 * wrapped, or else one that is always there, code -ENOMEM. All functions may be called from any thread, with or without a run
 * in progress, several at once on one error; only the user message is set before others see it. Texts live as long
 * as the error. With NULL for an error they give 0, false or NULL. */
#ifndef WEFT_ERROR_H
#define WEFT_ERROR_H

#include <stdio.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/* Opaque. */
typedef struct weft_error weft_error;
typedef struct weft_ctx weft_ctx;

/* An error, with one reference. The message is format's, as printf(3), of any length. */
WEFT_API weft_error *weft_error_new(int code, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, with the trace id of a context; if that has none, or is NULL, a new one. */
WEFT_API weft_error *weft_error_new_ctx(weft_ctx *ctx, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One that wraps inner, whose reference is taken over. NULL for inner: weft_error_new. */
WEFT_API weft_error *weft_error_wrap(weft_error *inner, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* What the user may be told. Before others have the error; a text set earlier is gone. Without memory it stays as it
 * was. */
WEFT_API void weft_error_set_user_message(weft_error *e, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Add a reference and give e; drop one. The last frees it and drops what it wraps. */
WEFT_API weft_error *weft_error_ref(weft_error *e);
WEFT_API void weft_error_unref(weft_error *e);

WEFT_API int weft_error_code(const weft_error *e);
WEFT_API const char *weft_error_message(const weft_error *e);

/* What was set, for this error or else for the nearest that it wraps; NULL: nothing. */
WEFT_API const char *weft_error_user_message(const weft_error *e);

WEFT_API const char *weft_error_trace_id(const weft_error *e);

/* The name of the machine that it was made on. */
WEFT_API const char *weft_error_host(const weft_error *e);

/* Where it was made: a line a frame, innermost first. The first call looks the names up, which takes a while; making an
 * error only notes addresses. "" when there is no memory for the text. */
WEFT_API const char *weft_error_stack(const weft_error *e);

/* When: nanoseconds since 1970 UTC. */
WEFT_API int64_t weft_error_unix_ns(const weft_error *e);

/* Which goroutine made it (weft_self); 0: a foreign thread. */
WEFT_API uint64_t weft_error_goroutine(const weft_error *e);

/* What it wraps, borrowed; NULL: nothing. */
WEFT_API weft_error *weft_error_inner(const weft_error *e);

/* Whether it, or one that it wraps, has this code. */
WEFT_API bool weft_error_is(const weft_error *e, int code);

/* Write all of it and of what it wraps for the operator, some lines each, by one fwrite(3) and a flush. 0, or -errno if the
 * stream refuses. */
WEFT_API int weft_error_print(const weft_error *e, FILE *f);

/* The same as one JSON object (RFC 8259), what it wraps as "inner"; what isn't UTF-8 in a text is U+FFFD there. The string
 * is free(3)'s. NULL and errno ENOMEM. */
WEFT_API char *weft_error_json(const weft_error *e);

WEFT_END_DECLS

#endif
