/* SPDX-License-Identifier: Apache-2.0
 * calls.h - calls that a goroutine could repeat for ever without waiting, and what they need. */
#ifndef WEFT_TESTS_SCHED_CALLS_H
#define WEFT_TESTS_SCHED_CALLS_H

#include "../test.h"

struct objects {
    weft_chan *buffered, *node, *count, *none, *full, *closed, *sent, *received;
    weft_timer *timer, *func;
    weft_ticker *ticker;
    weft_pool *pool;
    weft_waitgroup zero, busy;
    weft_mutex mutex;
    weft_rwmutex rw;
    weft_cond cond;
    weft_sem sem;
    weft_once undone;
    weft_ctx *ctx;
    weft_limiter *limiter;
    weft_reservation reservation; /* that never comes */
    struct {
        weft_chan *chan, *listening;
        weft_timer *timer;
        weft_ticker *ticker;
        weft_pool *pool;
        void *object; /* of the other pool */
    } made;           /* by the call */
};

static weft_local *key;
static atomic_int ran;

static void nothing(void *arg)
{
    (void)arg;
}

static void *return_it(void *arg)
{
    return arg;
}

static void let_ran(void *arg)
{
    (void)arg;
    atomic_store(&ran, 1);
}

/* ---- the calls ---- */

static void send_recv(struct objects *o)
{
    int64_t v = 1;
    weft_chan_send(o->buffered, &v);
    weft_chan_recv(o->buffered, &v);
}

static void send_recv_nodes(struct objects *o)
{
    char elem[24] = {0};
    weft_chan_send(o->node, elem);
    weft_chan_recv(o->node, elem);
}

static void send_recv_counted(struct objects *o)
{
    weft_chan_send(o->count, NULL);
    weft_chan_recv(o->count, NULL);
}

static void try_send_recv(struct objects *o)
{
    int64_t v = 1;
    weft_chan_try_send(o->buffered, &v);
    weft_chan_try_recv(o->buffered, &v);
}

static void try_send_full(struct objects *o)
{
    int64_t v = 1;
    CHECK_EQ(weft_chan_try_send(o->full, &v), -EAGAIN);
}

static void try_recv_empty(struct objects *o)
{
    int64_t v;
    CHECK_EQ(weft_chan_try_recv(o->none, &v), -EAGAIN);
}

static void try_recv_nil(struct objects *o)
{
    (void)o;
    CHECK_EQ(weft_chan_try_recv(NULL, NULL), -EAGAIN);
}

static void recv_closed(struct objects *o)
{
    int64_t v;
    CHECK(!weft_chan_recv(o->closed, &v));
}

static void send_until_past(struct objects *o)
{
    int64_t v = 1;
    CHECK_EQ(weft_chan_send_until(o->full, &v, 1), -ETIMEDOUT);
}

static void recv_until_past(struct objects *o)
{
    int64_t v;
    CHECK_EQ(weft_chan_recv_until(o->none, &v, 1), -ETIMEDOUT);
}

static void select_default(struct objects *o)
{
    int64_t v;
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(o->none, &v), WEFT_DEFAULT), 1);
}

static void select_ready(struct objects *o)
{
    int64_t v;
    CHECK_EQ(WEFT_SELECT(WEFT_RECV(o->none, &v), WEFT_RECV(o->closed, &v)), 1);
}

static void look_at_len(struct objects *o)
{
    CHECK_EQ(weft_chan_len(o->none), 0);
}

static void drop_reference(struct objects *o)
{
    weft_chan_unref(weft_chan_ref(o->none));
}

static void new_close_unref(struct objects *o)
{
    (void)o;
    weft_chan *ch = weft_chan_new(8, 1);
    weft_chan_close(ch);
    weft_chan_unref(ch);
}

static void add_done(struct objects *o)
{
    weft_waitgroup_add(&o->busy, 1);
    weft_waitgroup_done(&o->busy);
}

static void add_nothing(struct objects *o)
{
    weft_waitgroup_add(&o->busy, 0);
}

static void wait_for_none(struct objects *o)
{
    weft_waitgroup_wait(&o->zero);
}

static void wait_until_for_none(struct objects *o)
{
    CHECK_EQ(weft_waitgroup_wait_until(&o->zero, WEFT_FOREVER), 0);
}

static void ask_the_time(struct objects *o)
{
    (void)o;
    CHECK_GT(weft_now(), 0);
}

static void sleep_for_nothing(struct objects *o)
{
    (void)o;
    weft_sleep(0);
}

static void sleep_until_past(struct objects *o)
{
    (void)o;
    weft_sleep_until(1);
}

