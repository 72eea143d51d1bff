/* SPDX-License-Identifier: Apache-2.0
 * foreign_go: a thread that is not weft's starts goroutines while a processor runs. Timed on that thread: what
 * a call of weft_go keeps it for, not when the goroutines run. */
#include "bench/harness.h"

#include <pthread.h>
#include <string.h>

struct foreign {
    struct call *call;
    int64_t started; /* atomic: calls that the thread is through with */
    int64_t ran;     /* atomic */
};

static void count_up(void *arg)
{
    struct foreign *foreign = arg;
    if (__atomic_fetch_add(&foreign->ran, 1, __ATOMIC_RELAXED) % MARK_EVERY == 0) {
        mark_proc(foreign->call);
    }
}

static void *start_all(void *arg)
{
    struct foreign *foreign = arg;
    struct call *call = foreign->call;
    int error = 0;
    int64_t begin = weft_now(), i;
    for (i = 0; i < call->iterations && !error; i++) {
        error = weft_go(count_up, foreign);
    }
    call->elapsed_ns = weft_now() - begin;
    if (error) {
        bench_fail(call->bench, "weft_go: %s", strerror(-error));
        i = -1;
    }
    __atomic_store_n(&foreign->started, i, __ATOMIC_RELEASE);
    return NULL;
}

static void foreign_go_body(struct call *call)
{
    struct foreign foreign = {.call = call};
    pthread_t thread;
    int error = pthread_create(&thread, NULL, start_all, &foreign);
    if (error) {
        bench_fail(call->bench, "pthread_create: %s", strerror(error));
        return;
    }
    /* Yielding keeps a processor running and lets the goroutines in. */
    int64_t started;
    do {
        weft_yield();
        started = __atomic_load_n(&foreign.started, __ATOMIC_ACQUIRE);
    } while (started >= 0 && (started < call->iterations ||
                              __atomic_load_n(&foreign.ran, __ATOMIC_RELAXED) < started));
    pthread_join(thread, NULL);
}
ROW_IN_WEFT(foreign_go)

void add_foreign_rows(void)
{
    static const struct bench_row row = {
        .name = "foreign_go", .body = foreign_go_row, .warmup = 10000};
    bench_add(&row);
}
