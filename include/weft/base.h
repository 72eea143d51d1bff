/* SPDX-License-Identifier: Apache-2.0
 * base.h - what every weft header needs: linkage, the goroutine function type, the version.
 *
 * Conventions of the whole interface: a function that can fail returns 0 (or a count) or a negative
 * errno; a constructor returns NULL and sets errno, which these headers define anew, see below. Durations are int64_t nanoseconds named ..._ns,
 * deadlines are values of weft_now(). */
#ifndef WEFT_BASE_H
#define WEFT_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEFT_VERSION "0.1.0"
#define WEFT_VERSION_NUMBER 100 /* 10000 * major + 100 * minor + patch */

#ifdef __cplusplus
#define WEFT_BEGIN_DECLS extern "C" {
#define WEFT_END_DECLS }
#define WEFT_NORETURN [[noreturn]]
#else
#define WEFT_BEGIN_DECLS
#define WEFT_END_DECLS
#define WEFT_NORETURN _Noreturn
#endif

/* Marks a symbol as part of the library's interface; everything else stays hidden. */
#define WEFT_API __attribute__((visibility("default")))

WEFT_BEGIN_DECLS

/* errno is the goroutine's, and goes with it from thread to thread. libc's macro lets a compiler keep its address over a call,
 * which may be a wait that ends on another thread; by this one it is asked for each time: libc's function is declared to
 * give the same always, and the compiler doesn't see that it is the one that is called. */
__attribute__((unused, always_inline)) static inline int *weft_errno_(void)
{
    int *(*libc)(void) = __errno_location;
    __asm__("" : "+r"(libc));
    return libc();
}
#undef errno
#define errno (*weft_errno_())

/* What a goroutine runs. Returning ends the goroutine. */
typedef void (*weft_fn)(void *arg);

/* The version of the library that is loaded, as WEFT_VERSION has it for the headers. Any thread. */
WEFT_API const char *weft_version(void);

/* Whether the loaded library has an optional part, by name: "jemalloc" (per-P arenas are in use;
 * otherwise malloc(3) serves), "guard_install" (guard pages that split no mapping; known once a
 * goroutine has run). Unknown names and NULL are false. Any thread, any time. */
WEFT_API bool weft_feature(const char *name);

WEFT_END_DECLS

#endif