static void stop_timer(struct objects *o)
{
    weft_timer_stop(o->timer);
}

static void reset_timer(struct objects *o)
{
    weft_timer_reset(o->timer, WEFT_HOUR);
}

static void reset_func(struct objects *o)
{
    weft_timer_reset(o->func, WEFT_HOUR);
}

static void new_timer(struct objects *o)
{
    (void)o;
    weft_timer_unref(weft_timer_new(WEFT_HOUR));
}

static void reset_ticker(struct objects *o)
{
    weft_ticker_reset(o->ticker, WEFT_HOUR);
}

static void stop_ticker(struct objects *o)
{
    weft_ticker_stop(o->ticker);
}

static void new_ticker(struct objects *o)
{
    (void)o;
    weft_ticker_unref(weft_ticker_new(WEFT_HOUR));
}

static void get_put(struct objects *o)
{
    weft_pool_put(o->pool, weft_pool_get(o->pool));
}

static void new_pool(struct objects *o)
{
    (void)o;
    weft_pool_options options = {.object_size = 16};
    weft_pool_free(weft_pool_new(&options));
}

static void set_local(struct objects *o)
{
    CHECK_EQ(weft_local_set(key, o), 0);
}

static void lock_thread(struct objects *o)
{
    (void)o;
    weft_lock_os_thread();
    weft_unlock_os_thread();
}

static void short_section(struct objects *o)
{
    CHECK_PTR_EQ(weft_blocking(return_it, o), o);
}

static void count_goroutines(struct objects *o)
{
    (void)o;
    CHECK_GT(weft_num_goroutine(), 0);
}

static void read_stats(struct objects *o)
{
    (void)o;
    weft_stats stats;
    weft_stats_read(&stats);
}

static void ask_maxprocs(struct objects *o)
{
    (void)o;
    CHECK_GT(weft_maxprocs(0), 0);
}

static void try_nothing(struct objects *o)
{
    CHECK(!weft_try(nothing, o, NULL));
}

static void panic_with_nothing(void *arg)
{
    (void)arg;
    weft_panic("never mind");
}

static void try_panic(struct objects *o)
{
    CHECK(weft_try(panic_with_nothing, o, NULL));
}

static void stop_no_signal(struct objects *o)
{
    weft_signal_stop(o->none);
}

static void lock_unlock(struct objects *o)
{
    weft_mutex_lock(&o->mutex);
    weft_mutex_unlock(&o->mutex);
}

static void try_lock_unlock(struct objects *o)
{
    CHECK(weft_mutex_try_lock(&o->mutex));
    weft_mutex_unlock(&o->mutex);
}

static void rlock_runlock(struct objects *o)
{
    weft_rwmutex_rlock(&o->rw);
    weft_rwmutex_runlock(&o->rw);
}

static void try_rlock_runlock(struct objects *o)
{
    CHECK(weft_rwmutex_try_rlock(&o->rw));
    weft_rwmutex_runlock(&o->rw);
}

static void write_lock_unlock(struct objects *o)
{
    weft_rwmutex_lock(&o->rw);
    weft_rwmutex_unlock(&o->rw);
}

static void acquire_release(struct objects *o)
{
    weft_sem_acquire(&o->sem, 1);
    weft_sem_release(&o->sem, 1);
}

static void try_acquire_release(struct objects *o)
{
    CHECK(weft_sem_try_acquire(&o->sem, 1));
    weft_sem_release(&o->sem, 1);
}

static void signal_nobody(struct objects *o)
{
    weft_cond_signal(&o->cond);
}

static void broadcast_to_nobody(struct objects *o)
{
    weft_cond_broadcast(&o->cond);
}

static void look_at_once(struct objects *o)
{
    CHECK(!weft_once_done(&o->undone));
}

static void look_at_ctx(struct objects *o)
{
    CHECK_EQ(weft_ctx_err(o->ctx), 0);
}

static void look_at_cause(struct objects *o)
{
    CHECK(!weft_ctx_cause(o->ctx));
}

static void look_at_delay(struct objects *o)
{
    CHECK_EQ(weft_reservation_delay(&o->reservation), INT64_MAX);
}

static void allow_not(struct objects *o)
{
    CHECK(!weft_limiter_allow(o->limiter));
}

struct named_call {
    const char *name;
    void (*call)(struct objects *o);
};

