/* SPDX-License-Identifier: Apache-2.0
 * orphan.c - threads that a run has ended without: whatever they do when they come back, they do nothing to later runs, and
 * end. */
#include "threads.h"

#include <signal.h>
#include <sys/syscall.h>

static void yields_thrice(void *arg)
{
    (void)arg;
    for (int i = 0; i < 3; i++)
        weft_yield();
}

/* ---- what it calls when it comes back ---- */

static atomic_bool come_back, is_away;
static weft_chan *empty_chan;

static void asks_for_processors(void)
{
    weft_maxprocs(1);
}

static void receives(void)
{
    weft_chan_recv(empty_chan, NULL);
}

static void selects(void)
{
    WEFT_SELECT(WEFT_RECV(empty_chan, NULL), WEFT_AFTER(WEFT_HOUR));
}

static void *come_straight_back(void *arg)
{
    return arg;
}

static void blocks_once(void)
{
    weft_blocking(come_straight_back, NULL);
}

static void starts_another(void)
{
    weft_go(nothing, NULL);
}

static void sleeps(void)
{
    weft_sleep(WEFT_MILLISECOND);
}

/* Held by the thread that runs the test, or empty. */
static weft_mutex held_mutex, cond_mutex;
static weft_rwmutex held_lock, read_lock; /* for writing, for reading */
static weft_cond silent_cond = WEFT_COND_INIT(&cond_mutex);
static weft_sem no_units;

static void locks(void)
{
    weft_mutex_lock(&held_mutex);
}

static void reads(void)
{
    weft_rwmutex_rlock(&held_lock);
}

static void writes(void)
{
    weft_rwmutex_lock(&held_lock);
}

static void writes_after_readers(void)
{
    weft_rwmutex_lock(&read_lock);
}

static void waits_for_signal(void)
{
    weft_cond_wait(&silent_cond);
}

static void acquires(void)
{
    weft_sem_acquire(&no_units, 0);
    weft_sem_acquire(&no_units, 1);
}

static weft_ctx *ctx_with_hook;

static void cancels(void)
{
    weft_ctx_cancel(ctx_with_hook);
}

static void computes_then(void *way)
{
    atomic_store(&is_away, true);
    while (!atomic_load(&come_back))
        ;
    ((void (*)(void))way)();
    for (;;)
        weft_yield();
}

static void leave_one(void *way)
{
    CHECK_EQ(weft_go(computes_then, way), 0);
    while (!atomic_load(&is_away))
        weft_yield();
}

static void nobody_receives(void *arg)
{
    weft_waitgroup all = {0};
    for (int i = 0; i < 20; i++)
        CHECK_EQ(weft_waitgroup_go(&all, yields_thrice, NULL), 0);
    weft_waitgroup_wait(&all);
    CHECK_EQ(weft_chan_try_send(empty_chan, arg), -EAGAIN);
    TEST_UNTIL(test_stats().timers == 0);
}

TEST(an_orphan_that_comes_back_does_nothing_to_later_runs)
{
    /* Goal: whichever call it comes back to, it goes no further, or does no harm: it isn't found by those who look for
     * partners, and takes no processor. Method: a run between and one after. */
    static void (*const ways[])(void) = {asks_for_processors,
                                         receives,
                                         selects,
                                         blocks_once,
                                         starts_another,
                                         sleeps,
                                         locks,
                                         reads,
                                         writes,
                                         writes_after_readers,
                                         waits_for_signal,
                                         acquires,
                                         cancels};
    int threads = threads_at_rest();
    weft_config config = {.maxprocs = 2, .stop_ns = 1};
    empty_chan = weft_chan_new(0, 0);
    weft_mutex_lock(&held_mutex);
    weft_rwmutex_lock(&held_lock);
    weft_rwmutex_rlock(&read_lock);
    weft_mutex_lock(&cond_mutex);
    ctx_with_hook = weft_ctx_with_cancel(NULL);
    weft_ctx_hook *hook = weft_ctx_after_func(ctx_with_hook, nothing, NULL);
    REQUIRE(hook);
    for (size_t i = 0; i < TEST_COUNT_OF(ways); i++) {
        atomic_store(&come_back, false);
        atomic_store(&is_away, false);
        CHECK_EQ(test_run_config(leave_one, (void *)ways[i], &config), -ETIMEDOUT);
        atomic_store(&come_back, true);
        CHECK_EQ(test_run(nobody_receives, NULL), 0);
        until_threads(threads);
        CHECK_EQ(test_run(nobody_receives, NULL), 0);
    }
    CHECK(!weft_ctx_hook_stop(hook)); /* it was called */
    weft_ctx_unref(ctx_with_hook);
    weft_chan_unref(empty_chan);
    weft_mutex_unlock(&held_mutex);
    weft_rwmutex_unlock(&held_lock);
    weft_rwmutex_runlock(&read_lock);
    weft_cond_signal(&silent_cond);
    CHECK(weft_mutex_try_lock(&held_mutex)); /* nobody stands before us */
    CHECK(weft_rwmutex_try_lock(&held_lock));
    CHECK(weft_rwmutex_try_lock(&read_lock));
}

