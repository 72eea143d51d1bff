/* SPDX-License-Identifier: Apache-2.0
 * lock_held.c - goroutines that wait while they hold a pthread mutex are told of on stderr, and nobody else is. */
#include "../test.h"

#define REPORT                                                                                     \
    "weft: a goroutine waits with a pthread mutex held (or unlocked on another thread), 0x"

static struct test_result r;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER, other = PTHREAD_MUTEX_INITIALIZER;
static weft_chan *ch, *of_thread;
static int line;

static int reports(void)
{
    int n = 0;
    for (const char *at = r.err; (at = strstr(at, REPORT)); at++)
        n++;
    return n;
}

static void sends(void *arg)
{
    for (intptr_t i = 0; i < (intptr_t)arg; i++) {
        test_until_parked(1);
        weft_chan_send(ch, NULL);
    }
}

/* Somebody sends so often, each time when the caller waits. */
static void be_sent(int times)
{
    ch = weft_chan_new(0, 0);
    CHECK_EQ(weft_go(sends, (void *)(intptr_t)times), 0);
}

static TEST_NOINLINE void wait_with(pthread_mutex_t *held)
{
    line = __LINE__ + 1;
    pthread_mutex_lock(held);
    weft_chan_recv(ch, NULL);
    pthread_mutex_unlock(held);
}

static void wait_with_mutex(void *arg)
{
    (void)arg;
    be_sent(1);
    wait_with(&mutex);
    printf("0x%" PRIxPTR ", taken at lock_held.c:%d, wait_with+0x", (uintptr_t)&mutex, line);
}

CHILD(waits)
{
    CHECK_EQ(test_run(wait_with_mutex, NULL), 0);
}

TEST(who_waits_with_a_mutex_is_told)
{
    /* Goal: which mutex, where it was taken, who it is and where he waits; and he goes on. */
    test_spawn("waits", &r);
    CHECK_EXITED(&r, 0);
    CHECK_EQ(reports(), 1);
    CHECK_STR_HAS(r.err, TEST_LINES ? r.out : REPORT);
    CHECK_STR_HAS(r.err, ")\ngoroutine 1 [running]:\n0x");
    CHECK_STR_HAS(r.err, " wait_with_mutex+0x");
}

static void wait_often(void *arg)
{
    (void)arg;
    be_sent(5);
    for (int i = 0; i < 4; i++)
        wait_with(i % 2 ? &mutex : &other);
    pthread_mutex_lock(&mutex);
    weft_chan_recv(ch, NULL);
    pthread_mutex_unlock(&mutex);
}

CHILD(waits_often)
{
    CHECK_EQ(test_run(wait_often, NULL), 0);
}

TEST(each_place_is_told_once)
{
    /* Goal: once for a place that locks, whatever it locks. Method: four times at one, once at another. */
    test_spawn("waits_often", &r);
    CHECK_EXITED(&r, 0);
    CHECK_EQ(reports(), 2);
}

static void *nothing(void *arg)
{
    return arg;
}

static void wait_in_all_ways(void *arg)
{
    struct timespec far = {.tv_sec = time(NULL) + 1000};
    (void)arg;
    be_sent(3);
    CHECK_EQ(pthread_mutex_trylock(&mutex), 0);
    weft_chan_recv(ch, NULL);
    pthread_mutex_unlock(&mutex);
    CHECK_EQ(pthread_mutex_timedlock(&mutex, &far), 0);
    weft_chan_recv(ch, NULL);
    pthread_mutex_unlock(&mutex);
    CHECK_EQ(pthread_mutex_clocklock(&mutex, CLOCK_REALTIME, &far), 0);
    weft_blocking(nothing, NULL);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_lock(&mutex);
    pthread_mutex_lock(&other);
    weft_chan_recv(ch, NULL);
    pthread_mutex_unlock(&mutex);
    pthread_mutex_unlock(&other);
}

CHILD(waits_in_all_ways)
{
    CHECK_EQ(test_run(wait_in_all_ways, NULL), 0);
}

TEST(however_it_was_locked)
{
    /* Goal: whatever locked it, and weft_blocking counts as a wait; of two, both are told. */
    test_spawn("waits_in_all_ways", &r);
    CHECK_EXITED(&r, 0);
    CHECK_EQ(reports(), 5);
}

static void leave_thread_with_mutex(void *arg)
{
    (void)arg;
    be_sent(2);
    weft_lock_os_thread();
    pthread_mutex_lock(&mutex);
    weft_chan_recv(ch, NULL);
    weft_unlock_os_thread();
    weft_chan_recv(ch, NULL);
    pthread_mutex_unlock(&mutex);
}

CHILD(leaves_thread)
{
    CHECK_EQ(test_run(leave_thread_with_mutex, NULL), 0);
}

TEST(once_it_leaves_its_thread)
{
    /* Goal: a wait while it is locked to that neither tells of it nor forgets it. */
    test_spawn("leaves_thread", &r);
    CHECK_EXITED(&r, 0);
    CHECK_EQ(reports(), 1);
}

static void keep_errno(void *arg)
{
    (void)arg;
    be_sent(1);
    errno = 77;
    wait_with(&mutex);
    CHECK_EQ(errno, 77);
}

CHILD(keeps_errno)
{
    CHECK_EQ(test_run(keep_errno, NULL), 0);
}

TEST(errno_stays)
{
    test_spawn("keeps_errno", &r);
    CHECK_EXITED(&r, 0);
    CHECK_EQ(reports(), 1);
}

/* ---- what is none ---- */

static void *lock_shortly(void *arg)
{
    pthread_mutex_lock(&mutex);
    pthread_mutex_unlock(&mutex);
    return arg;
}

static void *wait_on_thread(void *arg)
{
    pthread_mutex_lock(&other);
    weft_chan_recv(of_thread, NULL);
    pthread_mutex_unlock(&other);
    return arg;
}

static void harmless(void *arg)
{
    pthread_t thread;
    (void)arg;
    of_thread = weft_chan_new(0, 0);
    be_sent(3);
    lock_shortly(NULL);
    weft_chan_recv(ch, NULL);
    weft_blocking(lock_shortly, NULL);
    free(malloc(100000));
    REQUIRE(pthread_create(&thread, NULL, wait_on_thread, NULL) == 0);
    TEST_UNTIL(weft_chan_try_send(of_thread, NULL) == 0); /* not waiting: that would be sent to */
    weft_lock_os_thread();
    pthread_mutex_lock(&mutex);
    weft_chan_recv(ch, NULL);
    pthread_mutex_unlock(&mutex);
    weft_unlock_os_thread();
    pthread_mutex_lock(&mutex);
    CHECK_EQ(pthread_mutex_trylock(&mutex), EBUSY); /* not a second one */
    pthread_mutex_unlock(&mutex);
    weft_chan_recv(ch, NULL);
    pthread_join(thread, NULL);
}

CHILD(harmless)
{
    CHECK_EQ(test_run(harmless, NULL), 0);
}

TEST(nobody_else_is_told)
{
    /* Goal: nothing of what is unlocked before the wait, nothing of threads, nor of a goroutine that keeps its thread. */
    test_spawn("harmless", &r);
    CHECK_EXITED(&r, 0);
    CHECK_STR_EQ(r.err, "");
}
