/* SPDX-License-Identifier: Apache-2.0
 * error.h - within runtime/context/: an error. */
#ifndef WEFT_CONTEXT_ERROR_H
#define WEFT_CONTEXT_ERROR_H

#include <weft/error.h>

#include "arch/atomic.h"
#include "arch/os.h"

#define ERROR_FRAMES_MAX 32
#define ERROR_TRACE_BYTES 33 /* 32 hexadecimal digits */

/* Its texts lie behind it, but for those that come later. */
struct weft_error {
    _Atomic(uint32_t) refs; /* 0: it is always there */
    int code;
    int process;
    unsigned frames;
    int64_t unix_ns;
    uint64_t goroutine;
    weft_error *inner;
    const char *message;
    char *user_message;    /* NULL: none */
    const char *trace_id;  /* in this one, or in the one it wraps */
    _Atomic(char *) stack; /* NULL: not asked for yet */
    uintptr_t pcs[ERROR_FRAMES_MAX];
    char host[OS_HOST_BYTES];
    char own_trace[ERROR_TRACE_BYTES];
};

#endif
