/* SPDX-License-Identifier: Apache-2.0
 * go.h - start the runtime, start goroutines, give way, block, look at what is going on. */
#ifndef WEFT_GO_H
#define WEFT_GO_H

#include <weft/base.h>

WEFT_BEGIN_DECLS

/* How weft_run sets the runtime up. Zero-initialise; 0 or NULL means the default. */
typedef struct weft_config {
    int maxprocs;         /* how many goroutines run at once; default $WEFT_MAXPROCS, else the CPUs
                             that the affinity mask and the cgroup quota allow */
    size_t stack_size;    /* address space of a goroutine's stack in bytes, its guard page included;
                             16 KiB to 1 GiB, default 64 KiB; rounded up to pages, and where
                             these exceed 4 KiB enlarged by what the guard takes more */
    const char *topology; /* for tests: an hwloc synthetic description or XML file to lay processors
                             by; default $WEFT_TOPOLOGY, else the machine (docs/topology.md) */
    int no_pin; /* 1: leave threads unpinned; default: one a core when maxprocs equals the CPUs
                             allowed, else bound to the cores of an L3 */
    int report_leaks; /* 1: tell on stderr of goroutines that are left when main has returned */
    int64_t stop_ns;  /* how long the end waits for a goroutine that computes; default 1 s */
    void (*on_fatal)(
        const char *text); /* called with a fatal report, instead of stderr; for a stack
                             overflow in a signal handler, on a stack of 60 KiB; its time has a
                             limit only where making the report went wrong (docs/reports.md) */
    void *reserved[4];
} weft_config;

/* Run main_fn(arg) as goroutine 1 and return when it has returned.
 *   config  NULL for the defaults; copied.
 * Returns 0, or a negative errno when the run did not start: -EBUSY (a run is in progress), -EINVAL
 * (main_fn NULL, bad maxprocs or stack size; a bad topology, $WEFT_STALL_MS or $WEFT_DEADLOCK, said on stderr),
 * -ENOMEM, -EAGAIN (no thread to be had), -ENOTSUP (the calling thread has a shadow stack).
 * The calling thread waits meanwhile; goroutines run on threads of the runtime.
 * Goroutines still alive when main_fn returns are abandoned as in Go: their deferred calls don't
 * run. One that computes is stopped at its next weft call and waited for up to config.stop_ns; then
 * the result is -ETIMEDOUT, it is named on stderr, and its thread is left alone. A function inside
 * weft_blocking isn't waited for: its thread ends when it returns.
 * A process forked from a goroutine has the caller's affinity mask and timer slack, and may only exec or
 * _exit; one from posix_spawn, which runs no fork handlers, has those of the goroutine's thread.
 * May be called again and again. main_fn's stack has RLIMIT_STACK's size.
 * A goroutine that runs over its stack ends the process with status 2 and a report. SIGSEGV and SIGBUS are
 * caught for that during the run, and handed on to the handlers found here when they are anything else. */
WEFT_API int weft_run(weft_fn main_fn, void *arg, const weft_config *config);

/* Start a goroutine that runs fn(arg). errno and the rounding mode are per goroutine, the latter inherited
 * from the caller; other floating-point controls (flush-to-zero) are those of weft_run's caller.
 *   fn   called once, on a stack of config.stack_size bytes; returning ends the goroutine.
 *   arg  passed through; stays the caller's.
 * Returns 0, -EINVAL (fn NULL), -ENOMEM, or -ESRCH when no weft_run is in progress. Any thread.
 * The stack comes when fn first runs; when there is no memory for it then, that is fatal.
 * What the caller wrote before is visible to fn (Go memory model: the go statement). */
WEFT_API int weft_go(weft_fn fn, void *arg);

/* As weft_go, but fn gets a private copy of the n bytes at arg, aligned to 16, gone when fn returns.
 * Also -E2BIG: n above 64 KiB. */
WEFT_API int weft_go_copy(weft_fn fn, const void *arg, size_t n);

/* Start fn with a copy of a struct built in place: WEFT_GO(work, struct job, .in = in, .n = 3);
 * An int: 0 or a negative errno, as weft_go_copy. */
#ifdef __cplusplus
#define WEFT_GO(fn, T, ...)                                                                        \
    ([&]() -> int {                                                                                \
        T weft_value_ = {__VA_ARGS__};                                                             \
        return weft_go_copy((fn), &weft_value_, sizeof(T));                                        \
    }())
#else
#define WEFT_GO(fn, T, ...) weft_go_copy((fn), &(T){__VA_ARGS__}, sizeof(T))
#endif

/* What can be said about a goroutine at its start. Zero-initialise. */
typedef struct weft_go_options {
    const char *name;  /* copied, the first 31 bytes; shown in reports */
    size_t stack_size; /* bytes of address space; 0: the run's default; 16 KiB to 1 GiB */
    int preemptible;   /* reserved for forced preemption; no effect yet */
    void *reserved[2];
} weft_go_options;

/* As weft_go, with options (NULL: none). Also -EINVAL: a stack size out of bounds. */
WEFT_API int weft_go_with(const weft_go_options *options, weft_fn fn, void *arg);

