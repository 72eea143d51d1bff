/* SPDX-License-Identifier: Apache-2.0
 * preempt.c - a goroutine that never waits, but calls weft again and again, gives way when its time slice is used up.
 *
 * One goroutine for each processor repeats one call; the last to begin starts another goroutine, which no
 * processor is free for. A call that doesn't give way makes the test hang, which the watchdog reports with its name. */
#include "../test.h"

struct objects {
    weft_chan *buffered, *node, *count, *none, *full, *closed;
    weft_timer *timer, *func;
    weft_ticker *ticker;
    weft_pool *pool;
    weft_waitgroup zero, busy;
};

static weft_local *key;
static atomic_int ran, began;

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

static void defer_nothing(struct objects *o)
{
    WEFT_DEFER(nothing, o);
}

static void stop_no_signal(struct objects *o)
{
    weft_signal_stop(o->none);
}

static const struct {
    const char *name;
    void (*call)(struct objects *o);
} calls[] = {
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
    {"defer", defer_nothing},
    {"signal_stop", stop_no_signal},
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
        .timer = weft_timer_new(WEFT_HOUR),
        .func = weft_after_func(WEFT_HOUR, nothing, NULL),
        .ticker = weft_ticker_new(WEFT_HOUR),
        .pool = weft_pool_new(&options),
    };
    REQUIRE(o->buffered && o->node && o->count && o->none && o->full && o->closed && o->timer &&
            o->func && o->ticker && o->pool);
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
    weft_timer_unref(o->timer);
    weft_timer_stop(o->func);
    weft_timer_unref(o->func);
    weft_ticker_unref(o->ticker);
    weft_pool_free(o->pool);
}

/* ---- those that give way ---- */

struct looping {
    void (*call)(struct objects *o);
    int loopers;
    weft_waitgroup all;
};

static void loop(void *arg)
{
    struct looping *l = arg;
    struct objects o;
    objects_make(&o);
    int place = atomic_fetch_add(&began, 1) + 1;
    TEST_COMPUTE_UNTIL(atomic_load(&began) == l->loopers);
    if (place == l->loopers)
        CHECK_EQ(weft_go(let_ran, NULL), 0);
    while (!atomic_load(&ran))
        l->call(&o);
    objects_free(&o);
    weft_waitgroup_done(&l->all);
}

static void loop_on_all(void *arg)
{
    struct looping *l = arg;
    weft_waitgroup_add(&l->all, l->loopers);
    for (int i = 0; i < l->loopers; i++)
        CHECK_EQ(weft_go(loop, l), 0);
    weft_waitgroup_wait(&l->all);
}

TEST(no_call_is_repeated_for_ever)
{
    /* Goal: whatever a goroutine repeats without ever waiting, others run. Method: above, each call in turn. */
    key = weft_local_new(NULL);
    for (size_t i = 0; i < TEST_COUNT_OF(calls); i++) {
        struct looping l = {.call = calls[i].call, .loopers = test_procs(2)};
        test_note_ = calls[i].name;
        atomic_store(&ran, 0);
        atomic_store(&began, 0);
        CHECK_EQ(test_run(loop_on_all, &l), 0);
    }
    test_note_ = NULL;
}

/* ---- what else makes it give way ---- */

static void sleep_a_little(void *arg)
{
    (void)arg;
    weft_sleep(WEFT_MILLISECOND);
    atomic_store(&ran, 1);
}

static void loop_beside_a_sleeper(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(sleep_a_little, NULL), 0);
    test_until_parked(1);
    while (!atomic_load(&ran))
        weft_chan_try_recv(NULL, NULL);
}

TEST(who_sleeps_runs_when_its_time_has_come)
{
    /* Goal: on one processor a timer comes to its right, too, though nobody else can run until it fires. */
    atomic_store(&ran, 0);
    CHECK_EQ(test_run_procs(1, loop_beside_a_sleeper, NULL), 0);
}

static void loop_locked(void *arg)
{
    weft_lock_os_thread();
    CHECK_EQ(weft_go(let_ran, NULL), 0);
    while (!atomic_load(&ran))
        weft_chan_try_recv(arg, NULL);
    weft_unlock_os_thread();
}

TEST(one_that_is_locked_to_its_thread_gives_way)
{
    /* Goal: as Go's. Method: one processor. */
    atomic_store(&ran, 0);
    CHECK_EQ(test_run_procs(1, loop_locked, NULL), 0);
}

