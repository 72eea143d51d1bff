/* SPDX-License-Identifier: Apache-2.0
 * mutex_*, rwmutex_*, cond_pingpong, once_done, waitgroup_add_done: the primitives of sync.h, by one goroutine and by
 * eight. One operation is a lock and its unlock, a round trip, a call of do, an add and its done. */
#include "bench/harness.h"

enum { CROWD = 8 };

struct shared {
    weft_mutex mutex;
    weft_rwmutex rwmutex;
    weft_cond turned;
    int64_t counter; /* under the mutex */
    int64_t value;   /* under the rwmutex, for readers */
    int turn;        /* 0 or 1, under the mutex */
};

struct worker {
    struct call *call;
    struct shared *shared;
    weft_waitgroup *finished;
    int64_t ops;
    int64_t sum; /* of what it read */
};

static void check(struct call *call, int64_t result, int64_t wanted)
{
    if (result != wanted) {
        bench_fail(call->bench, "%lld, not %lld", (long long)result, (long long)wanted);
    }
}

/* ---- mutexes and rwmutexes: n workers share the iterations ---- */

static void lock_often(struct worker *self)
{
    struct shared *shared = self->shared;
    for (int64_t i = 0; i < self->ops; i++) {
        weft_mutex_lock(&shared->mutex);
        shared->counter++;
        weft_mutex_unlock(&shared->mutex);
    }
}

static void read_often(struct worker *self)
{
    struct shared *shared = self->shared;
    int64_t sum = 0;
    for (int64_t i = 0; i < self->ops; i++) {
        weft_rwmutex_rlock(&shared->rwmutex);
        sum += shared->value;
        weft_rwmutex_runlock(&shared->rwmutex);
    }
    self->sum = sum;
}

static void lock_in_crowd(void *arg)
{
    struct worker *self = arg;
    mark_proc(self->call);
    lock_often(self);
    mark_proc(self->call);
    weft_waitgroup_done(self->finished);
}

static void read_in_crowd(void *arg)
{
    struct worker *self = arg;
    mark_proc(self->call);
    read_often(self);
    mark_proc(self->call);
    weft_waitgroup_done(self->finished);
}

/* The sum of what the workers read. */
static int64_t run_crowd(struct call *call, struct shared *shared, weft_fn fn)
{
    static struct worker workers[CROWD];
    weft_waitgroup finished = {0};
    int64_t sum = 0;
    weft_waitgroup_add(&finished, CROWD);
    int64_t begin = weft_now();
    for (int i = 0; i < CROWD; i++) {
        workers[i] = (struct worker){.call = call, .shared = shared, .finished = &finished};
        workers[i].ops = call->iterations / CROWD + (i < call->iterations % CROWD);
        if (!start(call, fn, &workers[i])) {
            return -1;
        }
    }
    weft_waitgroup_wait(&finished);
    call->elapsed_ns = weft_now() - begin;
    for (int i = 0; i < CROWD; i++) {
        sum += workers[i].sum;
    }
    return sum;
}

static void mutex_uncontended_body(struct call *call)
{
    struct shared shared = {0};
    struct worker self = {.shared = &shared, .ops = call->iterations};
    int64_t begin = weft_now();
    lock_often(&self);
    call->elapsed_ns = weft_now() - begin;
    mark_proc(call);
    check(call, shared.counter, call->iterations);
}
ROW_IN_WEFT(mutex_uncontended)

static void mutex_contended_body(struct call *call)
{
    static struct shared shared;
    shared = (struct shared){0};
    run_crowd(call, &shared, lock_in_crowd);
    check(call, shared.counter, call->iterations);
}
ROW_IN_WEFT(mutex_contended)

static void rwmutex_rlock_body(struct call *call)
{
    struct shared shared = {.value = 3};
    struct worker self = {.shared = &shared, .ops = call->iterations};
    int64_t begin = weft_now();
    read_often(&self);
    call->elapsed_ns = weft_now() - begin;
    mark_proc(call);
    check(call, self.sum, 3 * call->iterations);
}
ROW_IN_WEFT(rwmutex_rlock)

static void rwmutex_readers8_body(struct call *call)
{
    static struct shared shared;
    shared = (struct shared){.value = 3};
    check(call, run_crowd(call, &shared, read_in_crowd), 3 * call->iterations);
}
ROW_IN_WEFT(rwmutex_readers8)

/* ---- cond_pingpong: two take turns, who has had his wakes the other ---- */

static void take_turns(struct worker *self, int mine)
{
    struct shared *shared = self->shared;
    for (int64_t i = 0; i < self->ops; i++) {
        weft_mutex_lock(&shared->mutex);
        while (shared->turn != mine) {
            weft_cond_wait(&shared->turned);
        }
        shared->turn = !mine;
        shared->counter++;
        weft_cond_signal(&shared->turned);
        weft_mutex_unlock(&shared->mutex);
        if (i % MARK_EVERY == 0) {
            mark_proc(self->call);
        }
    }
}

static void pong(void *arg)
{
    struct worker *self = arg;
    take_turns(self, 1);
    weft_waitgroup_done(self->finished);
}

static void cond_pingpong_body(struct call *call)
{
    static struct shared shared;
    static struct worker other;
    weft_waitgroup finished = {0};
    shared = (struct shared){0};
    weft_cond_init(&shared.turned, &shared.mutex);
    other = (struct worker){
        .call = call, .shared = &shared, .finished = &finished, .ops = call->iterations};
    weft_waitgroup_add(&finished, 1);
    if (!start(call, pong, &other)) {
        return;
    }
    int64_t begin = weft_now();
    take_turns(&other, 0);
    weft_waitgroup_wait(&finished);
    call->elapsed_ns = weft_now() - begin;
    check(call, shared.counter, 2 * call->iterations);
}
ROW_IN_WEFT(cond_pingpong)

/* ---- once_done, waitgroup_add_done ---- */

static void count_call(void *arg)
{
    ++*(int64_t *)arg;
}

static void once_done_body(struct call *call)
{
    weft_once once = {0};
    int64_t calls = 0;
    weft_once_do(&once, count_call, &calls);
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        weft_once_do(&once, count_call, &calls);
    }
    call->elapsed_ns = weft_now() - begin;
    mark_proc(call);
    check(call, calls, 1);
}
ROW_IN_WEFT(once_done)

static void waitgroup_add_done_body(struct call *call)
{
    weft_waitgroup group = {0};
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        weft_waitgroup_add(&group, 1);
        weft_waitgroup_done(&group);
    }
    call->elapsed_ns = weft_now() - begin;
    mark_proc(call);
    check(call, weft_waitgroup_wait_until(&group, 0), 0);
}
ROW_IN_WEFT(waitgroup_add_done)

void add_sync_rows(void)
{
    static const struct bench_row rows[] = {
        {.name = "mutex_uncontended", .body = mutex_uncontended_row, .warmup = 100000},
        {.name = "mutex_contended", .body = mutex_contended_row, .warmup = 100000},
        {.name = "rwmutex_rlock", .body = rwmutex_rlock_row, .warmup = 100000},
        {.name = "rwmutex_readers8", .body = rwmutex_readers8_row, .warmup = 100000},
        {.name = "cond_pingpong", .body = cond_pingpong_row, .warmup = 10000},
        {.name = "once_done", .body = once_done_row, .warmup = 100000},
        {.name = "waitgroup_add_done", .body = waitgroup_add_done_row, .warmup = 100000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bench_add(&rows[i]);
    }
}
