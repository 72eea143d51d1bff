/* SPDX-License-Identifier: Apache-2.0
 * local.h - goroutine-local storage: values that each goroutine has of its own. */
#ifndef WEFT_LOCAL_H
#define WEFT_LOCAL_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* A key, under which every goroutine and every foreign thread has a value, at first NULL. Keys live as long
 * as the process, over all runs. */
typedef struct weft_local weft_local;

/* A new key; NULL and ENOMEM without memory. Any thread, any time.
 *   destroy  called with each value that isn't NULL when its goroutine ends, on that goroutine and after
 *            its deferred calls; the key's value is NULL by then. NULL: nothing is called.
 * destroy may do what any goroutine may: wait, start others, get and set locals. What it sets is destroyed
 * in a further round, up to four in all; what is left then stays with the program. A panic
 * in destroy can't be tried, weft_goexit just ends it. In which order keys are treated isn't defined.
 * Goroutines that are abandoned when main returns destroy nothing. On a foreign thread destroy is called
 * when the thread exits (not when the process does). */
WEFT_API weft_local *weft_local_new(void (*destroy)(void *value));

/* The caller's value; NULL when none was set. Inside weft_blocking a thread is foreign: it has its own.
 * Some instructions, no memory shared with others. */
WEFT_API void *weft_local_get(weft_local *key);

/* Set the caller's value, which the old one's owner sees to: destroy isn't called. 0, -EINVAL (key NULL) or
 * -ENOMEM, which can happen only where the key had no value before. */
WEFT_API int weft_local_set(weft_local *key, void *value);

WEFT_END_DECLS

#endif
