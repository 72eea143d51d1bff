/* SPDX-License-Identifier: Apache-2.0
 * signal_linux.c - arch/signal.h on Linux.
 *
 * Handing a signal on means that the program can't tell the difference: its handler gets the same
 * siginfo and context and the mask that its flags ask for; SIG_DFL dies of the signal, at the
 * instruction that faulted and with a core; SIG_IGN ignores what was sent and dies of what was not, as the
 * kernel has it. (One thing differs: a handler that was set without SA_ONSTACK runs on the signal stack
 * of a runtime thread.)
 *
 * A program may set a handler during a run and keep ours as the one to hand on to. Release leaves it in
 * place, with ours under it; the next catch puts ours on top as well. So ours has two that it may hand
 * on to: `before`, where it is the one that the kernel calls, and `base`, where it is called by the
 * program's handler, also when there is no run. A signal that comes round a third time dies. */
#include "arch/signal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/arch.h"
#include "arch/os.h"
#include "arch/sanitize.h"

SANITIZE_OWNER_DATA_BEGIN
#if defined(__x86_64__)
#include "arch/x86_64/thread.h"
#elif defined(__aarch64__)
#include "arch/aarch64/thread.h"
#endif
SANITIZE_OWNER_DATA_END

#define SIGNAL_STACK_BYTES ((size_t)64 << 10) /* the guard page included; an unwinder runs on it */
#define KERNEL_SIGSET_BYTES 8

SANITIZE_OWNER_DATA_BEGIN

struct chain {
    int signal;
    bool set;                /* ours is the process's handler, or under one that was set since */
    struct sigaction before; /* who handled the signal when ours was set */
    struct sigaction base;   /* and who did when the program's handler was set on top of ours */
};

static struct chain chains[] = {{.signal = SIGSEGV}, {.signal = SIGBUS}};
static void (*fault_fn)(const struct os_fault *);

/* The signal that this thread is handing on. */
struct handing {
    const void *context;
    const char *frame; /* how deep in its stack */
    int rounds;        /* how often it has come back */
};

static _Thread_local struct handing handing_on;

static struct chain *chain_of(int signal)
{
    return &chains[signal == SIGBUS];
}

static bool is_function(const struct sigaction *a)
{
    return (a->sa_flags & SA_SIGINFO) || (a->sa_handler != SIG_DFL && a->sa_handler != SIG_IGN);
}

/* Sent, not made by the instruction that it interrupted. */
static bool was_raised(const siginfo_t *info)
{
    return info->si_code <= 0 || (info->si_signo == SIGBUS && info->si_code == BUS_MCEERR_AO);
}

/* The signal's default, or for what only was sent to us: nothing. */
static void die_or_ignore(const struct sigaction *to, siginfo_t *info)
{
    if (to->sa_handler == SIG_IGN && was_raised(info))
        return;
    struct sigaction die = {.sa_handler = SIG_DFL};
    sigaction(info->si_signo, &die, NULL);
    if (was_raised(info)) /* comes when the handler returns; the instruction will not fault again */
        syscall(SYS_rt_tgsigqueueinfo, getpid(), (pid_t)syscall(SYS_gettid), info->si_signo, info);
}

static void call_handler(struct sigaction to, siginfo_t *info, void *context)
{
    sigset_t blocked, itself;
    sigemptyset(&itself);
    sigaddset(&itself, info->si_signo);
    pthread_sigmask(SIG_BLOCK, &to.sa_mask, &blocked);
    if (to.sa_flags & SA_NODEFER)
        pthread_sigmask(SIG_UNBLOCK, &itself, NULL);
    if (to.sa_flags & SA_SIGINFO)
        to.sa_sigaction(info->si_signo, info, context);
    else
        to.sa_handler(info->si_signo);
    pthread_sigmask(SIG_SETMASK, &blocked, NULL);
}

