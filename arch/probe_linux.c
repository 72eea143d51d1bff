/* SPDX-License-Identifier: Apache-2.0
 * probe_linux.c - arch/probe.h on Linux.
 *
 * Where a thread is that the kernel has put to sleep is read from /proc: nothing interrupts its system call. One that
 * runs is sent a signal, whose handler notes the address that it has interrupted. So a system call ends with EINTR
 * only when it begins just then, and is one that SA_RESTART doesn't restart.
 *
 *   GIVEN_UP, NOTED --ask--> ASKED --handler, CAS--> NOTING --> NOTED
 *                              '--asker gives up, CAS--> GIVEN_UP
 * `question` is a number << 2 | state, and the signal carries it. A handler that comes late finds another question, or
 * none, and writes nothing. One that is NOTING is waited for: all signals are blocked in it, and it calls nothing.
 *
 * A thread that blocks the signal, or gets no CPU, may have it pending for long. Few are left so: signals of this kind
 * queue, and of each user's the kernel keeps a limited number. At the end the signal is ignored for a moment, which
 * discards them; by its default action it would end the process.
 *
 * Rejected: unwinding in the handler (the C library's tables may be locked by what it interrupted: dlopen); perf and
 * ptrace (rights that a server hasn't got). */
#include "arch/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"
#include "arch/fail.h"
#include "arch/os.h"
#include "arch/sanitize.h"

SANITIZE_OWNER_DATA_BEGIN
#if defined(__x86_64__)
#include "arch/x86_64/thread.h"
#elif defined(__aarch64__)
#include "arch/aarch64/thread.h"
#endif

enum { GIVEN_UP, ASKED, NOTING, NOTED };
#define STATE_MASK 3u
#define NUMBER_ONE 4u
#define PENDING_MAX 8

static _Atomic(int) probe_signal; /* 0: none */
static struct sigaction before;
static _Atomic(uint32_t) question; /* the futex too */
static _Atomic(int32_t)
    pending;            /* signals sent whose handler has not begun; an earlier run's may */
static uintptr_t noted; /* NOTING: the handler's; NOTED: the asker's */

static void on_probe(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    uint32_t asked = (uint32_t)(uintptr_t)info->si_value.sival_ptr;
    bool sent = info->si_code == SI_QUEUE && info->si_pid == getpid();
    (void)signal;
    if (sent)
        atomic_sub_acq_rel(&pending, 1);
    if (sent && (asked & STATE_MASK) == ASKED &&
        atomic_cas_acq_rel(&question, &asked, (asked & ~STATE_MASK) | NOTING)) {
        noted = arch_interrupted_pc(context);
        atomic_store_release(&question, (asked & ~STATE_MASK) | NOTED); /* pairs with take() */
        os_futex_wake(&question, 1);
    }
    errno = saved_errno;
}

static bool is_ours(void)
{
    struct sigaction found;
    return probe_signal && !sigaction(probe_signal, NULL, &found) &&
           (found.sa_flags & SA_SIGINFO) && found.sa_sigaction == on_probe;
}

int os_probe_begin(void)
{
    struct sigaction ours = {.sa_sigaction = on_probe,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    sigfillset(&ours.sa_mask);
    for (int s = SIGRTMAX; s >= SIGRTMIN; s--) {
        if (sigaction(s, NULL, &before) || (before.sa_flags & SA_SIGINFO) ||
            before.sa_handler != SIG_DFL || sigaction(s, &ours, NULL))
            continue;
        atomic_store_relaxed(&pending, 0);
        probe_signal = s;
        return 0;
    }
    return -EBUSY;
}

void os_probe_end(void)
{
    static const struct sigaction ignore = {.sa_handler = SIG_IGN};
    if (is_ours()) {
        sigaction(probe_signal, &ignore, NULL);
        sigaction(probe_signal, &before, NULL);
    }
    probe_signal = 0;
}

bool os_probe_uses(int signal)
{
    return signal == probe_signal;
}

void os_probe_admit(void)
{
    sigset_t set;
    if (!probe_signal)
        return;
    sigemptyset(&set);
    sigaddset(&set, probe_signal);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/* "running", or what system call it is in, arguments, sp and pc; false: the thread runs, or /proc doesn't tell. */
static bool read_sleeping(int thread, uintptr_t *pc)
{
    char path[64], text[256];
    snprintf(path, sizeof path, "/proc/self/task/%d/syscall", thread);
    int fd = os_fails(FAIL_FILE) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *last = strrchr(text, ' ');
    *pc = last ? strtoull(last, NULL, 16) : 0;
    return *pc != 0;
}

static bool send_signal(int thread, uint32_t asked)
{
    siginfo_t info = {.si_signo = probe_signal, .si_code = SI_QUEUE};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)(uintptr_t)asked;
    atomic_add_relaxed(&pending, 1);
    if (!syscall(SYS_rt_tgsigqueueinfo, getpid(), thread, probe_signal, &info))
        return true;
    atomic_sub_acq_rel(&pending, 1);
    return false;
}

/* The answer to the question; false: none came. */
static bool take(uint32_t asked, int64_t deadline, uintptr_t *pc)
{
    for (;;) {
        uint32_t now = atomic_load_acquire(&question); /* pairs with on_probe() */
        if ((now & STATE_MASK) == NOTED) {
            *pc = noted;
            return true;
        }
        if (os_now() >= deadline) {
            now = asked;
            if (atomic_cas_acq_rel(&question, &now, (asked & ~STATE_MASK) | GIVEN_UP))
                return false;
            deadline = OS_FOREVER; /* the handler is at it */
        }
        os_futex_wait(&question, now, deadline);
    }
}

bool os_probe(int thread, int64_t deadline, uintptr_t *pc)
{
    if (read_sleeping(thread, pc))
        return true;
    if (!is_ours() || atomic_load_relaxed(&pending) >= PENDING_MAX)
        return false;
    uint32_t asked = ((atomic_load_relaxed(&question) & ~STATE_MASK) + NUMBER_ONE) | ASKED;
    atomic_store_release(&question, asked);
    if (!send_signal(thread, asked))
        deadline = 0;
    return take(asked, deadline, pc);
}

SANITIZE_OWNER_DATA_END
