/* SPDX-License-Identifier: Apache-2.0
 * programs.h - small programs for tests in which calls fail: what each does when a call is refused is what a
 * careful user would do. */
#ifndef WEFT_TEST_PROGRAMS_H
#define WEFT_TEST_PROGRAMS_H

#include "../test.h"

struct program {
    const char *name;
    weft_fn main;
    weft_config config; /* maxprocs, if it is 0, is the test's */
    void (*before)(void), (*after)(void);
    int result; /* that weft_run may give besides */
};

static atomic_int refused_;

/* A call that may be refused: true if it was not. */
static bool accepted(int rc)
{
    if (rc == 0)
        return true;
    CHECK_EQ(rc, -ENOMEM);
    atomic_fetch_add(&refused_, 1);
    return false;
}

/* ---- goroutines ---- */

enum { SOME = 12 };

struct job {
    weft_waitgroup *done;
    atomic_int *ran;
    char load[600];
};

static void nothing(void *arg)
{
    (void)arg;
}

static void mark(void *arg)
{
    struct job *job = arg;
    atomic_fetch_add(job->ran, 1);
    weft_yield();
    weft_waitgroup_done(job->done);
}

static void main_go(void *arg)
{
    weft_waitgroup done = {0};
    atomic_int ran = 0;
    struct job job = {.done = &done, .ran = &ran};
    int started = 0;
    (void)arg;
    weft_waitgroup_add(&done, SOME);
    for (int i = 0; i < SOME; i++) {
        if (accepted(weft_go(mark, &job)))
            started++;
        else
            weft_waitgroup_done(&done);
    }
    weft_waitgroup_wait(&done);
    CHECK_EQ(atomic_load(&ran), started);
}

static void main_go_copy(void *arg)
{
    weft_waitgroup done = {0};
    atomic_int ran = 0;
    struct job job = {.done = &done, .ran = &ran};
    int started = 0;
    (void)arg;
    weft_waitgroup_add(&done, SOME);
    for (int i = 0; i < SOME; i++) {
        /* long ones, and those that fit the descriptor */
        if (accepted(weft_go_copy(mark, &job, i % 2 ? sizeof job : offsetof(struct job, load))))
            started++;
        else
            weft_waitgroup_done(&done);
    }
    weft_waitgroup_wait(&done);
    CHECK_EQ(atomic_load(&ran), started);
}

static void main_go_with(void *arg)
{
    weft_waitgroup done = {0};
    atomic_int ran = 0;
    struct job job = {.done = &done, .ran = &ran};
    int started = 0;
    (void)arg;
    weft_waitgroup_add(&done, SOME);
    for (int i = 0; i < SOME; i++) {
        weft_go_options options = {.name = "sized", .stack_size = (size_t)(16 << 10) << i % 5};
        if (accepted(weft_go_with(&options, mark, &job)))
            started++;
        else
            weft_waitgroup_done(&done);
    }
    weft_waitgroup_wait(&done);
    CHECK_EQ(atomic_load(&ran), started);
}

static void count_one(void *arg)
{
    atomic_fetch_add((atomic_int *)arg, 1);
    weft_yield();
}

static void main_waitgroup_go(void *arg)
{
    weft_waitgroup done = {0};
    atomic_int ran = 0;
    int started = 0;
    (void)arg;
    for (int i = 0; i < SOME; i++)
        started += accepted(weft_waitgroup_go(&done, count_one, &ran));
    weft_waitgroup_wait(&done);
    CHECK_EQ(atomic_load(&ran), started);
}

/* ---- time ---- */

static void nap(void *arg)
{
    int64_t until = weft_now() + TEST_MS / 2;
    (void)arg;
    weft_sleep_until(until);
    CHECK_GE(weft_now(), until);
}

static void main_sleep(void *arg)
{
    weft_waitgroup done = {0};
    (void)arg;
    for (int i = 0; i < SOME; i++)
        accepted(weft_waitgroup_go(&done, nap, NULL));
    nap(NULL);
    weft_waitgroup_wait(&done);
}

static int wait_until(weft_waitgroup *wg, int64_t deadline)
{
    int rc = weft_waitgroup_wait_until(wg, deadline);
    if (rc != -ETIMEDOUT)
        accepted(rc);
    return rc;
}

static void wait_twice(void *arg)
{
    weft_waitgroup never = {0};
    weft_waitgroup_add(&never, 1);
    int64_t deadline = weft_now() + TEST_MS / 2;
    if (wait_until(&never, deadline) == -ETIMEDOUT)
        CHECK_GE(weft_now(), deadline);
    CHECK_NE(wait_until(arg, WEFT_FOREVER), -ETIMEDOUT);
    wait_until(arg, weft_now() + 100000 * TEST_MS);
}

