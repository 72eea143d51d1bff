/* SPDX-License-Identifier: Apache-2.0
 * os_linux.c - arch/os.h on Linux. */
#include "arch/clock_moved.h"
#include "arch/os.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "arch/assert.h"
#include "arch/fail.h"

#define THREAD_STACK_BYTES ((size_t)8 << 20)
#define NS_PER_S INT64_C(1000000000)
#define MOVED_WAIT_NS 1000000 /* see clock_is_moved() */

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102 /* Linux 6.13 */
#endif

#ifndef SYS_process_madvise
#define SYS_process_madvise 440
#endif
#define PIDFD_SELF_PROCESS (-10001) /* PIDFD_SELF_THREAD_GROUP, Linux 6.14 */

#ifdef WEFT_TSAN
_Atomic(uint32_t) atomic_fence_word;
#endif

int os_thread_start(os_thread *out, void *(*fn)(void *), void *arg)
{
    pthread_attr_t attr;
    if (os_fails(FAIL_THREAD))
        return -EAGAIN;
    int rc = pthread_attr_init(&attr);
    if (rc)
        return -rc;
    rc = pthread_attr_setstacksize(&attr, THREAD_STACK_BYTES);
    if (!rc)
        rc = pthread_create(out, &attr, fn, arg);
    pthread_attr_destroy(&attr);
    return -rc;
}

int os_thread_id(void)
{
    return gettid();
}

/* By the kernel's id, since the thread may have been joined: clock_gettime(2) makes a clock of it so. */
int64_t os_thread_cpu(int id)
{
    struct timespec used;
    if (id <= 0 || clock_gettime((clockid_t)(~(unsigned)id << 3 | 6), &used))
        return 0;
    return (int64_t)used.tv_sec * 1000000000 + used.tv_nsec;
}

os_thread os_thread_self(void)
{
    return pthread_self();
}

void os_thread_join(os_thread thread)
{
    pthread_join(thread, NULL);
}

bool os_thread_try_join(os_thread thread)
{
    return pthread_tryjoin_np(thread, NULL) == 0;
}

void os_thread_detach(os_thread thread)
{
    pthread_detach(thread);
}

void os_thread_name(const char *name)
{
    prctl(PR_SET_NAME, name);
}

bool os_thread_bounds(char **low, size_t *size)
{
    pthread_attr_t attr;
    void *base;
    if (pthread_getattr_np(pthread_self(), &attr))
        return false;
    int rc = pthread_attr_getstack(&attr, &base, size);
    pthread_attr_destroy(&attr);
    *low = base;
    return rc == 0;
}

static pthread_key_t exit_key;
static int exit_key_error;
static void (*_Atomic exit_fn)(void *);

static void make_exit_key(void)
{
    exit_key_error = pthread_key_create(&exit_key, atomic_load_relaxed(&exit_fn));
}

int os_at_thread_exit(void (*fn)(void *), void *arg)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    if (os_fails(FAIL_KEY))
        return -ENOMEM;
    atomic_store_relaxed(&exit_fn, fn);
    pthread_once(&once, make_exit_key);
    return -(exit_key_error ? exit_key_error : pthread_setspecific(exit_key, arg));
}

int os_at_fork(void (*in_child)(void))
{
    return os_fails(FAIL_KEY) ? -ENOMEM : -pthread_atfork(NULL, NULL, in_child);
}

void os_lock_take(os_lock *lock)
{
    pthread_mutex_lock(lock);
}

void os_lock_give(os_lock *lock)
{
    pthread_mutex_unlock(lock);
}

int os_thread_slack(void)
{
    return prctl(PR_GET_TIMERSLACK);
}

void os_thread_set_slack(int ns)
{
    prctl(PR_SET_TIMERSLACK, ns);
}

static struct timespec timespec_of(int64_t at)
{
    at = at > clock_offset() ? at - clock_offset() : 0;
    return (struct timespec){.tv_sec = at / NS_PER_S, .tv_nsec = at % NS_PER_S};
}

/* errno is this thread's, also where a test holds a goroutine. */
SANITIZE_OWNER_DATA_BEGIN

int os_futex_wait(_Atomic(uint32_t) *word, uint32_t expected, int64_t deadline)
{
    struct timespec at = timespec_of(deadline);
    if (clock_is_moved() && deadline != OS_FOREVER) {
        int64_t soon = os_now() + MOVED_WAIT_NS;
        if (clock_fly_to(deadline))
            return atomic_load_acquire(word) == expected ? -ETIMEDOUT : -EAGAIN;
        at = timespec_of(deadline < soon ? deadline : soon);
    }
    /* FUTEX_WAIT_BITSET takes an absolute time, so an interrupted wait doesn't drift. */
    long rc = syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
                      deadline == OS_FOREVER ? NULL : &at, NULL, FUTEX_BITSET_MATCH_ANY);
    return rc ? -errno : 0;
}

