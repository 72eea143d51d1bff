/* SPDX-License-Identifier: Apache-2.0
 * pool.h - memory from this processor's arena. */
#ifndef WEFT_POOL_H
#define WEFT_POOL_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* n bytes from this processor's jemalloc arena (malloc(3) where there is none), aligned for any type.
 * NULL and errno ENOMEM when there is no memory. n == 0 gives a pointer to free. Any thread. */
WEFT_API void *weft_alloc(size_t n);

/* Give back what weft_alloc returned, from anywhere; NULL is allowed. */
WEFT_API void weft_free(void *p);

WEFT_END_DECLS

#endif
