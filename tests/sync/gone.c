/* SPDX-License-Identifier: Apache-2.0
 * gone.c - an object of sync.h may go when nobody will call it again, though a call that let its last user go may not have
 * returned yet: that call doesn't touch the object any more.
 *
 * Each object is a block of its own. Its last user fills it with a pattern and keeps it a while in a graveyard, where a late
 * write is found even without a sanitizer; under ASan and Valgrind he frees it at once, so that they find a late read.
 * WaitGroups have this in waitgroup_frame.c. */
#include "crew.h"

enum { GRAVES = 64, PATTERN = 0xA5 };

struct object {
    weft_mutex mutex;
    weft_rwmutex rw;
    weft_cond cond;
    weft_once once;
    weft_sem sem;
    int users; /* under the lock that is tested */
    atomic_int stage;
};

static struct object *graves[GRAVES];
static unsigned next_grave;
static weft_mutex graveyard; /* of another kind than what is buried: never freed */

static void check_untouched(struct object *o)
{
    const unsigned char *bytes = (const unsigned char *)o;
    for (size_t i = 0; o && i < sizeof(*o); i++)
        if (bytes[i] != PATTERN) {
            FAIL("byte %zu of what is gone was written: %02x", i, bytes[i]);
            break;
        }
    free(o);
}

static void bury(struct object *o)
{
    if (TEST_ASAN || TEST_TSAN || test_valgrind()) {
        free(o);
        return;
    }
    memset(o, PATTERN, sizeof *o);
    weft_mutex_lock(&graveyard);
    struct object **grave = &graves[next_grave++ % GRAVES], *old = *grave;
    *grave = o;
    weft_mutex_unlock(&graveyard);
    check_untouched(old);
}

static void check_graves(void)
{
    for (int i = 0; i < GRAVES; i++) {
        check_untouched(graves[i]);
        graves[i] = NULL;
    }
}

static struct object *new_object(int users)
{
    struct object *o = calloc(1, sizeof *o);
    weft_cond_init(&o->cond, &o->mutex);
    o->users = users;
    return o;
}

/* ---- a number of users, each of whom comes once; who is last is seen under the lock ---- */

static struct object *shared;

static void leave_mutex(int index)
{
    struct object *o = shared;
    weft_mutex_lock(&o->mutex);
    if (index % 3 == 0)
        weft_yield();
    bool last = --o->users == 0;
    weft_mutex_unlock(&o->mutex);
    if (last)
        bury(o);
}

static void leave_rwmutex(int index)
{
    struct object *o = shared;
    if (index % 2) {
        weft_rwmutex_rlock(&o->rw);
        CHECK_GT(o->users, 0);
        weft_rwmutex_runlock(&o->rw);
    }
    weft_rwmutex_lock(&o->rw);
    if (index % 3 == 0)
        weft_yield();
    bool last = --o->users == 0;
    weft_rwmutex_unlock(&o->rw);
    if (last)
        bury(o);
}

static void leave_sem(int index)
{
    struct object *o = shared;
    weft_sem_acquire(&o->sem, 1);
    if (index % 3 == 0)
        weft_yield();
    bool last = --o->users == 0;
    weft_sem_release(&o->sem, 1);
    if (last)
        bury(o);
}

static void leave_cond(int index)
{
    struct object *o = shared;
    weft_mutex_lock(&o->mutex);
    if (--o->users == 0)
        weft_cond_broadcast(&o->cond);
    while (o->users > 0)
        weft_cond_wait(&o->cond);
    bool last = --o->users == -atomic_load(&o->stage);
    weft_mutex_unlock(&o->mutex);
    if (last)
        bury(o);
    (void)index;
}

static void leave_together(const struct crew_size *size, void (*leave)(int index))
{
    int members = size->goroutines + size->threads;
    int n = (size->threads ? test_scale(1000) : test_scale(10000)) + 1;
    for (int i = 0; i < n; i++) {
        shared = new_object(members);
        shared->sem = (weft_sem)WEFT_SEM_INIT(1);
        atomic_store(&shared->stage, members);
        crew_run(size->goroutines, size->threads, leave);
    }
    check_graves();
}

struct plan {
    struct crew_size size;
    void (*leave)(int index);
};

static void carry_out(void *arg)
{
    const struct plan *plan = arg;
    leave_together(&plan->size, plan->leave);
}

