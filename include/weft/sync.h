/* SPDX-License-Identifier: Apache-2.0
 * sync.h - goroutines that wait for each other. All types are ready when zero-initialised (a cond needs its
 * mutex), need no destroy, and must not be copied after first use. Any thread may use them, with or without a
 * run in progress: a foreign one blocks on a futex.
 *
 * A call's last touch of its object is the step that lets another call return. So an object may go as soon as the
 * program's own logic says that nobody will call it again: whoever is the last to lock a mutex may free it after his
 * unlock, though the one who unlocked before him may not have come back from that call yet.
 *
 * Not while a run ends that abandons goroutines which wait for it: until weft_run has returned, its end may come to the object.
 * What goroutines that a run's end abandons have locked or acquired stays so; what they wait for forgets them. A
 * reader whom a writer's unlock has let in has it locked, though the run may end before he goes on.
 *
 * The first steps are inline: an operation that nobody stands in the way of costs its atomic instructions, and a
 * lock a look whether the caller should give way. The layouts they rely on are part of the binary interface. */
#ifndef WEFT_SYNC_H
#define WEFT_SYNC_H

#include <weft/here.h>

WEFT_BEGIN_DECLS

/* Mutual exclusion (Go: sync.Mutex). Not re-entrant; whoever likes may unlock it. A goroutine that has waited
 * for a millisecond gets it handed over, ahead of all who come along. */
typedef struct weft_mutex {
    uint64_t state_; /* weft's: 0 unlocked, 1 locked, else somebody waits */
} weft_mutex;

/* What the inline functions below call when they can't do it alone. */
WEFT_API void weft_mutex_lock_slow(weft_mutex *m);
WEFT_API bool weft_mutex_try_lock_slow(weft_mutex *m);
WEFT_API void weft_mutex_unlock_slow(weft_mutex *m);

/* What programs compiled with check_locks.h call in their place. */
WEFT_API void weft_mutex_lock_checked(weft_mutex *m);
WEFT_API bool weft_mutex_try_lock_checked(weft_mutex *m);
WEFT_API void weft_mutex_unlock_checked(weft_mutex *m);

