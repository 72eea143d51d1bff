/* SPDX-License-Identifier: Apache-2.0
 * misuse.c - locks, conds and semaphores used wrongly, each in a process of its own: the text and status 2. What Go calls a
 * fatal error runs no deferred calls, a panic does. */
#include "../test.h"

enum { SURVIVED = 3 };

static weft_mutex mutex;
static weft_rwmutex lock;
static weft_cond cond;

static void say(void *text)
{
    if (write(STDOUT_FILENO, text, strlen(text)) < 0)
        _exit(98);
}

static void unlock_unlocked(void *arg)
{
    (void)arg;
    weft_mutex_unlock(&mutex);
}

static void unlock_twice(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    weft_mutex_unlock(&mutex);
    weft_mutex_unlock(&mutex);
}

static atomic_int through;

static void wait_for_the_mutex(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    weft_mutex_unlock(&mutex);
    atomic_fetch_add(&through, 1);
}

/* After others have waited for it. */
static void unlock_used(void *arg)
{
    (void)arg;
    weft_mutex_lock(&mutex);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(weft_go(wait_for_the_mutex, NULL), 0);
    test_until_parked(3);
    weft_mutex_unlock(&mutex);
    TEST_UNTIL(atomic_load(&through) == 3);
    weft_mutex_unlock(&mutex);
}

static void wait_unlocked(void *arg)
{
    (void)arg;
    weft_cond_init(&cond, &mutex);
    weft_cond_wait(&cond);
}

static void wait_until_unlocked(void *arg)
{
    (void)arg;
    weft_cond_init(&cond, &mutex);
    weft_cond_wait_until(&cond, weft_now() + WEFT_HOUR);
}

static void runlock_unlocked(void *arg)
{
    (void)arg;
    weft_rwmutex_runlock(&lock);
}

static void runlock_twice(void *arg)
{
    (void)arg;
    weft_rwmutex_rlock(&lock);
    weft_rwmutex_runlock(&lock);
    weft_rwmutex_runlock(&lock);
}

static void runlock_written(void *arg)
{
    (void)arg;
    weft_rwmutex_lock(&lock);
    weft_rwmutex_runlock(&lock);
}

static void wunlock_unlocked(void *arg)
{
    (void)arg;
    weft_rwmutex_unlock(&lock);
}

static void wunlock_twice(void *arg)
{
    (void)arg;
    weft_rwmutex_lock(&lock);
    weft_rwmutex_unlock(&lock);
    weft_rwmutex_unlock(&lock);
}

static void wunlock_read(void *arg)
{
    (void)arg;
    weft_rwmutex_rlock(&lock);
    weft_rwmutex_unlock(&lock);
}

/* ---- conds that were copied, while the mutex is held ---- */

static weft_cond copy;

static void copy_used(void)
{
    weft_cond_init(&cond, &mutex);
    weft_cond_signal(&cond);
    copy = cond;
    weft_mutex_lock(&mutex);
}

static void wait_on_copy(void *arg)
{
    (void)arg;
    copy_used();
    weft_cond_wait(&copy);
}

static void wait_until_on_copy(void *arg)
{
    (void)arg;
    copy_used();
    weft_cond_wait_until(&copy, weft_now() + WEFT_HOUR);
}

static void signal_on_copy(void *arg)
{
    (void)arg;
    copy_used();
    weft_cond_signal(&copy);
}

static void broadcast_on_copy(void *arg)
{
    (void)arg;
    copy_used();
    weft_cond_broadcast(&copy);
}

/* The original is as good as ever, and the mutex is held. */
static bool copy_did_no_harm(void)
{
    bool held = !weft_mutex_try_lock(&mutex);
    weft_cond_signal(&cond);
    weft_cond_broadcast(&cond);
    return held;
}

/* ---- semaphores ---- */

static weft_sem sem = WEFT_SEM_INIT(3), below_zero = WEFT_SEM_INIT(-1),
                lowest = WEFT_SEM_INIT(INT64_MIN);

static void acquire_negative(void *arg)
{
    (void)arg;
    weft_sem_acquire(&sem, -1);
}