static void main_deadline(void *arg)
{
    weft_waitgroup done = {0}, gate = {0};
    (void)arg;
    weft_waitgroup_add(&gate, 1);
    for (int i = 0; i < SOME; i++)
        accepted(weft_waitgroup_go(&done, wait_twice, &gate));
    weft_sleep(TEST_MS);
    weft_waitgroup_done(&gate);
    weft_waitgroup_wait(&done);
}

/* A call of its own, as errno is another one after a wait. */
static TEST_NOINLINE weft_timer *timer_checked(int64_t ns, weft_fn fn, void *arg)
{
    errno = 0;
    weft_timer *t = fn ? weft_after_func(ns, fn, arg) : weft_timer_new(ns);
    if (!t)
        accepted(-errno);
    return t;
}

static void time_out(void *arg)
{
    int64_t due = 0;
    weft_timer *t = timer_checked(TEST_MS / 2, NULL, NULL);
    (void)arg;
    if (!t)
        return;
    CHECK(weft_chan_recv(weft_timer_chan(t), &due));
    CHECK_GE(weft_now(), due);
    CHECK(!weft_timer_reset(t, WEFT_HOUR));
    CHECK(weft_timer_stop(t));
    weft_timer_unref(t);
}

static void count_down(void *waitgroup)
{
    weft_waitgroup_done(waitgroup);
}

static void main_timers(void *arg)
{
    weft_waitgroup done = {0};
    (void)arg;
    for (int i = 0; i < SOME; i++)
        accepted(weft_waitgroup_go(&done, time_out, NULL));
    for (int i = 0; i < SOME; i++) {
        weft_waitgroup_add(&done, 1);
        weft_timer *t = timer_checked(i * 10000, count_down, &done);
        if (!t)
            weft_waitgroup_done(&done);
        if (t &&
            i % 3 == 0) { /* of each setting the function is called, or one of these says true */
            weft_waitgroup_add(&done, 1);
            if (weft_timer_reset(t, 20000))
                weft_waitgroup_done(&done);
            if (weft_timer_stop(t))
                weft_waitgroup_done(&done);
        }
        weft_timer_unref(t);
    }
    weft_waitgroup_wait(&done);
}

/* ---- memory ---- */

/* A call of its own: compilers keep the address of errno, which is another one after a yield. */
static TEST_NOINLINE void *alloc_checked(size_t n)
{
    errno = 0;
    void *block = weft_alloc(n);
    if (!block)
        accepted(-errno);
    return block;
}

static void allocate(void *arg)
{
    char *blocks[8];
    (void)arg;
    for (size_t i = 0; i < 8; i++) {
        size_t n = (size_t)1 << 2 * i;
        blocks[i] = alloc_checked(n);
        if (blocks[i])
            memset(blocks[i], 1, n);
        weft_yield();
    }
    for (int i = 0; i < 8; i++)
        weft_free(blocks[i]);
}

static void main_alloc(void *arg)
{
    weft_waitgroup done = {0};
    (void)arg;
    for (int i = 0; i < 3; i++)
        accepted(weft_waitgroup_go(&done, allocate, NULL));
    allocate(NULL);
    weft_waitgroup_wait(&done);
}

static void use_pool(void *arg)
{
    weft_pool *pool = arg;
    void *objects[8];
    for (int i = 0; i < 8; i++) {
        objects[i] = weft_pool_get(pool);
        if (objects[i])
            memset(objects[i], i, 100);
        else
            accepted(-ENOMEM);
        weft_yield();
    }
    for (int i = 0; i < 8; i++)
        weft_pool_put(pool, objects[i]);
}

static void main_pool(void *arg)
{
    weft_waitgroup done = {0};
    (void)arg;
    weft_pool *pool = weft_pool_new(&(weft_pool_options){.object_size = 100});
    if (!pool) {
        accepted(-ENOMEM);
        return;
    }
    accepted(weft_pool_warm(pool, 2));
    for (int i = 0; i < 3; i++)
        accepted(weft_waitgroup_go(&done, use_pool, pool));
    use_pool(pool);
    weft_waitgroup_wait(&done);
    weft_pool_free(pool);
}

#include "programs_chan.h"

/* ---- blocking sections and foreign threads ---- */

static void *byte_from(void *fd)
{
    char byte;
    CHECK_EQ(test_read(*(int *)fd, &byte, 1), 1);
    return fd;
}

static void write_byte(void *fd)
{
    CHECK_EQ(write(*(int *)fd, "x", 1), 1);
}

struct crossing {
    int from[2], to[2];
};

static void answer(void *arg)
{
    struct crossing *c = arg;
    CHECK_PTR_EQ(weft_blocking(byte_from, &c->from[0]), &c->from[0]);
    write_byte(&c->to[1]);
}