static void loop_for_ever(void *arg)
{
    atomic_fetch_add(&began, 1);
    for (;;)
        weft_chan_try_recv(arg, NULL);
}

static void leave_them_looping(void *arg)
{
    int loopers = test_procs(2);
    for (int i = 0; i < loopers; i++)
        CHECK_EQ(weft_go(loop_for_ever, arg), 0);
    TEST_UNTIL(atomic_load(&began) == loopers);
}

TEST(the_end_of_a_run_stops_it)
{
    /* Goal: main returns, and those that only try are stopped at their next call. Method: with a patience
     * that would outlast the watchdog's. */
    weft_config config = {.maxprocs = test_procs(2), .stop_ns = WEFT_HOUR};
    atomic_store(&began, 0);
    CHECK_EQ(test_run_config(leave_them_looping, NULL, &config), 0);
}

/* ---- those that don't give way ---- */

/* Of this thread. */
static int64_t cpu_ns(void)
{
    struct timespec used;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

static void construct_all(struct objects *o)
{
    weft_pool_options options = {.object_size = 16};
    o->buffered = weft_chan_new(8, 1);
    o->timer = weft_timer_new(WEFT_HOUR);
    o->func = weft_after_func(WEFT_HOUR, nothing, NULL);
    o->none = weft_after(WEFT_HOUR);
    o->ticker = weft_ticker_new(WEFT_HOUR);
    o->pool = weft_pool_new(&options);
}

static void look_only(struct objects *o)
{
    (void)o;
    weft_free(weft_alloc(8));
    CHECK_EQ(weft_self(), 1);
    CHECK_GT(weft_num_cpu(), 0);
    CHECK_EQ(weft_chan_cap(o->buffered), 1);
    CHECK_EQ(weft_chan_elem_size(o->buffered), 8);
    CHECK(weft_timer_chan(o->timer));
    CHECK_PTR_EQ(weft_local_get(key), NULL);
    CHECK(!weft_feature(""));
}

/* Longer than a slice, so that it is asked to give way when it makes these calls. */
static void compute_with(void (*call)(struct objects *o), struct objects *o)
{
    for (int64_t until = cpu_ns() + 60 * TEST_MS; cpu_ns() < until;)
        if (call)
            call(o);
    CHECK_EQ(atomic_load(&ran), 0);
}

static void call_what_gives_not_way(void *arg)
{
    struct objects o = {0};
    (void)arg;
    CHECK_EQ(weft_go(let_ran, NULL), 0);
    compute_with(NULL, &o);
    construct_all(&o);
    CHECK_EQ(atomic_load(&ran), 0);
    compute_with(look_only, &o);
    while (!atomic_load(&ran)) /* at once, as it has been asked by now */
        weft_timer_stop(o.func);
    weft_chan_unref(o.buffered);
    weft_timer_unref(o.timer);
    weft_timer_unref(o.func);
    weft_chan_unref(o.none);
    weft_ticker_unref(o.ticker);
    weft_pool_free(o.pool);
}

TEST(constructors_and_what_only_looks_keep_the_processor)
{
    /* Goal: a call that sets errno moves nobody to another thread, nor does one that a program makes under locks of the
     * thread. Method: on one processor, more than a slice long. */
    key = weft_local_new(NULL);
    atomic_store(&ran, 0);
    CHECK_EQ(test_run_procs(1, call_what_gives_not_way, NULL), 0);
}

static void call_weft_when_it_is_over(const char *text)
{
    (void)text;
    for (int64_t until = cpu_ns() + 60 * TEST_MS; cpu_ns() < until;)
        weft_chan_try_recv(NULL, NULL);
    dprintf(STDOUT_FILENO, "ran: %d\n", atomic_load(&ran));
}

static void panic_beside_another(void *arg)
{
    CHECK_EQ(weft_go(let_ran, arg), 0);
    weft_panic("at last");
}

CHILD(panics)
{
    weft_config config = {.maxprocs = 1, .on_fatal = call_weft_when_it_is_over};
    test_run_config(panic_beside_another, NULL, &config);
}

TEST(nothing_else_runs_while_a_fatal_end_is_reported)
{
    /* Goal: on_fatal's goroutine keeps its processor, whatever it calls. Method: above, longer than a slice. */
    static struct test_result r;
    test_spawn("panics", &r);
    CHECK_EXITED(&r, 2);
    CHECK_STR_EQ(r.out, "ran: 0\n");
}