static void acquire_lowest(void *arg)
{
    (void)arg;
    weft_sem_acquire(&sem, INT64_MIN);
}

static void try_negative(void *arg)
{
    (void)arg;
    weft_sem_try_acquire(&sem, -1);
}

static void try_lowest(void *arg)
{
    (void)arg;
    weft_sem_try_acquire(&sem, INT64_MIN);
}

static void release_negative(void *arg)
{
    (void)arg;
    weft_sem_release(&sem, -1);
}

static void release_lowest(void *arg)
{
    (void)arg;
    weft_sem_release(&sem, INT64_MIN);
}

/* All three units can be had, and no more. */
static bool sem_is_unchanged(void)
{
    return weft_sem_try_acquire(&sem, 3) && !weft_sem_try_acquire(&sem, 1);
}

static void acquire_below_zero(void *arg)
{
    (void)arg;
    weft_sem_acquire(&below_zero, 1);
}

static void acquire_none_of_below_zero(void *arg)
{
    (void)arg;
    weft_sem_acquire(&below_zero, 0);
}

static void try_below_zero(void *arg)
{
    (void)arg;
    weft_sem_try_acquire(&below_zero, 1);
}

static void try_none_of_lowest(void *arg)
{
    (void)arg;
    weft_sem_try_acquire(&lowest, 0);
}

static void release_fresh(void *arg)
{
    (void)arg;
    weft_sem_release(&sem, 1);
}

static void release_beyond(void *arg)
{
    (void)arg;
    weft_sem_acquire(&sem, 2);
    weft_sem_release(&sem, 3);
}

static void release_most(void *arg)
{
    (void)arg;
    weft_sem_acquire(&sem, 2);
    weft_sem_release(&sem, INT64_MAX);
}

static void acquire_three(void *arg)
{
    (void)arg;
    weft_sem_acquire(&sem, 3);
}

/* Beyond what is out, while somebody waits for more than there is. */
static void release_beyond_with_waiters(void *arg)
{
    (void)arg;
    weft_sem_acquire(&sem, 2);
    CHECK_EQ(weft_go(acquire_three, NULL), 0);
    test_until_parked(1);
    weft_sem_release(&sem, 3);
}

/* ---- */

static const char unlock_text[] = "sync: unlock of unlocked mutex",
                  runlock_text[] = "sync: RUnlock of unlocked RWMutex",
                  wunlock_text[] = "sync: Unlock of unlocked RWMutex",
                  copied_text[] = "sync.Cond is copied", negative_text[] = "semaphore: n < 0",
                  size_text[] = "semaphore: size < 0",
                  beyond_text[] = "semaphore: released more than held";

static const struct misuse {
    const char *name;
    weft_fn fn;
    const char *text;
    bool panics;
    bool in_run;             /* it needs goroutines */
    bool (*unchanged)(void); /* what a deferred call finds after the panic */
} misuses[] = {
    {"unlock_unlocked", unlock_unlocked, unlock_text, false, false, NULL},
    {"unlock_twice", unlock_twice, unlock_text, false, false, NULL},
    {"unlock_used", unlock_used, unlock_text, false, true, NULL},
    {"wait_unlocked", wait_unlocked, unlock_text, false, false, NULL},
    {"wait_until_unlocked", wait_until_unlocked, unlock_text, false, false, NULL},
    {"runlock_unlocked", runlock_unlocked, runlock_text, false, false, NULL},
    {"runlock_twice", runlock_twice, runlock_text, false, false, NULL},
    {"runlock_written", runlock_written, runlock_text, false, false, NULL},
    {"wunlock_unlocked", wunlock_unlocked, wunlock_text, false, false, NULL},
    {"wunlock_twice", wunlock_twice, wunlock_text, false, false, NULL},
    {"wunlock_read", wunlock_read, wunlock_text, false, false, NULL},
    {"wait_on_copy", wait_on_copy, copied_text, true, false, copy_did_no_harm},
    {"wait_until_on_copy", wait_until_on_copy, copied_text, true, false, copy_did_no_harm},
    {"signal_on_copy", signal_on_copy, copied_text, true, false, copy_did_no_harm},
    {"broadcast_on_copy", broadcast_on_copy, copied_text, true, false, copy_did_no_harm},
    {"acquire_negative", acquire_negative, negative_text, true, false, sem_is_unchanged},
    {"acquire_lowest", acquire_lowest, negative_text, true, false, sem_is_unchanged},
    {"try_negative", try_negative, negative_text, true, false, sem_is_unchanged},
    {"try_lowest", try_lowest, negative_text, true, false, sem_is_unchanged},
    {"release_negative", release_negative, negative_text, true, false, sem_is_unchanged},
    {"release_lowest", release_lowest, negative_text, true, false, sem_is_unchanged},
    {"acquire_below_zero", acquire_below_zero, size_text, true, false, NULL},
    {"acquire_none_of_below_zero", acquire_none_of_below_zero, size_text, true, false, NULL},
    {"try_below_zero", try_below_zero, size_text, true, false, NULL},
    {"try_none_of_lowest", try_none_of_lowest, size_text, true, false, NULL},
    {"release_fresh", release_fresh, beyond_text, true, false, NULL},
    {"release_beyond", release_beyond, beyond_text, true, false, NULL},
    {"release_most", release_most, beyond_text, true, false, NULL},
    {"release_beyond_with_waiters", release_beyond_with_waiters, beyond_text, true, true, NULL},
};