static atomic_int its_thread;

static void tells_its_thread_and_starts_another(void)
{
    atomic_store(&its_thread, gettid());
    starts_another();
}

/* The orphan comes back and ends while this run is on, which then waits for nobody. */
static void waits_beside_orphan(void *arg)
{
    (void)arg;
    atomic_store(&come_back, true);
    while (!atomic_load(&its_thread) || tgkill(getpid(), atomic_load(&its_thread), 0) == 0)
        weft_sleep(TEST_MS);
    weft_chan_recv(empty_chan, NULL);
}

CHILD(asleep_beside_orphan)
{
    weft_config config = {.maxprocs = 2, .stop_ns = 1};
    empty_chan = weft_chan_new(0, 0);
    CHECK_EQ(test_run_config(leave_one, (void *)tells_its_thread_and_starts_another, &config),
             -ETIMEDOUT);
    test_run(waits_beside_orphan, NULL);
}

TEST(what_an_orphan_starts_is_of_no_run)
{
    /* Goal: nobody is left in the later run who could wake main, and it says so. The story: the orphan's new goroutine lay in its
     * processor, never to be run, and was counted. */
    static struct test_result r;
    if (test_emulator())
        SKIP("it has threads of its own, which may wake anybody");
    test_spawn("asleep_beside_orphan", &r);
    CHECK_EXITED(&r, 2);
    CHECK_STR_HAS(r.err, "fatal error: all goroutines are asleep - deadlock!");
}

/* ---- what a run leaves beside an orphan ---- */

enum { WAITING = 4 };

static atomic_int waiting;

static void waits_for_ever(void *arg)
{
    (void)arg;
    atomic_fetch_add(&waiting, 1);
    weft_chan_recv(empty_chan, NULL);
    FAIL("a goroutine of an earlier run goes on");
}

static void starts_some_and_computes(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(nothing, NULL), 0);
    for (int i = 0; i < WAITING; i++)
        CHECK_EQ(weft_go(waits_for_ever, NULL), 0);
    TEST_COMPUTE_UNTIL(atomic_load(&come_back));
}

static void leave_one_that_starts(void *more)
{
    CHECK_EQ(weft_go(starts_some_and_computes, NULL), 0);
    while (atomic_load(&waiting) < WAITING - 1) /* one may be next where it computes */
        weft_sleep(TEST_MS);
    for (int i = 0; i < *(int *)more; i++)
        CHECK_EQ(weft_go(waits_for_ever, NULL), 0);
    while (atomic_load(&waiting) < WAITING - 1 + *(int *)more)
        weft_sleep(TEST_MS);
}

TEST(those_who_wait_when_an_orphan_is_left_are_gone_as_well)
{
    /* Goal: whoever waits for what outlives the run is taken out, though the counts of who was started and has ended went
     * with the orphan's processor. Method: it started some; so many others that the counts that are left may agree. */
    weft_config config = {.maxprocs = 2, .stop_ns = 1};
    int threads = threads_at_rest();
    empty_chan = weft_chan_new(0, 0);
    for (int more = 0; more <= WAITING; more++) {
        atomic_store(&come_back, false);
        atomic_store(&waiting, 0);
        CHECK_EQ(test_run_config(leave_one_that_starts, &more, &config), -ETIMEDOUT);
        CHECK_EQ(test_run(nobody_receives, NULL), 0);
        atomic_store(&come_back, true);
        until_threads(threads);
    }
    weft_chan_unref(empty_chan);
}

static pid_t runs_weft;

/* Stands for a kernel that keeps a thread from running, within the scheduler. */
static void take_long(int sig)
{
    (void)sig;
    if (weft_self() != 0 || gettid() == runs_weft)
        return;
    struct timespec left = {.tv_nsec = 60 * TEST_MS};
    while (nanosleep(&left, &left))
        ;
}

static void computes_for_a_while(void *arg)
{
    (void)arg;
    atomic_store(&is_away, true);
    for (int64_t end = test_now() + 45 * TEST_MS; test_now() < end;)
        ;
}

/* Main returns when others are within the scheduler, and are kept there. */
static void leave_others_held(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(computes_for_a_while, NULL), 0);
    while (!atomic_load(&is_away))
        weft_sleep(200000);
    for (int64_t end = test_now() + 300000; test_now() < end; weft_yield())
        for (int i = 0; i < 50; i++)
            CHECK_EQ(weft_go(nothing, NULL), 0);
    DIR *dir = opendir("/proc/self/task");
    REQUIRE(dir);
    for (int i = 0; i < 200; i++)
        CHECK_EQ(weft_go(nothing, NULL), 0);
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.' && atoi(e->d_name) != gettid())
            syscall(SYS_tgkill, getpid(), atoi(e->d_name), SIGUSR1);
    closedir(dir);
}

