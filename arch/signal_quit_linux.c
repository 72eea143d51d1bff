/* SPDX-License-Identifier: Apache-2.0
 * signal_quit_linux.c - SIGQUIT, and how a process ends with a core, on Linux. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "arch/os.h"
#include "arch/signal.h"

SANITIZE_OWNER_DATA_BEGIN

static void (*_Atomic quit_fn)(void); /* NULL: nobody wants to know */
static pid_t owner;

static void send_to_self(int signal)
{
    syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signal);
}

/* Without anybody, and in a forked child, it is what it was before: it comes again when this returns. */
static void on_quit(int signal)
{
    int saved_errno = errno;
    struct sigaction dies = {.sa_handler = SIG_DFL};
    void (*fn)(void) = atomic_load_acquire(&quit_fn);
    if (fn && getpid() == owner) {
        fn();
    } else {
        sigaction(signal, &dies, NULL);
        send_to_self(signal);
    }
    errno = saved_errno;
}

static bool has_handler(void (*handler)(int))
{
    struct sigaction found;
    return !sigaction(SIGQUIT, NULL, &found) && !(found.sa_flags & SA_SIGINFO) &&
           found.sa_handler == handler;
}

void os_quit_catch(void (*fn)(void))
{
    struct sigaction ours = {.sa_handler = on_quit, .sa_flags = SA_ONSTACK | SA_RESTART};
    owner = getpid();
    atomic_store_release(&quit_fn, fn);
    if (has_handler(SIG_DFL))
        sigaction(SIGQUIT, &ours, NULL);
}

void os_quit_release(void)
{
    struct sigaction dies = {.sa_handler = SIG_DFL};
    atomic_store_release(&quit_fn, NULL);
    if (has_handler(on_quit))
        sigaction(SIGQUIT, &dies, NULL);
}

void os_quit(void)
{
    send_to_self(SIGQUIT);
}

void os_crash(void)
{
    struct sigaction dies = {.sa_handler = SIG_DFL};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGABRT);
    sigaction(SIGABRT, &dies, NULL);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    send_to_self(SIGABRT);
}

SANITIZE_OWNER_DATA_END
