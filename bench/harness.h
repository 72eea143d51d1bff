/* SPDX-License-Identifier: Apache-2.0
 * harness.h - what the rows of weft-bench share: a run around each call, the clock, the memory of the
 * process, percentiles, and on which processors the work ran. */
#ifndef WEFT_BENCH_HARNESS_H
#define WEFT_BENCH_HARNESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <weft/weft.h>

#include "bench/gbench.h"
#include "runtime/hooks.h"

/* One call of a row's body as goroutine 1. */
struct call {
    struct bench *bench;
    int64_t iterations;
    int64_t elapsed_ns;  /* the body sets it */
    uint64_t procs_seen; /* bit i: work ran on processor i; atomic */
    void (*body)(struct call *call);
};

/* Run body in a weft_run of its own and return the time it measured. Sets the counters procs (how many
 * there were) and, when the body marked any, procs_used. */
int64_t in_weft(struct bench *bench, int64_t iterations, void (*body)(struct call *call));

/* Defines name_row, a bench_body, from name_body, which runs in weft. */
#define ROW_IN_WEFT(name)                                                                          \
    static int64_t name##_row(struct bench *bench, int64_t iterations)                             \
    {                                                                                              \
        return in_weft(bench, iterations, name##_body);                                            \
    }

/* Note which processor runs this goroutine. Hot loops do it now and then. */
static inline void mark_proc(struct call *call)
{
    int proc = weft_priv_proc();
    uint64_t bit = UINT64_C(1) << (proc & 63);
    if (proc >= 0 && !(__atomic_load_n(&call->procs_seen, __ATOMIC_RELAXED) & bit)) {
        __atomic_fetch_or(&call->procs_seen, bit, __ATOMIC_RELAXED);
    }
}

enum { MARK_EVERY = 1024 };

/* Start a goroutine or fail the row; false when it failed. */
bool start(struct call *call, weft_fn fn, void *arg);

/* WEFT_BENCH_SMALL is set: run as a test, with counts that take no time. */
bool bench_small(void);

/* Resident bytes of this process and of its page tables. */
int64_t memory_bytes(void);

/* Sort n samples and set the counters p50_ns, p99_ns and p999_ns. */
void count_percentiles(struct bench *bench, int64_t *samples_ns, size_t n);

/* Print what this machine's operations cost (machine.c). */
int machine_main(void);

/* Each adds the rows of one file. */
void add_yield_rows(void);
void add_spawn_rows(void);
void add_ring_rows(void);
void add_chan_rows(void);
void add_select_rows(void);
void add_csp_rows(void);
void add_sync_rows(void);
void add_fairness_rows(void);
void add_pool_rows(void);
void add_parked_rows(void);
void add_sleep_rows(void);
void add_timer_rows(void);
void add_ctx_rows(void);
void add_rate_rows(void);
void add_flow_rows(void);
void add_blocking_rows(void);
void add_defer_rows(void);
void add_foreign_rows(void);
void add_process_rows(void);

#endif