static void hand_on(siginfo_t *info, void *context)
{
    struct chain *c = chain_of(info->si_signo);
    struct sigaction dies = {.sa_handler = SIG_DFL};
    struct sigaction *round[] = {c->set ? &c->before : &c->base, &c->base, &dies};
    struct handing outer = handing_on;
    struct handing now = {.context = context, .frame = __builtin_frame_address(0)};
    /* Deeper and with the same context: called by the handler that we called. (A handler that left by
     * siglongjmp left its mark behind, but where a new signal's context is the same its frame is too.) */
    if (context == outer.context && now.frame < outer.frame)
        now.rounds = outer.rounds + (outer.rounds < 2);
    struct sigaction to = *round[now.rounds];
    if (!is_function(&to)) {
        die_or_ignore(&to, info);
        return;
    }
    if (to.sa_flags & (int)SA_RESETHAND)
        *round[now.rounds] = dies;
    handing_on = now;
    call_handler(to, info, context);
    handing_on = outer;
}

static void on_fault(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    struct os_fault fault = {
        .address = (uintptr_t)info->si_addr,
        .located = info->si_code > 0 && info->si_code != SI_KERNEL,
        .raised = was_raised(info),
        .pc = arch_interrupted_pc(context),
        .sp = arch_interrupted_sp(context),
    };
    (void)signal;
    fault_fn(&fault);
    hand_on(info, context);
    errno = saved_errno;
}

static bool is_ours(const struct sigaction *a)
{
    return (a->sa_flags & SA_SIGINFO) && a->sa_sigaction == on_fault;
}

void os_faults_catch(void (*fn)(const struct os_fault *))
{
    struct sigaction ours = {.sa_sigaction = on_fault,
                             .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    fault_fn = fn;
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        struct chain *c = &chains[i];
        struct sigaction found;
        sigaction(c->signal, NULL, &found);
        c->before =
            is_ours(&found) ? c->base : found; /* ours: the program has put us back itself */
        c->set = true;
        sigaction(c->signal, &ours, NULL);
    }
}

void os_faults_release(void)
{
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++) {
        struct chain *c = &chains[i];
        struct sigaction found;
        sigaction(c->signal, NULL, &found);
        if (is_ours(&found))
            sigaction(c->signal, &c->before, NULL);
        else
            c->base = c->before;
        c->set = false;
    }
}

int os_signal_stack_make(struct os_signal_stack *s)
{
    sanitize_ignore_begin(); /* whichever goroutine's handler runs on it */
    char *low = os_map(SIGNAL_STACK_BYTES);
    sanitize_ignore_end();
    if (!low)
        return -ENOMEM;
    int rc = os_guard(low, os_page());
    if (rc)
        os_unmap(low, SIGNAL_STACK_BYTES);
    else
        s->low = low;
    return rc;
}

static void faults_only(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < sizeof chains / sizeof chains[0]; i++)
        sigaddset(set, chains[i].signal);
}

void os_faults_unblock(void)
{
    sigset_t faults;
    faults_only(&faults);
    pthread_sigmask(SIG_UNBLOCK, &faults, NULL);
}

void os_signal_stack_enter(struct os_signal_stack *s)
{
    stack_t was, is = {.ss_sp = s->low + os_page(), .ss_size = SIGNAL_STACK_BYTES - os_page()};
    sigaltstack(&is, &was);
    s->was = was.ss_sp;
    s->was_bytes = was.ss_size;
    s->was_flags = was.ss_flags;
    os_faults_unblock();
}

void os_signal_stack_leave(struct os_signal_stack *s)
{
    stack_t was = {.ss_sp = s->was, .ss_size = s->was_bytes, .ss_flags = s->was_flags};
    sigaltstack(&was, NULL);
}

size_t os_signal_frame_bytes(void)
{
    size_t bytes = getauxval(AT_MINSIGSTKSZ);
    return bytes ? bytes : MINSIGSTKSZ;
}

bool os_readable(const void *p)
{
    /* The kernel reads the set before it finds out that there is no such way to change a mask. */
    return syscall(SYS_rt_sigprocmask, -1, p, NULL, KERNEL_SIGSET_BYTES) && errno == EINVAL;
}

bool os_shadow_stack(void)
{
    return arch_shadow_stack();
}

SANITIZE_OWNER_DATA_END
