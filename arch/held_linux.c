/* SPDX-License-Identifier: Apache-2.0
 * held_linux.c - pthread_mutex_lock and its kin, in front of libc's: each notes what this thread holds.
 *
 * A program that is linked with weft finds these first, and so do all libraries that are loaded with it. (Where weft is loaded
 * later, they go on with libc's, and nothing is noted.) Each locks as libc does and then writes to a small table of the thread's
 * own: no lock, no memory. Mutexes that libc locks for itself never come here; in pthread_cond_wait, one counts as held.
 * The table forgets the oldest where there are more than HELD_MAX, and what another thread unlocks stays in it until then. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "arch/held.h"

#define HELD_MAX 8

#define EXPORTED __attribute__((visibility("default")))
#define SITE ((uintptr_t)__builtin_return_address(0))

static _Thread_local struct {
    unsigned n;
    struct os_held of[HELD_MAX]; /* the newest last */
} held;

_Atomic(os_held_owner_fn) os_held_owner;

static void forget(unsigned i)
{
    held.n--;
    memmove(&held.of[i], &held.of[i + 1], (held.n - i) * sizeof held.of[0]);
}

/* How locking went; then it is noted. */
static int locked(int rc, const void *mutex, uintptr_t site)
{
    os_held_owner_fn owner = atomic_load_relaxed(&os_held_owner);
    uint64_t who = owner && (rc == 0 || rc == EOWNERDEAD) ? owner() : 0;
    if (!who)
        return rc;
    if (held.n == HELD_MAX)
        forget(0);
    held.of[held.n++] = (struct os_held){.mutex = mutex, .owner = who, .site = site};
    return rc;
}

static void unlocks(const void *mutex)
{
    for (unsigned i = held.n; i-- > 0;)
        if (held.of[i].mutex == mutex) {
            forget(i);
            return;
        }
}

bool os_held_take(uint64_t owner, struct os_held *out)
{
    for (unsigned i = held.n; i-- > 0;)
        if (held.of[i].owner == owner) {
            *out = held.of[i];
            forget(i);
            return true;
        }
    return false;
}

/* ---- in libc's place ---- */

/* libc's own of that name; *found once that is known. */
static void *next(const char *name, _Atomic(void *) *found)
{
    void *f = atomic_load_relaxed(found);
    if (!f) {
        f = dlsym(RTLD_NEXT, name);
        atomic_store_relaxed(found, f);
    }
    return f;
}

EXPORTED int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    static _Atomic(void *) found;
    int (*lock)(pthread_mutex_t *) = next("pthread_mutex_lock", &found);
    return locked(lock(mutex), mutex, SITE);
}

EXPORTED int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    static _Atomic(void *) found;
    int (*lock)(pthread_mutex_t *) = next("pthread_mutex_trylock", &found);
    return locked(lock(mutex), mutex, SITE);
}

/* NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): libc's are reserved ones */

EXPORTED int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *until)
{
    static _Atomic(void *) found;
    int (*lock)(pthread_mutex_t *, const struct timespec *) =
        next("pthread_mutex_timedlock", &found);
    return locked(lock(mutex, until), mutex, SITE);
}

EXPORTED int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock,
                                     const struct timespec *until)
{
    static _Atomic(void *) found;
    int (*lock)(pthread_mutex_t *, clockid_t, const struct timespec *) =
        next("pthread_mutex_clocklock", &found);
    return locked(lock(mutex, clock, until), mutex, SITE);
}

/* NOLINTEND(readability-inconsistent-declaration-parameter-name) */

EXPORTED int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    static _Atomic(void *) found;
    int (*unlock)(pthread_mutex_t *) = next("pthread_mutex_unlock", &found);
    unlocks(mutex);
    return unlock(mutex);
}
