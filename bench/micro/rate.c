/* SPDX-License-Identifier: Apache-2.0
 * limiter_allow: whether an event may happen now, of ten million a second and a thousand at once; asked more often than that, so
 * some of the answers are no. */
#include "bench/harness.h"

#define LIMIT 1e7
enum { BURST = 1000 };

static void limiter_allow_body(struct call *call)
{
    weft_limiter *limiter = weft_limiter_new(LIMIT, BURST);
    int64_t allowed = 0;
    int64_t begin = weft_now();
    for (int64_t i = 0; limiter && i < call->iterations; i++) {
        allowed += weft_limiter_allow(limiter);
    }
    call->elapsed_ns = weft_now() - begin;
    mark_proc(call);
    double most = BURST + 1 + LIMIT * (double)call->elapsed_ns / 1e9;
    if (!limiter || allowed < 1 || (double)allowed > most) {
        bench_fail(call->bench, "%lld were allowed, at most %.0f should be", (long long)allowed,
                   most);
    }
    weft_limiter_unref(limiter);
}
ROW_IN_WEFT(limiter_allow)

void add_rate_rows(void)
{
    static const struct bench_row row = {
        .name = "limiter_allow", .body = limiter_allow_row, .warmup = 100000};
    bench_add(&row);
}
