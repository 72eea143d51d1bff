/* SPDX-License-Identifier: Apache-2.0
 * signal_note_linux.c - noting signals, on Linux.
 *
 *   a signal comes --> `wanted`?  yes --> its bit in `pending`, `turn` moves, who sleeps on it is woken
 *                                 no  --> it goes to whom it belongs by now
 *
 * The handler does no more than that: atomic operations and system calls, with all signals blocked, so that
 * nothing can leave it half-way. It may be anywhere when a signal is forgotten, even just called and not yet
 * begun, and still no signal is lost and none is noted afterwards:
 *
 *   forget   restores the action, then takes the bit out of `wanted`, fence [NOTE-1]
 *   settle   waits until `handling` is 0
 *   handler  counts itself in `handling`, fence [NOTE-2], then looks at `wanted`
 *
 * One of the two sees the other. A handler that finds its bit is waited for, so its signal is noted when settle
 * returns. One that doesn't find it knows that the action has been restored: it sends itself the signal again,
 * which then does, as it returns, what it would have done. (After Go's sigsend and signalWaitUntilIdle.)
 *
 * A program may set a handler on top of ours and have it call ours. Forgetting leaves that one in place, and
 * what it then hands on to us goes to `base`, the action that was there before both.
 *
 * Cost of a signal: 4 RMWs and a futex's wake-up. Rejected: signalfd and sigwait, which want the signals
 * blocked in every thread of the program; writing to a pipe, whose descriptors a forked child shares. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/assert.h"
#include "arch/os.h"
#include "arch/probe.h"
#include "arch/signal.h"

#define SIGNALS 64
#define SLEEPERS_ALL INT32_MAX

SANITIZE_OWNER_DATA_BEGIN

struct noting {
    struct sigaction before; /* who handled the signal when ours was set */
    struct sigaction base;   /* topped: and who did when the program's was set on top of ours */
    bool topped;             /* the program has a handler that may call ours */
};

static struct noting notings[SIGNALS];
static _Atomic(uint64_t) wanted, pending;
static _Atomic(uint32_t) handling; /* threads in the handler */
static _Atomic(uint32_t) turn;     /* moves when there is something to look at */

static uint64_t bit_of(int signal)
{
    return UINT64_C(1) << ((unsigned)(signal - 1) % SIGNALS);
}

/* For what only the instruction that caused it can answer. */
static bool is_fault(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
           signal == SIGTRAP || signal == SIGSYS;
}

bool os_signal_can_note(int signal)
{
    bool standard = signal >= 1 && signal < 32;
    bool real_time = signal >= SIGRTMIN && signal <= SIGRTMAX && signal <= SIGNALS;
    return (standard || real_time) && !is_fault(signal) && signal != SIGKILL && signal != SIGSTOP &&
           !os_probe_uses(signal);
}

static bool ignored_by_default(int signal)
{
    return signal == SIGCHLD || signal == SIGCONT || signal == SIGURG || signal == SIGWINCH;
}

/* Comes as soon as the handler returns, with all that came with it. */
static void send_again(siginfo_t *info)
{
    syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), info->si_signo, info);
}

/* To whom it belongs when the program's own handler has handed it on to us. */
static void give_to_base(const struct sigaction *base, siginfo_t *info, void *context)
{
    struct sigaction dies = {.sa_handler = SIG_DFL};
    if (base->sa_flags & SA_SIGINFO) {
        base->sa_sigaction(info->si_signo, info, context);
    } else if (base->sa_handler == SIG_DFL) {
        if (ignored_by_default(info->si_signo))
            return;
        sigaction(info->si_signo, &dies, NULL);
        send_again(info);
    } else if (base->sa_handler != SIG_IGN) {
        base->sa_handler(info->si_signo);
    }
}

static void note(uint64_t bit)
{
    atomic_or_acq_rel(&pending, bit); /* before `turn`, pairs with os_signals_turn() */
    os_signals_wake();
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    struct noting *n = &notings[signal - 1];
    atomic_add_acq_rel(&handling, 1);
    atomic_fence_after_rmw(); /* [NOTE-2] */
    if (atomic_load_acquire(&wanted) & bit_of(signal))
        note(bit_of(signal));
    else if (n->topped)
        give_to_base(&n->base, info, context);
    else
        send_again(info);
    atomic_sub_acq_rel(&handling, 1);
    errno = saved_errno;
}

static bool is_ours(const struct sigaction *a)
{
    return (a->sa_flags & SA_SIGINFO) && a->sa_sigaction == on_signal;
}

void os_signals_settle(void)
{
    while (atomic_load_acquire(&handling))
        os_yield();
}

int os_signal_note(int signal)
{
    struct sigaction found,
        ours = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    struct noting *n = &notings[signal - 1];
    WEFT_ASSERT(os_signal_can_note(signal));
    sigfillset(&ours.sa_mask);
    if (sigaction(signal, NULL, &found))
        return -errno;
    atomic_or_acq_rel(&wanted, bit_of(signal));
    atomic_fence_after_rmw(); /* [NOTE-1] */
    os_signals_settle();      /* from here on no handler reads *n */
    if (is_ours(&found)) {    /* the program has put us back itself */
        n->before = n->base;
        n->topped = false;
    } else {
        n->before = found;
    }
    int rc = sigaction(signal, &ours, NULL) ? -errno : 0;
    if (rc)
        atomic_and_acq_rel(&wanted, ~bit_of(signal));
    return rc;
}

void os_signal_forget(int signal)
{
    struct noting *n = &notings[signal - 1];
    struct sigaction found;
    sigaction(signal, NULL, &found);
    if (is_ours(&found)) {
        sigaction(signal, &n->before, NULL);
    } else if (!n->topped) {
        n->base = n->before;
        n->topped = true;
    }
    atomic_and_acq_rel(&wanted, ~bit_of(signal)); /* last: who misses it counts on the rest */
    atomic_fence_after_rmw();                     /* [NOTE-1] */
}

uint64_t os_signals_noted(void)
{
    return atomic_swap_acq_rel(&pending, 0);
}

uint32_t os_signals_turn(void)
{
    return atomic_load_acquire(&turn); /* pairs with note() */
}

void os_signals_wait(uint32_t seen)
{
    os_futex_wait(&turn, seen, OS_FOREVER);
}

void os_signals_wake(void)
{
    atomic_add_acq_rel(&turn, 1);
    os_futex_wake(&turn, SLEEPERS_ALL);
}

static sigset_t inherited; /* by the one thread that waits for them */

void os_signals_begin(void)
{
    pthread_sigmask(SIG_SETMASK, NULL, &inherited);
}

void os_signals_admit_as_before(void)
{
    pthread_sigmask(SIG_SETMASK, &inherited, NULL);
}

void os_signals_admit(uint64_t signals)
{
    sigset_t blocked;
    sigfillset(&blocked);
    for (int s = 1; s <= SIGNALS; s++)
        if ((signals & bit_of(s)) || is_fault(s))
            sigdelset(&blocked, s);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
}

void os_signals_in_child(void)
{
    uint64_t ours = atomic_load_relaxed(&wanted);
    for (int s = 1; s <= SIGNALS; s++) {
        struct sigaction found;
        if ((ours & bit_of(s)) && !sigaction(s, NULL, &found) && is_ours(&found))
            sigaction(s, &notings[s - 1].before, NULL);
    }
    atomic_store_relaxed(&wanted, 0);
}

SANITIZE_OWNER_DATA_END
