/* SPDX-License-Identifier: Apache-2.0
 * gbench.h - Google Benchmark for C: rows that measure themselves. Knows nothing of weft. */
#ifndef WEFT_BENCH_GBENCH_H
#define WEFT_BENCH_GBENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One timed call of a row. */
struct bench;

/* Do iterations times what the row measures and return the nanoseconds that took, set-up and
 * tear-down left out. Called from main's thread. */
typedef int64_t (*bench_body)(struct bench *bench, int64_t iterations);

struct bench_row {
    const char *name; /* as BENCH.md has it */
    bench_body body;
    int64_t warmup;     /* iterations of one untimed call before the first timed one; 0: none */
    int64_t iterations; /* always this many; 0: as many as fill --benchmark_min_time */
    int64_t ops;        /* operations an iteration; 0 means 1 */
};

/* Make a row known. The struct must outlive bench_main. */
void bench_add(const struct bench_row *row);

/* Set a counter of the row's result; the last value stays. ns_per_op is set to the elapsed time by
 * operations unless the body sets it. */
void bench_count(struct bench *bench, const char *counter, double value);

/* Make the row fail with a message, the first one stays: it has no result then, and bench_main returns
 * non-zero. The body goes on and returns what it likes. Threads may call it one at a time. */
void bench_fail(struct bench *bench, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Take Google Benchmark's flags, run the rows that match, report. Returns main's exit status: 1 if
 * a row failed, no row matched or a flag is unknown. */
int bench_main(int argc, char **argv);

#ifdef __cplusplus
}
#endif

#endif