/* A blocking section that ends only when another goroutine, in another one, gets on. */
static void main_blocking(void *arg)
{
    struct crossing crossings[3];
    weft_waitgroup done = {0};
    bool started[3];
    (void)arg;
    for (int i = 0; i < 3; i++) {
        struct crossing *c = &crossings[i];
        CHECK(pipe2(c->from, O_CLOEXEC) == 0 && pipe2(c->to, O_CLOEXEC) == 0);
        started[i] = accepted(weft_waitgroup_go(&done, answer, c));
    }
    for (int i = 0; i < 3; i++)
        write_byte(&crossings[i].from[1]);
    for (int i = 0; i < 3; i++)
        if (started[i])
            weft_blocking(byte_from, &crossings[i].to[0]);
    weft_waitgroup_wait(&done);
    for (int i = 0; i < 3; i++) {
        close(crossings[i].from[0]), close(crossings[i].from[1]);
        close(crossings[i].to[0]), close(crossings[i].to[1]);
    }
}

static void *byte_to_and_from(void *arg)
{
    struct crossing *c = arg;
    write_byte(&c->from[1]);
    return byte_from(&c->to[0]);
}

static void nap_and_answer(void *arg)
{
    struct crossing *c = arg;
    nap(NULL);
    byte_from(&c->from[0]);
    write_byte(&c->to[1]);
}

/* One whose end hangs on a timer. */
static void main_blocking_timer(void *arg)
{
    struct crossing c;
    weft_waitgroup done = {0};
    (void)arg;
    CHECK(pipe2(c.from, O_CLOEXEC) == 0 && pipe2(c.to, O_CLOEXEC) == 0);
    if (accepted(weft_waitgroup_go(&done, nap_and_answer, &c))) {
        weft_yield();
        weft_blocking(byte_to_and_from, &c);
    }
    weft_waitgroup_wait(&done);
    close(c.from[0]), close(c.from[1]), close(c.to[0]), close(c.to[1]);
}

static void free_it(void *arg)
{
    weft_free(arg);
}

static void gives_up(void *arg)
{
    WEFT_DEFER(free_it, weft_alloc(100));
    weft_panic("%s", (const char *)arg);
}

static void *gives_up_below(void *arg)
{
    gives_up(arg);
    return NULL;
}

static void gives_up_in_section(void *arg)
{
    weft_blocking(gives_up_below, arg);
}

/* Without memory there is no trace, and all else is as ever. */
static void main_try(void *arg)
{
    const weft_fn fns[] = {gives_up, gives_up_in_section};
    (void)arg;
    for (int i = 0; i < 2; i++) {
        weft_panic_info info;
        CHECK(weft_try(fns[i], "given up", &info));
        CHECK_STR_EQ(info.message, "given up");
        accepted(info.trace ? 0 : -ENOMEM);
        weft_panic_clear(&info);
    }
}

static void *foreign(void *arg)
{
    weft_waitgroup done = {0}, never = {0};
    atomic_int ran = 0;
    struct job job = {.done = &done, .ran = &ran};
    (void)arg;
    char *block = weft_alloc(100);
    accepted(block ? 0 : -ENOMEM);
    WEFT_DEFER(free_it, block);
    for (int i = 0; i < 4; i++) {
        weft_waitgroup_add(&done, 1);
        if (!accepted(i % 2 ? weft_go(mark, &job) : weft_go_copy(mark, &job, sizeof job)))
            weft_waitgroup_done(&done);
    }
    weft_waitgroup_add(&never, 1);
    wait_until(&never, weft_now() + TEST_MS / 2);
    wait_until(&done, weft_now() + 100000 * TEST_MS);
    weft_waitgroup_wait(&done);
    weft_sleep(1000);
    return NULL;
}

static void *join_thread(void *thread)
{
    CHECK_EQ(pthread_join(*(pthread_t *)thread, NULL), 0);
    return NULL;
}

static void main_foreign(void *arg)
{
    pthread_t threads[3];
    (void)arg;
    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, foreign, NULL), 0);
    for (int i = 0; i < 3; i++)
        weft_blocking(join_thread, &threads[i]);
}

#include "programs_ctx.h"
#include "programs_flow.h"
#include "programs_sched.h"
#include "programs_sync.h"

/* ---- ends of runs ---- */

static weft_waitgroup outlives;

static void park(void *arg)
{
    weft_waitgroup mine = {0};
    weft_waitgroup_add(&mine, 1);
    weft_waitgroup_wait(arg ? arg : &mine);
}

static void park_timed(void *arg)
{
    wait_until(arg, weft_now() + 100000 * TEST_MS);
    park(NULL);
}

static void main_abandon(void *arg)
{
    weft_go_options large = {.stack_size = 256 << 10};
    (void)arg;
    outlives = (weft_waitgroup){0};
    weft_waitgroup_add(&outlives, 1);
    for (int i = 0; i < SOME; i++)
        accepted(i % 4 == 0   ? weft_go(park, &outlives)
                 : i % 4 == 1 ? weft_go(park_timed, &outlives)
                 : i % 4 == 2 ? weft_go_with(&large, park, NULL)
                              : weft_go(nothing, NULL));
    weft_yield();
}