static const struct named_call calls[] = {
    {"send, recv", send_recv},
    {"send, recv of nodes", send_recv_nodes},
    {"send, recv without elements", send_recv_counted},
    {"try_send, try_recv", try_send_recv},
    {"try_send, full", try_send_full},
    {"try_recv, empty", try_recv_empty},
    {"try_recv, nil", try_recv_nil},
    {"recv, closed", recv_closed},
    {"send_until, past", send_until_past},
    {"recv_until, past", recv_until_past},
    {"select, default", select_default},
    {"select, ready", select_ready},
    {"len", look_at_len},
    {"ref, unref", drop_reference},
    {"new, close, unref", new_close_unref},
    {"waitgroup add, done", add_done},
    {"waitgroup add 0", add_nothing},
    {"waitgroup wait, zero", wait_for_none},
    {"waitgroup wait_until, zero", wait_until_for_none},
    {"now", ask_the_time},
    {"sleep 0", sleep_for_nothing},
    {"sleep_until, past", sleep_until_past},
    {"timer stop", stop_timer},
    {"timer reset", reset_timer},
    {"timer reset, function", reset_func},
    {"timer new, unref", new_timer},
    {"ticker reset", reset_ticker},
    {"ticker stop", stop_ticker},
    {"ticker new, unref", new_ticker},
    {"pool get, put", get_put},
    {"pool new, free", new_pool},
    {"local set", set_local},
    {"lock_os_thread, unlock", lock_thread},
    {"blocking", short_section},
    {"num_goroutine", count_goroutines},
    {"stats_read", read_stats},
    {"maxprocs", ask_maxprocs},
    {"try", try_nothing},
    {"try, panic", try_panic},
    {"signal_stop", stop_no_signal},
    {"mutex lock, unlock", lock_unlock},
    {"mutex try_lock, unlock", try_lock_unlock},
    {"rwmutex rlock, runlock", rlock_runlock},
    {"rwmutex try_rlock, runlock", try_rlock_runlock},
    {"rwmutex lock, unlock", write_lock_unlock},
    {"sem acquire, release", acquire_release},
    {"sem try_acquire, release", try_acquire_release},
    {"cond signal", signal_nobody},
    {"cond broadcast", broadcast_to_nobody},
    {"once_done", look_at_once},
    {"ctx_err", look_at_ctx},
    {"ctx_cause", look_at_cause},
    {"limiter allow", allow_not},
    {"reservation_delay", look_at_delay},
};

static void objects_make(struct objects *o)
{
    static const weft_pool_options options = {.object_size = 64};
    int64_t v = 1;
    *o = (struct objects){
        .buffered = weft_chan_new(8, 16),
        .node = weft_chan_new(24, 16),
        .count = weft_chan_new(0, 16),
        .none = weft_chan_new(8, 0),
        .full = weft_chan_new(8, 1),
        .closed = weft_chan_new(8, 1),
        .sent = weft_chan_new(8, 0),
        .received = weft_chan_new(8, 0),
        .timer = weft_timer_new(WEFT_HOUR),
        .func = weft_after_func(WEFT_HOUR, nothing, NULL),
        .ticker = weft_ticker_new(WEFT_HOUR),
        .pool = weft_pool_new(&options),
        .sem = WEFT_SEM_INIT(1),
        .ctx = weft_ctx_with_cancel(NULL),
        .limiter = weft_limiter_new(1e-9, 1),
    };
    weft_cond_init(&o->cond, &o->mutex);
    REQUIRE(o->ctx && o->limiter && weft_limiter_allow(o->limiter));
    CHECK_EQ(weft_limiter_reserve(o->limiter, 2, &o->reservation), -EINVAL);
    REQUIRE(o->buffered && o->node && o->count && o->none && o->full && o->closed && o->sent &&
            o->received && o->timer && o->func && o->ticker && o->pool);
    weft_chan_send(o->full, &v);
    weft_chan_close(o->closed);
    weft_waitgroup_add(&o->busy, 1);
}

static void objects_free(struct objects *o)
{
    weft_chan_unref(o->buffered);
    weft_chan_unref(o->node);
    weft_chan_unref(o->count);
    weft_chan_unref(o->none);
    weft_chan_unref(o->full);
    weft_chan_unref(o->closed);
    weft_chan_unref(o->sent);
    weft_chan_unref(o->received);
    weft_timer_unref(o->timer);
    weft_timer_stop(o->func);
    weft_timer_unref(o->func);
    weft_ticker_unref(o->ticker);
    weft_chan_unref(o->made.chan);
    weft_signal_stop(o->made.listening);
    weft_chan_unref(o->made.listening);
    weft_timer_unref(o->made.timer);
    weft_ticker_unref(o->made.ticker);
    weft_pool_free(o->made.pool);
    weft_pool_put(o->pool, o->made.object);
    weft_pool_free(o->pool);
    weft_ctx_unref(o->ctx);
    weft_limiter_unref(o->limiter);
}

#endif