TEST(an_orphan_is_left_beside_those_who_look_for_work)
{
    /* Goal: whoever is still within the scheduler when a processor goes with an orphan meets no hole where that was. Method: a
     * signal's handler keeps threads there for longer than the run waits. */
    weft_config config = {.maxprocs = 4, .stop_ns = 1, .no_pin = 1};
    struct sigaction action = {.sa_handler = take_long, .sa_flags = SA_RESTART};
    int threads = threads_at_rest();
    runs_weft = gettid();
    REQUIRE(sigaction(SIGUSR1, &action, NULL) == 0);
    for (int i = 0, n = test_scale(40); i < n; i++) {
        atomic_store(&is_away, false);
        int rc = test_run_config(leave_others_held, NULL, &config);
        CHECK(rc == 0 || rc == -ETIMEDOUT);
    }
    until_threads(threads);
    signal(SIGUSR1, SIG_IGN); /* it may still be on its way to a thread that hasn't run since */
}

/* ---- what it shares with later runs ---- */

static weft_timer *left_timer;
static weft_ctx *left_ctx;
static atomic_bool has_left;

static void is_left_with_timers(void *arg)
{
    (void)arg;
    left_timer = weft_after_func(WEFT_HOUR, nothing, NULL);
    left_ctx = weft_ctx_with_timeout(NULL, WEFT_HOUR);
    atomic_store(&has_left, true);
    TEST_COMPUTE_UNTIL(atomic_load(&come_back));
}

static void leave_timers(void *arg)
{
    (void)arg;
    CHECK_EQ(weft_go(is_left_with_timers, NULL), 0);
    TEST_UNTIL(atomic_load(&has_left));
}

static void use_left_timers(void *arg)
{
    (void)arg;
    CHECK(!weft_timer_stop(left_timer));
    CHECK_EQ(test_stats().timers, 0);
    weft_ctx *child = weft_ctx_with_timeout(left_ctx, 2 * WEFT_HOUR);
    CHECK_EQ(test_stats().timers, 1); /* the parent's won't end it */
    weft_ctx_unref(child);
    CHECK_EQ(test_stats().timers, 0);
    weft_ctx_cancel(left_ctx);
    CHECK_EQ(weft_ctx_err(left_ctx), -ECANCELED);
    CHECK_EQ(test_stats().timers, 0);
    weft_ctx_unref(left_ctx); /* freed when the orphan's processor gives up its timer */
}

TEST(timers_that_are_left_with_an_orphan_are_dead)
{
    /* Goal: in a later run they can't be stopped, and aren't counted; a context that has one is no child's deadline, and
     * ends. Method: one processor's holder computes till that run is over. */
    weft_config config = {.maxprocs = 2, .stop_ns = 1};
    int threads = threads_at_rest();
    atomic_store(&come_back, false);
    atomic_store(&has_left, false);
    CHECK_EQ(test_run_config(leave_timers, NULL, &config), -ETIMEDOUT);
    CHECK_EQ(test_run(use_left_timers, NULL), 0);
    atomic_store(&come_back, true);
    until_threads(threads);
    CHECK_EQ(test_run(nothing, NULL), 0); /* it buries the orphan */
    weft_timer_unref(left_timer);
}

static weft_timer *later_timer;

static void resets_a_later_timer(void)
{
    weft_timer_reset(later_timer, 20 * TEST_MS);
}

static void waits_for_later_timer(void *arg)
{
    (void)arg;
    later_timer = weft_timer_new(WEFT_HOUR);
    atomic_store(&come_back, true);
    CHECK(weft_chan_recv(weft_timer_chan(later_timer), NULL));
    weft_timer_unref(later_timer);
}

TEST(an_orphan_that_sets_a_later_timer_does_as_a_foreign_thread_does)
{
    /* Goal: the timer fires; it isn't left to a processor that nobody looks at. */
    weft_config config = {.maxprocs = 2, .stop_ns = 1};
    int threads = threads_at_rest();
    atomic_store(&come_back, false);
    atomic_store(&is_away, false);
    CHECK_EQ(test_run_config(leave_one, (void *)resets_a_later_timer, &config), -ETIMEDOUT);
    CHECK_EQ(test_run(waits_for_later_timer, NULL), 0);
    until_threads(threads);
}

static atomic_bool is_over;

static void asks_till_it_is_over(void)
{
    while (!atomic_load(&is_over))
        weft_maxprocs(3);
}

static void asks_as_well(void *arg)
{
    (void)arg;
    atomic_store(&come_back, true);
    for (int i = 0, n = test_scale(20000) + 100; i < n; i++)
        weft_maxprocs(3 + i % 2);
}

TEST(an_orphan_and_a_later_run_ask_for_processors)
{
    /* Goal: the run ends though the orphan waits for its turn to change their number. */
    weft_config config = {.maxprocs = 2, .stop_ns = 1};
    int threads = threads_at_rest();
    atomic_store(&come_back, false);
    atomic_store(&is_away, false);
    atomic_store(&is_over, false);
    CHECK_EQ(test_run_config(leave_one, (void *)asks_till_it_is_over, &config), -ETIMEDOUT);
    CHECK_EQ(test_run_procs(4, asks_as_well, NULL), 0);
    atomic_store(&is_over, true);
    until_threads(threads);
    weft_maxprocs(test_procs(2)); /* the orphan may have asked between runs */
}
