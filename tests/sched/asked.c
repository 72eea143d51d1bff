/* SPDX-License-Identifier: Apache-2.0
 * asked.c - which calls give way, when a goroutine is asked to: each call once, on one processor.
 *
 * Another goroutine can run when the call is made. Afterwards it has, or it hasn't. */
#include "calls.h"

#include "runtime/hooks.h"

/* ---- calls that can't be repeated without waiting ---- */

static void send_word(struct objects *o)
{
    int64_t v = 1;
    weft_chan_send(o->buffered, &v);
}

static void send_wide(struct objects *o)
{
    int64_t v = INT64_MIN;
    weft_chan_send(o->buffered, &v);
}

static void send_node(struct objects *o)
{
    char elem[24] = {0};
    weft_chan_send(o->node, elem);
}

static void send_counted(struct objects *o)
{
    weft_chan_send(o->count, NULL);
}

static void try_send_word(struct objects *o)
{
    int64_t v = 1;
    CHECK_EQ(weft_chan_try_send(o->buffered, &v), 0);
}

static void recv_word(struct objects *o)
{
    int64_t v;
    CHECK(weft_chan_recv(o->full, &v));
}

static void try_recv_word(struct objects *o)
{
    int64_t v;
    CHECK_EQ(weft_chan_try_recv(o->full, &v), 0);
}

static void select_send(struct objects *o)
{
    int64_t v = 1;
    CHECK_EQ(WEFT_SELECT(WEFT_SEND(o->buffered, &v)), 0);
}

static void hand_over(struct objects *o)
{
    int64_t v = 1;
    weft_chan_send(o->received, &v);
}

static void take_over(struct objects *o)
{
    int64_t v;
    CHECK(weft_chan_recv(o->sent, &v));
}

static void waitgroup_done(struct objects *o)
{
    weft_waitgroup_done(&o->busy);
}

static void warm(struct objects *o)
{
    CHECK_EQ(weft_pool_warm(o->pool, 2), 0);
}

static void lock_only(struct objects *o)
{
    (void)o;
    weft_lock_os_thread();
}

static void start_another(struct objects *o)
{
    CHECK_EQ(weft_go(nothing, o), 0);
}

static void start_a_copy(struct objects *o)
{
    CHECK_EQ(weft_go_copy(nothing, o, sizeof(*o)), 0);
}

static void yield_only(struct objects *o)
{
    (void)o;
    weft_yield();
}

static const struct named_call once[] = {
    {"send of a word", send_word},
    {"send of a wide word", send_wide},
    {"send of a node", send_node},
    {"send without elements", send_counted},
    {"try_send", try_send_word},
    {"recv", recv_word},
    {"try_recv", try_recv_word},
    {"select, send", select_send},
    {"send to one who waits", hand_over},
    {"recv from one who waits", take_over},
    {"waitgroup done", waitgroup_done},
    {"pool warm", warm},
    {"lock_os_thread", lock_only},
    {"go", start_another},
    {"go_copy", start_a_copy},
    {"yield", yield_only},
};

/* ---- calls that never give way ---- */

static void new_chan_only(struct objects *o)
{
    o->made.chan = weft_chan_new(8, 1);
}

static void after_only(struct objects *o)
{
    o->made.chan = weft_after(WEFT_HOUR);
}

static void new_timer_only(struct objects *o)
{
    o->made.timer = weft_timer_new(WEFT_HOUR);
}

static void after_func_only(struct objects *o)
{
    o->made.timer = weft_after_func(WEFT_HOUR, nothing, NULL);
}

static void new_ticker_only(struct objects *o)
{
    o->made.ticker = weft_ticker_new(WEFT_HOUR);
}

static void new_pool_only(struct objects *o)
{
    weft_pool_options options = {.object_size = 16};
    o->made.pool = weft_pool_new(&options);
}

static void get_only(struct objects *o)
{
    o->made.object = weft_pool_get(o->pool);
}

static void listen_only(struct objects *o)
{
    int signal = SIGUSR1;
    o->made.listening = weft_signal_notify(&signal, 1);
}

static void listen_to_none(struct objects *o)
{
    int signal = SIGKILL;
    (void)o;
    CHECK(!weft_signal_notify(&signal, 1));
}

static void alloc_and_free(struct objects *o)
{
    (void)o;
    weft_free(weft_alloc(8));
}

static void add_only(struct objects *o)
{
    weft_waitgroup_add(&o->busy, 1);
}

static void close_only(struct objects *o)
{
    weft_chan_close(o->none);
}

