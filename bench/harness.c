/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void call_main(void *arg)
{
    struct call *call = arg;
    weft_stats stats;
    weft_stats_read(&stats);
    bench_count(call->bench, "procs", (double)stats.procs);
    call->body(call);
}

int64_t in_weft(struct bench *bench, int64_t iterations, void (*body)(struct call *call))
{
    struct call call = {.bench = bench, .iterations = iterations, .body = body};
    int error = weft_run(call_main, &call, NULL);
    if (error) {
        bench_fail(bench, "weft_run: %s", strerror(-error));
    }
    if (call.procs_seen) {
        bench_count(bench, "procs_used", __builtin_popcountll(call.procs_seen));
    }
    return call.elapsed_ns;
}

bool start(struct call *call, weft_fn fn, void *arg)
{
    int error = weft_go(fn, arg);
    if (error) {
        bench_fail(call->bench, "weft_go: %s", strerror(-error));
    }
    return !error;
}

bool bench_small(void)
{
    const char *value = getenv("WEFT_BENCH_SMALL");
    return value && *value && strcmp(value, "0") != 0;
}

int64_t memory_bytes(void)
{
    FILE *status = fopen("/proc/self/status", "re");
    if (!status) {
        return 0;
    }
    char line[128];
    int64_t total_kib = 0;
    while (fgets(line, sizeof(line), status)) {
        if (!strncmp(line, "VmRSS:", 6) || !strncmp(line, "VmPTE:", 6)) {
            total_kib += strtoll(line + 6, NULL, 10);
        }
    }
    fclose(status);
    return total_kib * 1024;
}

static int compare_ns(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left;
    int64_t b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* The smallest sample that at least permille of all samples don't exceed. */
static int64_t percentile(const int64_t *sorted, size_t n, size_t permille)
{
    size_t rank = (n * permille + 999) / 1000;
    return sorted[rank ? rank - 1 : 0];
}

void count_percentiles(struct bench *bench, int64_t *samples_ns, size_t n)
{
    qsort(samples_ns, n, sizeof(*samples_ns), compare_ns);
    bench_count(bench, "p50_ns", (double)percentile(samples_ns, n, 500));
    bench_count(bench, "p99_ns", (double)percentile(samples_ns, n, 990));
    bench_count(bench, "p999_ns", (double)percentile(samples_ns, n, 999));
}
