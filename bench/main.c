/* SPDX-License-Identifier: Apache-2.0
 * weft-bench: the rows of BENCH.md under Google Benchmark's flags, on WEFT_MAXPROCS processors.
 *   weft-bench --benchmark_filter=^yield$ --benchmark_format=json
 *   weft-bench --machine       what this machine's operations cost
 * WEFT_BENCH_SMALL=1 makes the big rows small; WEFT_BENCH_HELLO names the program that hello starts;
 * WEFT_BENCH_ITERATIONS=n calls a row's body once, for n iterations (scripts/instructions.sh counts with it). */
#include <string.h>

#include "bench/harness.h"

int main(int argc, char **argv)
{
    if (argc == 2 && !strcmp(argv[1], "--machine")) {
        return machine_main();
    }
    add_yield_rows();
    add_spawn_rows();
    add_ring_rows();
    add_chan_rows();
    add_select_rows();
    add_csp_rows();
    add_sync_rows();
    add_fairness_rows();
    add_pool_rows();
    add_parked_rows();
    add_sleep_rows();
    add_timer_rows();
    add_ctx_rows();
    add_rate_rows();
    add_flow_rows();
    add_blocking_rows();
    add_defer_rows();
    add_foreign_rows();
    add_process_rows();
    return bench_main(argc, argv);
}