/* Whether m was unlocked, and is locked now. Who is asked to give way does it first. */
WEFT_INLINE_ bool weft_mutex_take_(weft_mutex *m)
{
    uint64_t unlocked = 0;
    return !weft_is_asked_(weft_here_()) &&
           __atomic_compare_exchange_n(&m->state_, &unlocked, (uint64_t)1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* Lock m; wait until that is possible. What was written before the unlock that made it so is visible. */
WEFT_INLINE_ void weft_mutex_lock(weft_mutex *m)
{
    if (!WEFT_LIKELY_(weft_mutex_take_(m)))
        weft_mutex_lock_slow(m);
}

/* Lock m if that needs no waiting; whether it was done. It may fail when nobody has locked m but somebody is about
 * to. Failing orders nothing. */
WEFT_INLINE_ bool weft_mutex_try_lock(weft_mutex *m)
{
    return WEFT_LIKELY_(weft_mutex_take_(m)) || weft_mutex_try_lock_slow(m);
}

/* Unlock m, whoever has locked it. If nobody has: "fatal error: sync: unlock of unlocked mutex". */
WEFT_INLINE_ void weft_mutex_unlock(weft_mutex *m)
{
    uint64_t locked = 1;
    if (!WEFT_LIKELY_(__atomic_compare_exchange_n(&m->state_, &locked, (uint64_t)0, false,
                                                  __ATOMIC_RELEASE, __ATOMIC_RELAXED)))
        weft_mutex_unlock_slow(m);
}

/* Many readers or one writer (Go: sync.RWMutex). A waiting writer stops new readers, also those who hold it for
 * reading already and ask again; a writer's unlock lets in all readers that waited. No upgrade, no downgrade. */
typedef struct weft_rwmutex {
    uint64_t state_; /* weft's: how many read, if nothing else is going on */
    uint64_t queue_;
    weft_mutex writers_; /* of the writers the one who holds it or is next */
    uint64_t bias_;      /* 0: no two have read at once yet */
} weft_rwmutex;

WEFT_API void weft_rwmutex_rlock_slow(weft_rwmutex *rw);
WEFT_API void weft_rwmutex_runlock_slow(weft_rwmutex *rw);

/* See weft_mutex_lock_checked. */
WEFT_API void weft_rwmutex_rlock_checked(weft_rwmutex *rw);
WEFT_API bool weft_rwmutex_try_rlock_checked(weft_rwmutex *rw);
WEFT_API void weft_rwmutex_runlock_checked(weft_rwmutex *rw);

#define WEFT_RWMUTEX_BIASED_                                                                       \
    (UINT64_C(1) << 61)          /* in state_: readers are counted by their processors, too */
#define WEFT_RWMUTEX_COLUMN_ 15u /* of bias_: which column they are counted in */

/* Count the caller in, or out, in his processor's row, which is his until he waits. False: he isn't. The fence between the count
 * that says that he is at it and the look at the ticket is run by those who take the column, for all processors. */
WEFT_INLINE_ bool weft_rwmutex_count_(weft_rwmutex *rw, bool out)
{
    struct weft_row_ *row = weft_here_()->row_;
    uint64_t state =
        __atomic_load_n(&rw->state_, __ATOMIC_ACQUIRE); /* bias_ is a ticket then, maybe another */
    if (!WEFT_LIKELY_(row && (state & WEFT_RWMUTEX_BIASED_)))
        return false;
    uint64_t ticket = __atomic_load_n(&rw->bias_, __ATOMIC_RELAXED),
             i = ticket & WEFT_RWMUTEX_COLUMN_;
    uint32_t n =
        __atomic_load_n(&row->counts_[i], __ATOMIC_ACQUIRE); /* after all who left before */
    __atomic_store_n(&row->counts_[i], n + 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* [BIAS-1] */
    bool counted = WEFT_LIKELY_(__atomic_load_n(&row->tickets_[i], __ATOMIC_ACQUIRE) == ticket);
    if (out)
        counted = WEFT_LIKELY_(counted && __atomic_load_n(&row->bases_[i], __ATOMIC_RELAXED) != n);
    __atomic_store_n(&row->counts_[i], counted ? (out ? n - 2 : n + 2) : n, __ATOMIC_RELEASE);
    return counted;
}

/* From the one number of readers to the other, where there are no two: without a look at the state first, which would
 * wait for the RMW before. */
WEFT_INLINE_ bool weft_rwmutex_alone_(weft_rwmutex *rw, uint64_t from, uint64_t to, int order)
{
    return __atomic_compare_exchange_n(&rw->state_, &from, to, false, order, __ATOMIC_RELAXED);
}

/* Lock rw for reading; wait while a writer has it or waits for it. */
WEFT_INLINE_ void weft_rwmutex_rlock(weft_rwmutex *rw)
{
    bool company = __atomic_load_n(&rw->bias_, __ATOMIC_RELAXED) != 0;
    if (!WEFT_LIKELY_(!weft_is_asked_(weft_here_()) &&
                      (company ? weft_rwmutex_count_(rw, false)
                               : weft_rwmutex_alone_(rw, 0, 1, __ATOMIC_ACQUIRE))))
        weft_rwmutex_rlock_slow(rw);
}

/* Unlock rw for one reader, whichever goroutine that was. If there is none: "fatal error: sync: RUnlock of
 * unlocked RWMutex". */
WEFT_INLINE_ void weft_rwmutex_runlock(weft_rwmutex *rw)
{
    bool company = __atomic_load_n(&rw->bias_, __ATOMIC_RELAXED) != 0;
    if (!WEFT_LIKELY_(company ? weft_rwmutex_count_(rw, true)
                              : weft_rwmutex_alone_(rw, 1, 0, __ATOMIC_RELEASE)))
        weft_rwmutex_runlock_slow(rw);
}

/* Lock rw for reading if that needs no waiting; whether it was done. */
WEFT_API bool weft_rwmutex_try_rlock(weft_rwmutex *rw);

/* Lock rw for writing: wait for the writers before, then for the readers that are there. */
WEFT_API void weft_rwmutex_lock(weft_rwmutex *rw);

/* Lock rw for writing if nobody has it, for reading or for writing; whether it was done. */
WEFT_API bool weft_rwmutex_try_lock(weft_rwmutex *rw);

/* Unlock rw, which is locked for writing. If it isn't: "fatal error: sync: Unlock of unlocked RWMutex". */
WEFT_API void weft_rwmutex_unlock(weft_rwmutex *rw);

/* Waiting for what another makes true under a mutex (Go: sync.Cond). */
typedef struct weft_cond {
    uint64_t queue_; /* weft's */
    weft_mutex *mutex_;
    const void *self_; /* where it was first used */
} weft_cond;

/* Prepare c for use with a mutex, which stays the caller's. */
WEFT_API void weft_cond_init(weft_cond *c, weft_mutex *mutex);
#define WEFT_COND_INIT(mutex) {0, (mutex), 0}

/* Unlock the mutex, wait for a signal or broadcast that comes after this call, and lock the mutex again. It never
 * returns without one; but others may have had the mutex since, so look again at what was waited for.
 * Using a copy of a cond that has been in use panics: "sync.Cond is copied". */
WEFT_API void weft_cond_wait(weft_cond *c);

/* As wait, but not beyond a deadline (a value of weft_now()): 0 if signalled, -ETIMEDOUT, or -ENOMEM, then
 * at once. The mutex is locked again in every case, however long that takes. A signal never goes to
 * one who gives -ETIMEDOUT. A deadline in the past still lets others have the mutex. */
WEFT_API int weft_cond_wait_until(weft_cond *c, int64_t deadline);

/* Wake the one who has waited longest, or all; nothing if nobody waits. The mutex may be locked or not. */
WEFT_API void weft_cond_signal(weft_cond *c);
WEFT_API void weft_cond_broadcast(weft_cond *c);

/* Something that is done once (Go: sync.Once). */
typedef struct weft_once {
    uint64_t state_; /* weft's: 1 done */
} weft_once;

WEFT_API void weft_once_do_slow(weft_once *once, weft_fn fn, void *arg);
WEFT_API bool weft_once_done_slow(const weft_once *once);

WEFT_INLINE_ bool weft_once_is_done_(const weft_once *once)
{
    return __atomic_load_n(&once->state_, __ATOMIC_ACQUIRE) == 1;
}

/* Whether the first weft_once_do is over; then all that its function wrote is visible. If not, others may run meanwhile. */
WEFT_INLINE_ bool weft_once_done(const weft_once *once)
{
    return WEFT_LIKELY_(weft_once_is_done_(once)) || weft_once_done_slow(once);
}

/* The first call calls fn(arg); all others return when that has returned. A panic or weft_goexit in fn ends it
 * too: it isn't called again. Calling this from within fn waits for ever. */
WEFT_INLINE_ void weft_once_do(weft_once *once, weft_fn fn, void *arg)
{
    if (!WEFT_LIKELY_(weft_once_is_done_(once)))
        weft_once_do_slow(once, fn, arg);
}

/* Waits until a count of things outstanding is zero (Go: sync.WaitGroup). May be reused once all
 * waits have returned, and may vanish (a frame that returns) once nobody will call it again: the
 * done that brings the count to zero doesn't touch it afterwards. */
typedef struct weft_waitgroup {
    uint64_t state_; /* weft's: the count, and who waits */
} weft_waitgroup;

/* Add delta, which may be negative, to the count. At zero all waiters go on.
 * Below zero it panics: "sync: negative WaitGroup counter". Any thread. */
WEFT_API void weft_waitgroup_add(weft_waitgroup *wg, int delta);

/* weft_waitgroup_add(wg, -1). What the caller wrote before is visible after the wait it releases. */
WEFT_API void weft_waitgroup_done(weft_waitgroup *wg);

/* Wait until the count is zero. Any thread; a foreign one blocks on a futex. */
WEFT_API void weft_waitgroup_wait(weft_waitgroup *wg);

/* As wait, but not beyond a deadline (a value of weft_now()): 0, -ETIMEDOUT, or -ENOMEM. A count that is
 * zero already gives 0 whatever the deadline. Past it this is a weft_yield. */
WEFT_API int weft_waitgroup_wait_until(weft_waitgroup *wg, int64_t deadline);

/* Add one, run fn(arg) in a goroutine, and be done when it ends, in whatever way (Go: WaitGroup.Go).
 * 0, or weft_go's error; then nothing was added. */
WEFT_API int weft_waitgroup_go(weft_waitgroup *wg, weft_fn fn, void *arg);

/* A weighted semaphore: so many units to share out (Go: golang.org/x/sync/semaphore). Strictly first come, first
 * served: who asks for many isn't overtaken by those who ask for few. Zero-initialised it has no units. */
typedef struct weft_sem {
    uint64_t state_; /* weft's: units out << 1 | somebody waits */
    int64_t size_;
    uint64_t queue_;
} weft_sem;

/* An initialiser: n units, all there. */
#define WEFT_SEM_INIT(n) {0, (int64_t)(n), 0}

WEFT_API void weft_sem_acquire_slow(weft_sem *s, int64_t n);
WEFT_API bool weft_sem_try_acquire_slow(weft_sem *s, int64_t n);
WEFT_API void weft_sem_release_slow(weft_sem *s, int64_t n);

/* Whether n units were there with nobody waiting, and are the caller's now. Who is asked to give way does it first. */
WEFT_INLINE_ bool weft_sem_take_(weft_sem *s, int64_t n)
{
    uint64_t state = __atomic_load_n(&s->state_, __ATOMIC_RELAXED);
    return !weft_is_asked_(weft_here_()) && (state & 1) == 0 && n >= 0 &&
           n <= s->size_ - (int64_t)(state >> 1) &&
           __atomic_compare_exchange_n(&s->state_, &state, state + ((uint64_t)n << 1), false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

/* Take n units; wait until they are there and it is the caller's turn. More than there will ever be: wait for ever,
 * in nobody's way. Panics: "semaphore: n < 0", "semaphore: size < 0". */
WEFT_INLINE_ void weft_sem_acquire(weft_sem *s, int64_t n)
{
    if (!WEFT_LIKELY_(weft_sem_take_(s, n)))
        weft_sem_acquire_slow(s, n);
}

/* The same, but not beyond the end of a context (ctx.h): 0, -ECANCELED, -ETIMEDOUT, or -ENOMEM, then at once. A context that has
 * ended gives nothing, even if the units are there. NULL: weft_sem_acquire. */
struct weft_ctx;
WEFT_API int weft_sem_acquire_ctx(weft_sem *s, int64_t n, struct weft_ctx *ctx);

/* Take n units if they are there and nobody waits; whether it was done. */
WEFT_INLINE_ bool weft_sem_try_acquire(weft_sem *s, int64_t n)
{
    return WEFT_LIKELY_(weft_sem_take_(s, n)) || weft_sem_try_acquire_slow(s, n);
}

/* Give n units back. More than are out: panics, "semaphore: released more than held". */
WEFT_INLINE_ void weft_sem_release(weft_sem *s, int64_t n)
{
    uint64_t state = __atomic_load_n(&s->state_, __ATOMIC_RELAXED);
    if (!WEFT_LIKELY_((state & 1) == 0 && n >= 0 && (uint64_t)n <= state >> 1 &&
                      __atomic_compare_exchange_n(&s->state_, &state, state - ((uint64_t)n << 1),
                                                  false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)))
        weft_sem_release_slow(s, n);
}

WEFT_END_DECLS

#endif