static void look(void *arg)
{
    const struct misuse *m = arg;
    say((void *)(!m->unchanged || m->unchanged() ? "deferred" : "changed"));
}

static void misuse(void *arg)
{
    const struct misuse *m = arg;
    WEFT_DEFER(look, arg);
    m->fn(NULL);
    _exit(SURVIVED);
}

/* $SYNC_MISUSE says which. */
static const struct misuse *chosen(void)
{
    const char *name = getenv("SYNC_MISUSE");
    for (size_t i = 0; i < TEST_COUNT_OF(misuses); i++)
        if (name && strcmp(name, misuses[i].name) == 0)
            return &misuses[i];
    return NULL;
}

CHILD(misuse_in_main)
{
    test_run(misuse, (void *)chosen());
}

static void start_misuse(void *arg)
{
    CHECK_EQ(weft_go(misuse, arg), 0);
    for (;;)
        weft_yield();
}

CHILD(misuse_in_goroutine)
{
    test_run(start_misuse, (void *)chosen());
}

CHILD(misuse_on_thread)
{
    misuse((void *)chosen());
}

static void check_misuse(const char *child, const struct misuse *m)
{
    static struct test_result result;
    char head[128];
    int length =
        snprintf(head, sizeof head, "%s%s\n", m->panics ? "panic: " : "fatal error: ", m->text);
    setenv("SYNC_MISUSE", m->name, 1);
    test_note_ = m->name;
    test_spawn(child, &result);
    if (!WIFEXITED(result.status) || WEXITSTATUS(result.status) != 2 ||
        strcmp(result.out, m->panics ? "deferred" : "") != 0 ||
        strncmp(result.err, head, (size_t)length) != 0)
        FAIL("%s, %s: status %d, stdout \"%.100s\", stderr not \"%s\" but \"%.200s\"", child,
             m->name, result.status, result.out, head, result.err);
}

TEST(misuse_in_main_ends_the_process)
{
    /* Goal: unlocks of what isn't locked and a wait without the mutex are fatal (MU-01, RW-01, CO-06); copied conds (CO-05)
     * and wrong numbers (SM-03) panic, and those that do nothing but panic change nothing. Method: in main. */
    for (size_t i = 0; i < TEST_COUNT_OF(misuses); i++)
        check_misuse("misuse_in_main", &misuses[i]);
}

TEST(misuse_in_a_goroutine_ends_the_process)
{
    /* Goal, method: the same in another goroutine beside main. */
    for (size_t i = 0; i < TEST_COUNT_OF(misuses); i++)
        check_misuse("misuse_in_goroutine", &misuses[i]);
}

TEST(misuse_on_a_thread_ends_the_process)
{
    /* Goal, method: the same on a thread without a run. */
    for (size_t i = 0; i < TEST_COUNT_OF(misuses); i++)
        if (!misuses[i].in_run)
            check_misuse("misuse_on_thread", &misuses[i]);
}