/* Let others run: the caller goes to the tail of its processor's queue (Go: runtime.Gosched).
 * On a foreign thread: sched_yield(2).
 * A goroutine that has used 10 ms of CPU while others wait does the same in its next weft call, and may go on on
 * another thread: hold no lock of the thread's then (pthread_mutex_t), and no address of errno's (&errno) or of a thread-local variable.
 * Calls that never give way: those that set errno (constructors, weft_pool_get, weft_alloc), and weft_free, weft_self,
 * weft_num_cpu, weft_version, weft_feature, weft_chan_ref, _close, _cap and _elem_size, weft_timer_chan, weft_ticker_chan,
 * weft_local_get, weft_waitgroup_add of a positive number, WEFT_DEFER but for what it calls, an unlock or release that
 * nobody waits for (the next lock does), a look at a once that is done. */
WEFT_API void weft_yield(void);

/* End this goroutine after running its deferred calls; others go on (Go: runtime.Goexit).
 * Called on a foreign thread it is fatal. */
WEFT_NORETURN WEFT_API void weft_goexit(void);

/* This goroutine's id, unique in the run, 1 for main; 0 on a foreign thread. */
WEFT_API uint64_t weft_self(void);

/* How many goroutines are alive; 0 when no run is in progress. Any thread. */
WEFT_API int weft_num_goroutine(void);

/* CPUs that this process may use (its affinity mask). Doesn't change with maxprocs. Any thread. */
WEFT_API int weft_num_cpu(void);

/* Let n processors run goroutines, at most 1024; n <= 0 changes nothing. Returns how many did before. Takes
 * effect at once, but that a goroutine which computes on a processor that is to go keeps it until its next
 * weft call. During a run: for that run. Outside: for later runs whose config doesn't say. Any thread
 * (Go: runtime.GOMAXPROCS). */
WEFT_API int weft_maxprocs(int n);

/* Tie this goroutine to the thread that it runs on: no other goroutine runs there, and this one nowhere else,
 * until weft_unlock_os_thread has been called as often as weft_lock_os_thread. One that ends while it is
 * locked takes the thread with it. For libraries that keep state in the thread; each time a locked goroutine
 * waits costs two wake-ups by the kernel. A surplus unlock and a foreign thread are no error: nothing
 * happens (Go: runtime.LockOSThread). */
WEFT_API void weft_lock_os_thread(void);
WEFT_API void weft_unlock_os_thread(void);

/* Run fn(arg), which may block the thread in the kernel, without holding up other goroutines.
 * fn runs on the thread's own stack (8 MiB); this processor goes on elsewhere meanwhile. Inside fn the
 * thread counts as foreign: weft_self() is 0. Returns fn's result. A panic in fn is raised in the goroutine (defer.h).
 * On a foreign thread fn is just called. When goroutines could run, all threads are in blocking sections, and for a second no other is
 * to be had (RLIMIT_NPROC, pids.max), that is fatal. */
WEFT_API void *weft_blocking(void *(*fn)(void *), void *arg);

typedef struct weft_chan weft_chan; /* see chan.h */

/* A channel of int that gets the number of each of these signals that comes, instead of what the signal does
 * otherwise (Go: signal.Notify). It has room for n; what finds it full is dropped. Signals of one kind that
 * come close together may come out as one. Several channels may want a signal: each gets it.
 *   signals  copied; n 0: all that can be had, with room for one of each
 * NULL and errno EINVAL (one that can't be caught, or stands for a fault: SIGKILL, SIGSTOP, SIGSEGV,
 * SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS), ENOMEM, EAGAIN (no thread to be had).
 * Any thread, before, during and after runs; a run's end changes nothing: it lasts until weft_signal_stop,
 * also when its reference is dropped before that. While it does, goroutines that all wait are no deadlock.
 * System calls that a signal interrupts go on where the system can restart them (SA_RESTART). A thread of
 * weft's delivers; it takes those that all other threads block, too. Forked children have the actions that
 * were there before. */
WEFT_API weft_chan *weft_signal_notify(const int *signals, size_t n);

/* No more signals for ch: those that came before this call are in it, as far as there was room, and none comes
 * when it has returned. With its last channel a signal does again what it did before its first, unless the
 * program has set a handler meanwhile; one that comes at that moment is either in the channel or does
 * that. The reference stays the caller's. For NULL, a channel that isn't from weft_signal_notify and the
 * second time nothing happens. Any thread, at any time (Go: signal.Stop). */
WEFT_API void weft_signal_stop(weft_chan *ch);

/* Counters of the run in progress, or all zero. */
typedef struct weft_stats {
    uint64_t goroutines;  /* alive now */
    uint64_t runnable;    /* waiting for a processor now */
    uint64_t parked;      /* waiting for something else now */
    uint64_t in_blocking; /* inside weft_blocking now */
    uint64_t threads;     /* of the runtime that run goroutines or block for them */
    uint64_t procs;       /* maxprocs */
    uint64_t started;     /* goroutines since the run began */
    uint64_t steals;      /* goroutines that a processor took from another */
    uint64_t wakes;       /* threads woken or started to look for work */
    uint64_t parks;       /* times that a goroutine parked */
    uint64_t timers;      /* armed now */
    void *reserved[8];
} weft_stats;

/* Fill *out. Each figure is exact when the runtime is quiet, and close otherwise. Any thread. */
WEFT_API void weft_stats_read(weft_stats *out);

WEFT_END_DECLS

#endif
