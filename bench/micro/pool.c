/* SPDX-License-Identifier: Apache-2.0
 * pool_get_put, pool_get_put_parallel: an object of 64 bytes from a pool and back; by one goroutine, and by as many
 * as there are processors. */
#include "bench/harness.h"

struct user {
    _Alignas(64) struct call *call; /* each writes to its own */
    weft_pool *pool;
    weft_waitgroup *finished;
    int64_t pairs, wrong;
};

static void get_and_put(struct user *u)
{
    for (int64_t i = 0; i < u->pairs; i++) {
        int64_t *object = weft_pool_get(u->pool);
        u->wrong += object[0] != object[7];
        object[0] = object[7] = i;
        weft_pool_put(u->pool, object);
    }
}

static void use_pool(void *arg)
{
    struct user *u = arg;
    mark_proc(u->call);
    get_and_put(u);
    weft_waitgroup_done(u->finished);
}

static int zero(void *object, void *arg)
{
    (void)arg;
    __builtin_memset(object, 0, 64);
    return 0;
}

enum { USERS_MAX = 64 };

static void run_users(struct call *call, int n)
{
    static struct user users[USERS_MAX];
    weft_waitgroup finished = {0};
    weft_pool *pool = weft_pool_new(&(weft_pool_options){.object_size = 64, .construct = zero});
    if (!pool) {
        bench_fail(call->bench, "out of memory");
        return;
    }
    weft_waitgroup_add(&finished, n);
    int64_t begin = weft_now();
    for (int i = 0; i < n; i++) {
        users[i] = (struct user){.call = call, .pool = pool, .finished = &finished};
        users[i].pairs = call->iterations / n + (i < call->iterations % n);
        if (!start(call, use_pool, &users[i])) {
            return;
        }
    }
    weft_waitgroup_wait(&finished);
    call->elapsed_ns = weft_now() - begin;
    for (int i = 0; i < n; i++) {
        if (users[i].wrong) {
            bench_fail(call->bench, "an object had two users");
        }
    }
    weft_pool_free(pool);
}

static void pool_get_put_body(struct call *call)
{
    run_users(call, 1);
}
ROW_IN_WEFT(pool_get_put)

static void pool_get_put_parallel_body(struct call *call)
{
    int procs = weft_maxprocs(0);
    run_users(call, procs < USERS_MAX ? procs : USERS_MAX);
}
ROW_IN_WEFT(pool_get_put_parallel)

void add_pool_rows(void)
{
    static const struct bench_row rows[] = {
        {.name = "pool_get_put", .body = pool_get_put_row, .warmup = 100000},
        {.name = "pool_get_put_parallel", .body = pool_get_put_parallel_row, .warmup = 100000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bench_add(&rows[i]);
    }
}