static void die_with_the_run(void *arg)
{
    atomic_bool *go = arg;
    weft_waitgroup mine = {0};
    weft_waitgroup_add(&mine, 1);
    atomic_store(go, true);
    weft_waitgroup_wait_until(&mine, weft_now() + 100000 * TEST_MS);
}

/* All kinds of waits when main is gone. */
static void main_end_early(void *arg)
{
    static atomic_bool parked;
    (void)arg;
    atomic_store(&parked, false);
    if (accepted(weft_go(die_with_the_run, &parked)))
        TEST_UNTIL(atomic_load(&parked));
}

static atomic_int computing, released;

static void compute_on(void *arg)
{
    int64_t limit = test_now() + 1000 * TEST_MS; /* it may have the only thread that is to be had */
    (void)arg;
    atomic_store(&computing, 1);
    while (!atomic_load(&released) && test_now() < limit)
        sched_yield();
}

static void main_orphan(void *arg)
{
    (void)arg;
    outlives = (weft_waitgroup){0};
    weft_waitgroup_add(&outlives, 1);
    atomic_store(&computing, 0);
    atomic_store(&released, 0);
    if (accepted(weft_go(compute_on, NULL)))
        TEST_UNTIL(atomic_load(&computing));
    accepted(weft_go(park, &outlives));
}

/* Its thread ends, too; TSan has one of its own. */
static void release_orphan(void)
{
    atomic_store(&released, 1);
    TEST_UNTIL(TEST_TSAN || test_entries("/proc/self/task") == 1);
}

TEST_UNUSED static const struct program programs[] = {
    {.name = "run", .main = nothing},
    {.name = "go", .main = main_go},
    {.name = "go_copy", .main = main_go_copy},
    {.name = "go_with", .main = main_go_with},
    {.name = "waitgroup_go", .main = main_waitgroup_go},
    {.name = "sleep", .main = main_sleep},
    {.name = "deadline", .main = main_deadline},
    {.name = "timers", .main = main_timers},
    {.name = "contexts", .main = main_contexts},
    {.name = "ctx_deadline", .main = main_deadline_of_context},
    {.name = "sem_ctx", .main = main_sem_until_end},
    {.name = "group", .main = main_group},
    {.name = "stages", .main = main_stages},
    {.name = "joints", .main = main_joints},
    {.name = "bridge", .main = main_bridge},
    {.name = "wards", .main = main_wards},
    {.name = "replicate", .main = main_replicate},
    {.name = "errors", .main = main_errors},
    {.name = "alloc", .main = main_alloc},
    {.name = "pool", .main = main_pool},
    {.name = "blocking", .main = main_blocking},
    {.name = "blocking_timer", .main = main_blocking_timer},
    {.name = "try", .main = main_try},
    {.name = "foreign", .main = main_foreign},
    {.name = "chan", .main = main_chan},
    {.name = "chan_deadline", .main = main_chan_deadline},
    {.name = "select", .main = main_select},
    {.name = "signal", .main = main_signal},
    {.name = "locks", .main = main_locks},
    {.name = "cond_deadline", .main = main_cond_deadline},
    {.name = "locks_foreign", .main = main_locks_foreign},
    {.name = "local", .main = main_local},
    {.name = "maxprocs", .main = main_maxprocs},
    {.name = "lock", .main = main_lock},
    {.name = "stall", .main = main_stall, .before = watch_stalls, .after = watch_no_stalls},
    {.name = "abandon", .main = main_abandon},
    {.name = "end_early", .main = main_end_early},
    {.name = "end_in_locks", .main = main_end_in_locks, .after = use_locks_again},
    {.name = "orphan",
     .main = main_orphan,
     .config = {.maxprocs = 2, .stop_ns = 1},
     .after = release_orphan,
     .result = -ETIMEDOUT},
    {.name = "stack_size", .main = main_waitgroup_go, .config = {.stack_size = 32 << 10}},
    {.name = "topology", .main = main_go, .config = {.topology = "node:2 core:2 pu:2"}},
    {0},
};

/* weft_run's result, 0 for the one that may be; how many calls were refused is program_refused. */
TEST_UNUSED static int program_run(const struct program *program)
{
    weft_config config = program->config;
    if (config.maxprocs == 0)
        config.maxprocs = test_procs(2);
    atomic_store(&refused_, 0);
    if (program->before)
        program->before();
    int rc = test_run_config(program->main, NULL, &config);
    if (program->after)
        program->after();
    return rc == program->result ? 0 : rc;
}

TEST_UNUSED static int program_refused(void)
{
    return atomic_load(&refused_);
}

#endif