SANITIZE_OWNER_DATA_END

void os_futex_wake(_Atomic(uint32_t) *word, int n)
{
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, n, NULL, NULL, 0);
}

void os_sleep_until(int64_t deadline)
{
    struct timespec at = timespec_of(deadline);
    while (!clock_fly_to(deadline) &&
           clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR)
        ;
}

uint64_t os_random(void)
{
    uint64_t value;
    if (getrandom(&value, sizeof value, GRND_NONBLOCK) != sizeof value)
        value = (uint64_t)os_now() * UINT64_C(0x9e3779b97f4a7c15);
    return value;
}

void os_yield(void)
{
    sched_yield();
}

int *os_errno_location(void)
{
    return &errno;
}

static char *map(size_t bytes)
{
    if (os_fails(FAIL_MAP))
        return NULL;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

void *os_map(size_t bytes)
{
    char *p = map(bytes);
    if (p)
        madvise(p, bytes, MADV_NOHUGEPAGE);
    return p;
}

/* Twice as much has an aligned part, whatever its place. */
void *os_map_huge(void)
{
    char *p = map(2 * OS_HUGE_PAGE);
    if (!p)
        return NULL;
    size_t before = -(uintptr_t)p % OS_HUGE_PAGE;
    if (before)
        munmap(p, before);
    p += before;
    munmap(p + OS_HUGE_PAGE, OS_HUGE_PAGE - before);
    madvise(p, OS_HUGE_PAGE, MADV_HUGEPAGE);
    return p;
}

void os_unmap(void *p, size_t bytes)
{
    munmap(p, bytes);
}

void os_discard(void *p, size_t bytes)
{
    madvise(p, bytes, MADV_DONTNEED);
}

/* In the test build $WEFT_PAGE is taken for it, if it is larger than the machine's. */
size_t os_page(void)
{
    static _Atomic(size_t) page;
    size_t bytes = atomic_load_relaxed(&page);
    if (likely(bytes))
        return bytes;
    bytes = (size_t)sysconf(_SC_PAGESIZE);
#ifdef WEFT_TEST_BUILD
    const char *text = getenv("WEFT_PAGE");
    size_t wanted = text ? strtoul(text, NULL, 10) : 0;
    bytes = wanted > bytes ? wanted : bytes;
#endif
    atomic_store_relaxed(&page, bytes);
    return bytes;
}

#define PAGE_MIN ((size_t)4096)

size_t os_stack_bytes(size_t bytes)
{
    size_t page = os_page(), usable = bytes > 2 * PAGE_MIN ? bytes - PAGE_MIN : PAGE_MIN;
    return ((usable + page - 1) & ~(page - 1)) + page;
}

size_t os_stack_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return (size_t)64 << 20;
    return (size_t)limit.rlim_cur;
}

static _Atomic(int) guard_kind; /* 0: not tried, 1: MADV_GUARD_INSTALL, 2: mprotect */

/* An emulator of the kernel (qemu-user) says yes to any advice, and does nothing. */
static bool takes_any_advice(void *p, size_t bytes)
{
    return !madvise(p, bytes, INT_MAX);
}

/* In the test build $WEFT_GUARDS is how many there may be, and takes the cheap ones away. */
static bool guards_are_dear(void)
{
#ifdef WEFT_TEST_BUILD
    return getenv("WEFT_GUARDS");
#else
    return false;
#endif
}

int os_guard(void *p, size_t bytes)
{
    if (os_fails(FAIL_GUARD))
        return -ENOMEM;
    if (atomic_load_relaxed(&guard_kind) == 0 && (guards_are_dear() || takes_any_advice(p, bytes)))
        atomic_store_relaxed(&guard_kind, 2);
    if (atomic_load_relaxed(&guard_kind) != 2) {
        if (!madvise(p, bytes, MADV_GUARD_INSTALL)) {
            atomic_store_relaxed(&guard_kind, 1);
            return 0;
        }
        if (errno != EINVAL)
            return -errno;
        atomic_store_relaxed(&guard_kind, 2);
    }
    return mprotect(p, bytes, PROT_NONE) ? -errno : 0;
}