static void leave_in_crews(void (*leave)(int index))
{
    static const struct crew_size sizes[] = {{2, 0}, {4, 0}, {2, 1}, {0, 2}};
    for (size_t i = 0; i < TEST_COUNT_OF(sizes); i++) {
        struct plan plan = {sizes[i], leave};
        CHECK_EQ(test_run(carry_out, &plan), 0);
    }
    leave_together(&sizes[3], leave);
}

TEST(the_last_to_lock_a_mutex_frees_it)
{
    /* Goal: an unlock doesn't touch the mutex once another can lock it. Method: users counted under the mutex; the last
     * frees after his unlock. */
    leave_in_crews(leave_mutex);
}

TEST(the_last_writer_frees_the_rwmutex)
{
    /* Goal: the same for both unlocks of a rwmutex. Method: half of them read first. */
    leave_in_crews(leave_rwmutex);
}

TEST(the_last_to_acquire_frees_the_semaphore)
{
    /* Goal: the same for release. */
    leave_in_crews(leave_sem);
}

TEST(the_last_to_be_woken_frees_cond_and_mutex)
{
    /* Goal: the same for those who a broadcast wakes. Method: a barrier; who leaves it last frees it. */
    leave_in_crews(leave_cond);
}

/* ---- two: one lets the other go, who frees ---- */

static int rounds(void)
{
    return test_scale(10000) + 1;
}

static void start(weft_fn fn, struct object *o)
{
    CHECK_EQ(weft_go(fn, o), 0);
}

static void maybe_yield(int i)
{
    if (i % 3 == 1)
        weft_yield();
    for (volatile int spin = i % 3 == 2 ? i % 512 : 0; spin > 0; spin--)
        ;
}

static void release_one(void *arg)
{
    struct object *o = arg;
    weft_sem_release(&o->sem, 1);
}

static void unlock_mutex(void *arg)
{
    struct object *o = arg;
    weft_mutex_unlock(&o->mutex);
}

static void unlock_write(void *arg)
{
    struct object *o = arg;
    weft_rwmutex_unlock(&o->rw);
}

static void unlock_read(void *arg)
{
    struct object *o = arg;
    weft_rwmutex_runlock(&o->rw);
}

static void signal_and_unlock(void *arg)
{
    struct object *o = arg;
    weft_mutex_lock(&o->mutex);
    atomic_store(&o->stage, 1);
    weft_cond_signal(&o->cond);
    weft_mutex_unlock(&o->mutex);
}

static void acquire_then_free(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds(); i++) {
        struct object *o = new_object(1);
        o->sem = (weft_sem)WEFT_SEM_INIT(2);
        weft_sem_acquire(&o->sem, 2);
        start(release_one, o);
        maybe_yield(i);
        weft_sem_acquire(&o->sem, 1);
        bury(o);
    }
    check_graves();
}

static void lock_then_free(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds(); i++) {
        struct object *o = new_object(1);
        weft_mutex_lock(&o->mutex);
        start(unlock_mutex, o);
        maybe_yield(i);
        weft_mutex_lock(&o->mutex);
        bury(o); /* locked, but nobody wants it */
    }
    check_graves();
}

static void rlock_then_free(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds(); i++) {
        struct object *o = new_object(1);
        weft_rwmutex_lock(&o->rw);
        start(unlock_write, o);
        maybe_yield(i);
        if (i % 2) {
            weft_rwmutex_rlock(&o->rw);
            weft_rwmutex_runlock(&o->rw);
        } else {
            weft_rwmutex_lock(&o->rw);
            weft_rwmutex_unlock(&o->rw);
        }
        bury(o);
    }
    check_graves();
}

static void write_then_free(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds(); i++) {
        struct object *o = new_object(1);
        int readers = 1 + i % 3;
        for (int k = 0; k < readers; k++)
            weft_rwmutex_rlock(&o->rw);
        for (int k = 0; k < readers; k++)
            start(unlock_read, o);
        maybe_yield(i);
        weft_rwmutex_lock(&o->rw);
        weft_rwmutex_unlock(&o->rw);
        bury(o);
    }
    check_graves();
}

