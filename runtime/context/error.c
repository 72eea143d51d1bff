/* SPDX-License-Identifier: Apache-2.0
 * error.c - weft_error: making them and asking them. What they look like in print is in error_text.c. */
#include "runtime/context/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <weft/ctx.h>
#include <weft/go.h>

#include "alloc/alloc.h"
#include "arch/symbol.h"
#include "arch/text.h"
#include "arch/unwind.h"
#include "runtime/context/context.h"

/* Those that need no memory. They are made nowhere and at no time. */
static struct weft_error no_memory = {.code = -ENOMEM, .message = "out of memory", .trace_id = ""};
static struct weft_error cancelled = {
    .code = -ECANCELED, .message = "context canceled", .trace_id = ""};
static struct weft_error timed_out = {
    .code = -ETIMEDOUT, .message = "context deadline exceeded", .trace_id = ""};

SANITIZE_OWNER_DATA_BEGIN

weft_error *error_cancelled(void)
{
    return &cancelled;
}

weft_error *error_timed_out(void)
{
    return &timed_out;
}

/* ---- where and when ---- */

struct frames {
    weft_error *e;
    uintptr_t first; /* where the program called weft */
    bool arrived;
};

static bool note_frame(uintptr_t pc, bool called, void *arg)
{
    struct frames *f = arg;
    (void)called;
    f->arrived |= pc == f->first;
    if (f->arrived)
        f->e->pcs[f->e->frames++] = pc;
    return f->e->frames < ERROR_FRAMES_MAX;
}

static void note_frames(weft_error *e, void *caller)
{
    struct frames f = {.e = e, .first = (uintptr_t)caller};
    os_unwind_here(note_frame, &f);
    if (!f.arrived)
        e->pcs[e->frames++] = f.first;
}

static void make_trace_id(char id[ERROR_TRACE_BYTES])
{
    struct text t = text_begin(id, ERROR_TRACE_BYTES);
    text_number(&t, os_random(), 16, 16);
    text_number(&t, os_random(), 16, 16);
}

/* ---- making ---- */

/* What an error is made from. */
struct making {
    weft_error *inner;
    const char *trace_id; /* of a context; NULL: none */
    int code;
    void *caller;
};

static weft_error *make(const struct making *m, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    size_t message_bytes = length < 0 ? 1 : (size_t)length + 1;
    bool inherits = m->inner && *m->inner->trace_id; /* one that is always there has none */
    const char *trace_id = m->inner ? NULL : m->trace_id;
    size_t trace_bytes = trace_id ? strlen(trace_id) + 1 : 0;
    weft_error *e =
        alloc_zeroed(_Alignof(weft_error), sizeof(weft_error) + message_bytes + trace_bytes);
    if (!e)
        return m->inner ? m->inner : &no_memory;
    char *message = (char *)(e + 1), *trace = message + message_bytes;
    if (length >= 0)
        vsnprintf(message, message_bytes, format, args);
    atomic_store_relaxed(&e->refs, 1);
    e->code = m->code;
    e->inner = m->inner;
    e->message = message;
    e->unix_ns = os_unix_ns();
    e->goroutine = weft_self();
    e->process = os_process_id();
    os_host_name(e->host);
    if (trace_bytes)
        memcpy(trace, trace_id, trace_bytes);
    else if (!inherits)
        make_trace_id(e->own_trace);
    e->trace_id = inherits ? m->inner->trace_id : trace_bytes ? trace : e->own_trace;
    note_frames(e, m->caller);
    return e;
}

#define CALLER __builtin_extract_return_addr(__builtin_return_address(0))

weft_error *weft_error_new(int code, const char *format, ...)
{
    struct making m = {.code = code, .caller = CALLER};
    va_list args;
    va_start(args, format);
    weft_error *e = make(&m, format, args);
    va_end(args);
    return e;
}

weft_error *weft_error_new_ctx(weft_ctx *ctx, int code, const char *format, ...)
{
    struct making m = {.code = code, .trace_id = weft_ctx_trace(ctx), .caller = CALLER};
    va_list args;
    va_start(args, format);
    weft_error *e = make(&m, format, args);
    va_end(args);
    return e;
}

weft_error *weft_error_wrap(weft_error *inner, int code, const char *format, ...)
{
    struct making m = {.code = code, .inner = inner, .caller = CALLER};
    va_list args;
    va_start(args, format);
    weft_error *e = make(&m, format, args);
    va_end(args);
    return e;
}

void weft_error_set_user_message(weft_error *e, const char *format, ...)
{
    if (!e || !atomic_load_relaxed(&e->refs))
        return;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    size_t bytes = length < 0 ? 1 : (size_t)length + 1;
    char *text = alloc_zeroed(1, bytes);
    if (!text)
        return;
    va_start(args, format);
    vsnprintf(text, bytes, format, args);
    va_end(args);
    alloc_free(e->user_message);
    e->user_message = text;
}

/* ---- references ---- */

weft_error *weft_error_ref(weft_error *e)
{
    if (e && atomic_load_relaxed(&e->refs))
        atomic_add_relaxed(&e->refs, 1);
    return e;
}

void weft_error_unref(weft_error *e)
{
    while (e && atomic_load_relaxed(&e->refs) && atomic_sub_acq_rel(&e->refs, 1) == 1) {
        weft_error *inner = e->inner;
        alloc_free(e->user_message);
        alloc_free(atomic_load_relaxed(&e->stack));
        alloc_free(e);
        e = inner;
    }
}

/* ---- asking ---- */

int weft_error_code(const weft_error *e)
{
    return e ? e->code : 0;
}

const char *weft_error_message(const weft_error *e)
{
    return e ? e->message : NULL;
}

const char *weft_error_user_message(const weft_error *e)
{
    while (e && !e->user_message)
        e = e->inner;
    return e ? e->user_message : NULL;
}

const char *weft_error_trace_id(const weft_error *e)
{
    return e ? e->trace_id : NULL;
}

const char *weft_error_host(const weft_error *e)
{
    return e ? e->host : NULL;
}

int64_t weft_error_unix_ns(const weft_error *e)
{
    return e ? e->unix_ns : 0;
}

uint64_t weft_error_goroutine(const weft_error *e)
{
    return e ? e->goroutine : 0;
}

weft_error *weft_error_inner(const weft_error *e)
{
    return e ? e->inner : NULL;
}

bool weft_error_is(const weft_error *e, int code)
{
    while (e && e->code != code)
        e = e->inner;
    return e;
}

#define LINE_BYTES 192 /* a frame's; longer names are cut */

static void add_frames(const weft_error *e, char *out, size_t bytes)
{
    struct text t = text_begin(out, bytes);
    for (unsigned i = 0; i < e->frames; i++) {
        char line[LINE_BYTES];
        struct text l = text_begin(line, sizeof line - 1);
        text_hex(&l, e->pcs[i]);
        text_char(&l, ' ');
        os_symbol_add(&l, e->pcs[i], true);
        text_add(&t, line);
        text_char(&t, '\n');
    }
}

const char *weft_error_stack(const weft_error *e)
{
    if (!e)
        return NULL;
    _Atomic(char *) *cell = (_Atomic(char *) *)&e->stack;
    char *text = atomic_load_acquire(cell), *none = NULL;
    if (text || !e->frames)
        return text ? text : "";
    size_t bytes = e->frames * (size_t)LINE_BYTES;
    text = alloc_aligned(1, bytes);
    if (!text)
        return "";
    add_frames(e, text, bytes);
    if (atomic_cas_acq_rel(cell, &none, text))
        return text;
    alloc_free(text);
    return none;
}

SANITIZE_OWNER_DATA_END