static void look_only(struct objects *o)
{
    CHECK_EQ(weft_self(), 1);
    CHECK_GT(weft_num_cpu(), 0);
    CHECK_EQ(weft_chan_cap(o->full), 1);
    CHECK_EQ(weft_chan_elem_size(o->full), 8);
    CHECK(weft_timer_chan(o->timer));
    CHECK(weft_ticker_chan(o->ticker));
    CHECK_PTR_EQ(weft_local_get(key), NULL);
    CHECK(!weft_feature(""));
}

static const struct named_call never[] = {
    {"chan_new", new_chan_only},
    {"after", after_only},
    {"timer_new", new_timer_only},
    {"after_func", after_func_only},
    {"ticker_new", new_ticker_only},
    {"pool_new", new_pool_only},
    {"pool_get", get_only},
    {"signal_notify", listen_only},
    {"signal_notify, refused", listen_to_none},
    {"alloc, free", alloc_and_free},
    {"waitgroup add", add_only},
    {"close", close_only},
    {"those that only look", look_only},
};

/* ---- one call, asked ---- */

static int after_call; /* whether the other one had run then */

static void receive_one(void *arg)
{
    int64_t v;
    CHECK(weft_chan_recv(arg, &v));
}

static void send_one(void *arg)
{
    int64_t v = 1;
    weft_chan_send(arg, &v);
}

static void call_once(void *arg)
{
    const struct named_call *c = arg;
    struct objects o;
    objects_make(&o);
    CHECK_EQ(weft_go(receive_one, o.received), 0);
    CHECK_EQ(weft_go(send_one, o.sent), 0);
    test_until_parked(2);
    CHECK_EQ(weft_go(let_ran, NULL), 0);
    weft_priv_ask();
    c->call(&o);
    after_call = atomic_load(&ran);
    weft_unlock_os_thread();
    int64_t v = 1;
    weft_chan_try_send(o.received, &v);
    weft_chan_try_recv(o.sent, &v);
    test_until_goroutines(1);
    objects_free(&o);
}

static void check_calls(const struct named_call *list, size_t n, int runs)
{
    for (size_t i = 0; i < n; i++) {
        test_note_ = list[i].name;
        atomic_store(&ran, 0);
        CHECK_EQ(test_run_procs(1, call_once, (void *)(uintptr_t)&list[i]), 0);
        if (after_call != runs)
            FAIL("%s: the other goroutine %s", list[i].name, runs ? "didn't run" : "ran");
    }
    test_note_ = NULL;
}

TEST(each_call_gives_way_when_asked)
{
    /* Goal: whatever may be the only call of a loop does, and each of a pair. */
    key = weft_local_new(NULL);
    check_calls(calls, TEST_COUNT_OF(calls), 1);
    check_calls(once, TEST_COUNT_OF(once), 1);
}

TEST(constructors_and_what_only_looks_keep_the_processor)
{
    /* Goal: a call that sets errno moves nobody to another thread, nor does one that a program makes under locks of the
     * thread. */
    key = weft_local_new(NULL);
    check_calls(never, TEST_COUNT_OF(never), 0);
}

/* ---- where nobody gives way ---- */

static void ask_and_call(const char *text)
{
    (void)text;
    int before = atomic_load(&ran); /* whoever was slow has been asked already */
    weft_priv_ask();
    weft_chan_try_recv(NULL, NULL);
    dprintf(STDOUT_FILENO, "ran: %d\n", atomic_load(&ran) - before);
}

static void panic_beside_another(void *arg)
{
    CHECK_EQ(weft_go(let_ran, arg), 0);
    weft_panic("at last");
}

CHILD(panics)
{
    weft_config config = {.maxprocs = 1, .on_fatal = ask_and_call};
    test_run_config(panic_beside_another, NULL, &config);
}

TEST(nothing_else_runs_while_a_fatal_end_is_reported)
{
    /* Goal: on_fatal's goroutine keeps its processor, whatever it calls. */
    static struct test_result r;
    test_spawn("panics", &r);
    CHECK_EXITED(&r, 2);
    CHECK_STR_EQ(r.out, "ran: 0\n");
}

static void *ask_in_section(void *arg)
{
    weft_priv_ask();
    weft_chan_try_recv(NULL, NULL);
    CHECK_EQ(weft_self(), 0);
    return arg;
}

static void call_in_a_section(void *arg)
{
    CHECK_PTR_EQ(weft_blocking(ask_in_section, arg), arg);
    CHECK_EQ(weft_self(), 1);
}

TEST(in_a_blocking_section_nobody_gives_way)
{
    /* Goal: there is no goroutine on that thread, whatever is asked of it. */
    CHECK_EQ(test_run_procs(1, call_in_a_section, &ran), 0);
}