static void wait_then_free(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds(); i++) {
        struct object *o = new_object(1);
        weft_mutex_lock(&o->mutex);
        start(signal_and_unlock, o);
        maybe_yield(i / 2);
        while (!atomic_load(&o->stage)) {
            if (i % 2)
                weft_cond_wait(&o->cond);
            else
                CHECK_EQ(weft_cond_wait_until(&o->cond, weft_now() + WEFT_HOUR), 0);
        }
        weft_mutex_unlock(&o->mutex);
        bury(o);
    }
    check_graves();
}

static void first_stage(void *arg)
{
    struct object *o = arg;
    atomic_store(&o->stage, 1);
    if (o->users % 2)
        weft_yield();
}

static void do_once(void *arg)
{
    struct object *o = arg;
    weft_once_do(&o->once, first_stage, o);
}

static void do_then_free(void *arg)
{
    (void)arg;
    for (int i = 0; i < rounds(); i++) {
        struct object *o = new_object(i);
        start(do_once, o);
        TEST_UNTIL(atomic_load(&o->stage) == 1); /* the other one runs it */
        maybe_yield(i / 2);
        weft_once_do(&o->once, first_stage, o);
        bury(o);
    }
    check_graves();
}

static void *in_section(void *fn)
{
    (*(weft_fn *)fn)(NULL);
    return NULL;
}

static void on_a_thread(void *fn)
{
    weft_blocking(in_section, fn);
}

static void check_pair(weft_fn fn)
{
    CHECK_EQ(test_run(fn, NULL), 0);
    CHECK_EQ(test_run(on_a_thread, &fn), 0);
}

TEST(who_acquires_frees_the_semaphore)
{
    /* Goal: the acquire that a release lets go returns, and the semaphore may go. Method: released by one goroutine; main,
     * or a foreign thread in its stead, acquires and frees. */
    check_pair(acquire_then_free);
}

TEST(who_locks_frees_the_mutex)
{
    /* Goal, method: the same, and a mutex is handed over. */
    check_pair(lock_then_free);
}

TEST(who_comes_after_a_writer_frees_the_rwmutex)
{
    /* Goal: an unlock that lets in a reader or the next writer is through with the object then. */
    check_pair(rlock_then_free);
}

TEST(who_comes_after_readers_frees_the_rwmutex)
{
    /* Goal: the same for the last runlock, and for those before it. Method: one to three readers. */
    check_pair(write_then_free);
}

TEST(who_was_signalled_frees_cond_and_mutex)
{
    /* Goal: the same for a signal under the mutex and the unlock after it. */
    check_pair(wait_then_free);
}

TEST(who_waited_for_a_once_frees_it)
{
    /* Goal: a do that waited returns, and the do that ran the function doesn't touch the once any more. */
    check_pair(do_then_free);
}

static weft_mutex kept; /* the cond's, which goes before it */
static bool gone_on;
static weft_waitgroup woken;
static atomic_int waits;

static void wait_with_kept(void *arg)
{
    weft_cond *cond = arg;
    bool timed = atomic_fetch_add(&waits, 1) % 2;
    weft_mutex_lock(&kept);
    while (!gone_on)
        if (timed)
            CHECK_EQ(weft_cond_wait_until(cond, weft_now() + WEFT_HOUR), 0);
        else
            weft_cond_wait(cond);
    weft_mutex_unlock(&kept);
    weft_waitgroup_done(&woken);
}

static void free_conds(void *arg)
{
    (void)arg;
    for (int i = 0; i < test_scale(2000) + 20; i++) {
        weft_cond *cond = malloc(sizeof *cond);
        REQUIRE(cond);
        weft_cond_init(cond, &kept);
        gone_on = false;
        weft_waitgroup_add(&woken, 2);
        for (int k = 0; k < 2; k++)
            CHECK_EQ(weft_go(wait_with_kept, cond), 0);
        for (int k = 0; k < i % 4; k++)
            weft_yield();
        weft_mutex_lock(&kept);
        gone_on = true;
        weft_cond_broadcast(cond);
        explicit_bzero(cond, sizeof *cond); /* who comes later doesn't look at it */
        free(cond);
        weft_mutex_unlock(&kept);
        weft_waitgroup_wait(&woken);
    }
}

TEST(who_broadcasts_frees_the_cond)
{
    /* Goal: who was woken looks for the mutex without the cond. */
    CHECK_EQ(test_run(free_conds, NULL), 0);
}
