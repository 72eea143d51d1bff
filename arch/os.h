/* SPDX-License-Identifier: Apache-2.0
 * os.h - the one seam for threads, futexes, the clock, randomness and mappings. Errors are -errno. */
#ifndef WEFT_ARCH_OS_H
#define WEFT_ARCH_OS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/atomic.h"

#define OS_FOREVER INT64_MAX

/* Threads: 8 MiB stacks, all signals as the creator has them. */
typedef pthread_t os_thread;
int os_thread_start(os_thread *out, void *(*fn)(void *), void *arg);
void os_thread_join(os_thread thread);
bool os_thread_try_join(os_thread thread); /* false: it hasn't ended yet */
os_thread os_thread_self(void);
int os_thread_id(void);        /* the kernel's, of the calling thread */
int64_t os_thread_cpu(int id); /* CPU time used by a thread of this process, ns; 0: it has ended */
void os_thread_detach(os_thread thread);
void os_thread_name(const char *name);                /* of the calling thread; cut at 15 bytes */
bool os_thread_bounds(char **low, size_t *size);      /* the calling thread's stack */
int os_at_thread_exit(void (*fn)(void *), void *arg); /* one fn a process; 0 or -errno */
int os_at_fork(void (*in_child)(void));               /* 0 or -ENOMEM */
int os_thread_slack(void);                            /* timer slack of the calling thread, ns */
void os_thread_set_slack(int ns);

/* Whether the process has more than n threads, those of the kernel, the allocator and tools not counted. True if it can't be
 * told. */
bool os_threads_exceed(int n);

/* A lock for steps that are rare, short and never switch goroutines. */
typedef pthread_mutex_t os_lock;
#define OS_LOCK_INIT PTHREAD_MUTEX_INITIALIZER
void os_lock_take(os_lock *lock);
void os_lock_give(os_lock *lock);

/* Sleep while *word == expected, until a wake or the deadline (CLOCK_MONOTONIC ns).
 * 0, -EAGAIN (the word differs), -EINTR or -ETIMEDOUT. */
int os_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t deadline);
void os_futex_wake(_Atomic(uint32_t) *word, int n);

/* Whether there are light fences; before the first of either kind in a process that has several threads. */
void os_fence_prepare(void);
bool os_fence_heavy(
    void); /* pairs with atomic_fence_light(); false: the kernel refuses it, against its promise (a seccomp filter) */

/* ns on CLOCK_MONOTONIC's scale (clock.h), perhaps of a moment some instructions ago; _in_order: of none before a load
 * that comes before it. */
int64_t os_now(void);
int64_t os_now_in_order(void);
void os_sleep_until(int64_t deadline);
uint64_t os_random(void);
void os_yield(void);
int *os_errno_location(void);
int64_t os_unix_ns(void); /* CLOCK_REALTIME: since 1970 UTC */
int os_process_id(void);
#define OS_HOST_BYTES 65
void os_host_name(char name[OS_HOST_BYTES]); /* "": not known */

/* Address space: zeroed, reserved lazily, no huge pages. NULL: no memory. */
void *os_map(size_t bytes);
/* Memory: the same in one huge page, where the kernel has one to give. */
#define OS_HUGE_PAGE ((size_t)2 << 20)
void *os_map_huge(void);
void os_unmap(void *p, size_t bytes);
void os_discard(void *p,
                size_t bytes); /* the kernel takes the memory back; it reads as zeros again */
size_t os_page(void);
/* How much a stack of so many bytes takes: whole pages, the guard's included, and at least as much beside it
 * as pages of 4 KiB leave. */
size_t os_stack_bytes(size_t bytes);
size_t os_stack_limit(void); /* RLIMIT_STACK in bytes, 64 MiB where unlimited */

/* Make [p, p + bytes) fault. -ENOMEM when the kernel won't. */
int os_guard(void *p, size_t bytes);
/* The same for n such ranges, stride bytes apart, in one system call; false: not to be had. */
bool os_guard_many(char *p, size_t bytes, size_t stride, unsigned n);
#define OS_GUARD_MANY_MAX 32
/* Pages of [p, p + bytes) that nobody has touched yet shall come from this NUMA node, or from another when
 * it has none left. 0; -errno where the kernel refuses: then they come from where they are touched. */
int os_prefer_node(void *p, size_t bytes, unsigned node);
#define OS_NODES_MAX 1024
bool os_guard_is_cheap(void); /* MADV_GUARD_INSTALL works: no mapping is split */
uint32_t os_guards_max(void); /* so many that aren't cheap may stand at once */

int os_cpu_count(void); /* CPUs in the affinity mask */
double
os_cpu_quota(void); /* CPUs that the cgroup allows; 0: no limit; below 0: can't be read now */

/* In the test build, for one thread at a time: the caller will stop at its nth atomic operation from now (0:
 * never), until another ends that. False: not the test build. */
bool os_hold_at(unsigned nth);
bool os_hold_is_on(void);
void os_hold_end(void);

/* In the test build: the clock goes forward by ns, or flies from one awaited time to the next (clock_moved.h). False: not the
 * test build. Waits that began before the first of these calls don't see it. */
bool os_clock_move(int64_t ns);
void os_clock_fly(bool on);

/* Write all of text to stderr, whatever the state of stdio. */
void os_write_stderr(const char *text);

#endif
