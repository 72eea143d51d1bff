/* SPDX-License-Identifier: Apache-2.0
 * hooks.h - entry points for weft's own tests and benchmarks. Exported under WEFT_PRIVATE, not
 * installed, and without any promise: programs must not use them. */
#ifndef WEFT_RUNTIME_HOOKS_H
#define WEFT_RUNTIME_HOOKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/base.h>

WEFT_BEGIN_DECLS

/* A place where one goroutine can wait for one other party: zero-initialise. */
typedef struct weft_priv_gate {
    uint64_t word;
} weft_priv_gate;

/* Park until the gate is opened; one open lets one pass through, also when it came first.
 * One RMW each way: this is the bare cost of the park/unpark protocol. */
WEFT_API void weft_priv_gate_wait(weft_priv_gate *gate);
WEFT_API void weft_priv_gate_open(weft_priv_gate *gate);

/* Stop this thread at its nth atomic operation inside weft from now (0: never) until weft_priv_release is called; for one
 * thread at a time. False: this isn't a test build, nothing happens. */
WEFT_API bool weft_priv_hold_at(unsigned nth);
WEFT_API bool weft_priv_held(void);
WEFT_API void weft_priv_release(void);

/* The clock goes forward by ns, or flies from one awaited time to the next. False: this isn't a test build, nothing happens. A
 * wait that began before the first of these calls doesn't see it. */
WEFT_API bool weft_priv_clock_move(int64_t ns);
WEFT_API void weft_priv_clock_fly(bool on);

/* Ask the calling thread's goroutine to give way, as sysmon does when a slice is used up. */
WEFT_API void weft_priv_ask(void);

/* While on, a wait of this goroutine keeps its processor, looks for its wake-up for a moment, and then sleeps as a foreign
 * thread does: so two goroutines stay on two processors. Off before it ends. For waits on channels only. */
WEFT_API void weft_priv_hold(bool on);

/* Index of the processor that runs this goroutine, -1 on a foreign thread. */
WEFT_API int weft_priv_proc(void);

/* Count the readers of a rwmutex, which the caller reads, by processors from now on, as if readers had met often. False: it
 * can't be now. */
struct weft_rwmutex;
WEFT_API bool weft_priv_rwmutex_bias(struct weft_rwmutex *rw);

/* weft_select as a stage selects, whose done is in the last case (runtime/chan/watch.h). */
struct weft_case;
WEFT_API int weft_priv_select_or_stop(struct weft_case *cases, size_t n);

/* How many looks for partial deadlocks have come to an end, with what they found told. */
WEFT_API uint64_t weft_priv_partial_looks(void);

WEFT_END_DECLS

#endif