bool os_guard_many(char *p, size_t bytes, size_t stride, unsigned n)
{
    static _Atomic(bool) refused; /* an older kernel: don't ask again */
    struct iovec ranges[OS_GUARD_MANY_MAX];
    WEFT_ASSERT(n <= OS_GUARD_MANY_MAX);
    if (atomic_load_relaxed(&refused) || os_fails(FAIL_GUARD))
        return false;
    for (unsigned i = 0; i < n; i++)
        ranges[i] = (struct iovec){.iov_base = p + i * stride, .iov_len = bytes};
    long done =
        syscall(SYS_process_madvise, PIDFD_SELF_PROCESS, ranges, (size_t)n, MADV_GUARD_INSTALL, 0);
    if (done < 0 && errno != ENOMEM)
        atomic_store_relaxed(&refused, true);
    return done == (long)(n * bytes);
}

#define LONG_BITS (8 * sizeof(unsigned long))

int os_prefer_node(void *p, size_t bytes, unsigned node)
{
    unsigned long nodes[OS_NODES_MAX / LONG_BITS] = {0};
    if (node >= OS_NODES_MAX)
        return -EINVAL;
    nodes[node / LONG_BITS] = 1UL << node % LONG_BITS;
    /* The kernel takes one bit less than it is told of. */
    return syscall(SYS_mbind, p, bytes, MPOL_PREFERRED, nodes, OS_NODES_MAX + 1, 0) ? -errno : 0;
}

bool os_guard_is_cheap(void)
{
    return atomic_load_relaxed(&guard_kind) == 1;
}

#define GUARDS_MAX 16000 /* about half of the default vm.max_map_count, at two mappings each */

uint32_t os_guards_max(void)
{
#ifdef WEFT_TEST_BUILD
    const char *text = getenv("WEFT_GUARDS");
    if (text)
        return (uint32_t)strtoul(text, NULL, 10);
#endif
    return GUARDS_MAX;
}

int os_cpu_count(void)
{
    cpu_set_t set;
    if (!sched_getaffinity(0, sizeof set, &set))
        return CPU_COUNT(&set);
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

/* These read paths, on the stack of the thread that called weft_run, never on a goroutine's. */
#pragma GCC diagnostic ignored "-Wframe-larger-than="

/* One cgroup v2 file or a pair of v1 files; 0 where there is no limit. */
static double quota_in(const char *dir)
{
    char path[2 * PATH_MAX], text[64];
    long long quota = -1, period = 0;
    snprintf(path, sizeof path, "%s/cpu.max", dir);
    FILE *f = fopen(path, "re");
    if (f) {
        if (fgets(text, sizeof text, f))
            (void)!sscanf(text, "%lld %lld", &quota, &period); /* "max 100000" leaves -1 */
        fclose(f);
        return quota > 0 && period > 0 ? (double)quota / (double)period : 0;
    }
    snprintf(path, sizeof path, "%s/cpu.cfs_quota_us", dir);
    f = fopen(path, "re");
    if (!f)
        return 0;
    (void)!fscanf(f, "%lld", &quota);
    fclose(f);
    snprintf(path, sizeof path, "%s/cpu.cfs_period_us", dir);
    f = fopen(path, "re");
    if (!f)
        return 0;
    (void)!fscanf(f, "%lld", &period);
    fclose(f);
    return quota > 0 && period > 0 ? (double)quota / (double)period : 0;
}

/* The tightest limit on the way from this process's group up to the root. */
double os_cpu_quota(void)
{
    if (os_fails(FAIL_FILE))
        return -1;
    FILE *f = fopen("/proc/self/cgroup", "re");
    if (!f)
        return errno == ENOENT ? 0 : -1;
    char line[PATH_MAX], dir[PATH_MAX + 64];
    double tightest = 0;
    while (fgets(line, sizeof line, f)) {
        char *controllers = strchr(line, ':');
        char *path = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!path)
            continue;
        *path++ = '\0';
        path[strcspn(path, "\n")] = '\0';
        bool v2 = controllers[1] == '\0';
        if (!v2 && !strstr(controllers + 1, "cpu"))
            continue;
        for (;;) {
            snprintf(dir, sizeof dir, "%s%s", v2 ? "/sys/fs/cgroup" : "/sys/fs/cgroup/cpu", path);
            double quota = quota_in(dir);
            if (quota > 0 && (tightest == 0 || quota < tightest))
                tightest = quota;
            char *slash = strrchr(path, '/');
            if (!slash)
                break;
            *slash = '\0';
        }
    }
    fclose(f);
    return tightest;
}

void os_write_stderr(const char *text)
{
    size_t n = strlen(text);
    while (n > 0) {
        ssize_t done = write(STDERR_FILENO, text, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        text += done;
        n -= (size_t)done;
    }
}

_Noreturn void os_assert_failed(const char *text, const char *file, int line)
{
    char message[256];
    snprintf(message, sizeof message, "weft: assertion failed: %s (%s:%d)\n", text, file, line);
    os_write_stderr(message);
    abort();
}
