/* SPDX-License-Identifier: Apache-2.0
 * select2_sync, select_default4, select_contended. */
#include "bench/harness.h"

enum { CHANS = 4, TASKS = 8 };

struct share {
    struct call *call;
    weft_chan **chans;
    int64_t items, sum;
    int index;
    weft_waitgroup *finished;
};

static void make_chans(struct call *call, weft_chan **chans, int n, size_t capacity)
{
    for (int i = 0; i < n; i++) {
        chans[i] = weft_chan_new(sizeof(int64_t), capacity);
        if (!chans[i]) {
            bench_fail(call->bench, "out of memory");
        }
    }
}

static void drop_chans(weft_chan **chans, int n)
{
    for (int i = 0; i < n; i++) {
        weft_chan_unref(chans[i]);
    }
}

static void check_sum(struct call *call, int64_t sum, int64_t wanted)
{
    if (sum != wanted) {
        bench_fail(call->bench, "the sum is %lld, not %lld", (long long)sum, (long long)wanted);
    }
}

static void send_in_turn(void *arg)
{
    struct share *share = arg;
    for (int64_t i = 0; i < share->items; i++) {
        weft_chan_send(share->chans[i % 2], &i);
    }
    mark_proc(share->call);
    weft_waitgroup_done(share->finished);
}

static void select2_sync_body(struct call *call)
{
    weft_waitgroup finished = {0};
    weft_chan *chans[2];
    make_chans(call, chans, 2, 0);
    struct share share = {
        .call = call, .chans = chans, .items = call->iterations, .finished = &finished};
    int64_t sum = 0, v;
    weft_waitgroup_add(&finished, 1);
    if (!start(call, send_in_turn, &share)) {
        return;
    }
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        WEFT_SELECT(WEFT_RECV(chans[0], &v), WEFT_RECV(chans[1], &v));
        sum += v;
    }
    call->elapsed_ns = weft_now() - begin;
    mark_proc(call);
    weft_waitgroup_wait(&finished);
    check_sum(call, sum, call->iterations * (call->iterations - 1) / 2);
    drop_chans(chans, 2);
}
ROW_IN_WEFT(select2_sync)

static void select_default4_body(struct call *call)
{
    weft_chan *chans[CHANS];
    int64_t defaults = 0, v;
    make_chans(call, chans, CHANS, 0);
    int64_t begin = weft_now();
    for (int64_t i = 0; i < call->iterations; i++) {
        defaults +=
            WEFT_SELECT(WEFT_RECV(chans[0], &v), WEFT_RECV(chans[1], &v), WEFT_RECV(chans[2], &v),
                        WEFT_RECV(chans[3], &v), WEFT_DEFAULT) == 4;
    }
    call->elapsed_ns = weft_now() - begin;
    check_sum(call, defaults, call->iterations);
    drop_chans(chans, CHANS);
}
ROW_IN_WEFT(select_default4)

static void send_share(void *arg)
{
    struct share *share = arg;
    for (int64_t i = 0; i < share->items; i++) {
        weft_chan_send(share->chans[share->index % CHANS], &i);
    }
    mark_proc(share->call);
    weft_waitgroup_done(share->finished);
}

static void select_share(void *arg)
{
    struct share *share = arg;
    weft_chan **chans = share->chans;
    for (int64_t i = 0; i < share->items; i++) {
        int64_t v;
        WEFT_SELECT(WEFT_RECV(chans[0], &v), WEFT_RECV(chans[1], &v), WEFT_RECV(chans[2], &v),
                    WEFT_RECV(chans[3], &v));
        share->sum += v;
    }
    mark_proc(share->call);
    weft_waitgroup_done(share->finished);
}

static void select_contended_body(struct call *call)
{
    weft_waitgroup finished = {0};
    weft_chan *chans[CHANS];
    struct share senders[TASKS], selectors[TASKS];
    int64_t sum = 0, wanted = 0;
    make_chans(call, chans, CHANS, 16);
    weft_waitgroup_add(&finished, 2 * TASKS);
    int64_t begin = weft_now();
    for (int i = 0; i < TASKS; i++) {
        int64_t items = call->iterations / TASKS + (i < call->iterations % TASKS);
        senders[i] = selectors[i] = (struct share){
            .call = call, .chans = chans, .items = items, .index = i, .finished = &finished};
        wanted += items * (items - 1) / 2;
        if (!start(call, select_share, &selectors[i]) || !start(call, send_share, &senders[i])) {
            return;
        }
    }
    weft_waitgroup_wait(&finished);
    call->elapsed_ns = weft_now() - begin;
    for (int i = 0; i < TASKS; i++) {
        sum += selectors[i].sum;
    }
    check_sum(call, sum, wanted);
    drop_chans(chans, CHANS);
}
ROW_IN_WEFT(select_contended)

void add_select_rows(void)
{
    static const struct bench_row rows[] = {
        {.name = "select2_sync", .body = select2_sync_row, .warmup = 10000},
        {.name = "select_default4", .body = select_default4_row, .warmup = 10000},
        {.name = "select_contended", .body = select_contended_row, .warmup = 10000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        bench_add(&rows[i]);
    }
}
