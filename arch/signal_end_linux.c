/* SPDX-License-Identifier: Apache-2.0
 * signal_end_linux.c - what keeps a thread from hanging while it ends the process, on Linux.
 *
 * SIGALRM has two senders. alarm(2)'s goes to the process and ends it, in whichever thread it comes: even if this one is stuck in
 * the kernel. A timer's goes to this thread alone, which then gives up what it was at; the timer's mark tells the two apart, and both
 * from the program's own. Its system calls are made without libc, which may allocate for a timer.
 *
 * Who ends it late writes the text first, which may hang as well: nobody may read stderr. So that has a limit, too, and a second alarm
 * comes in the midst of it, in whichever thread. Rejected: to ask poll() first, which knows nothing of how much is taken, nor of others
 * that write. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "arch/atomic.h"
#include "arch/os.h"
#include "arch/signal.h"

#define NS_PER_S INT64_C(1000000000)
#define SECONDS_TO_TELL 5 /* who reads slowly has all of it by then */

SANITIZE_OWNER_DATA_BEGIN

static struct {
    struct os_ending how;
    time_t at; /* when it ends at the latest; CLOCK_MONOTONIC */
    int timer; /* the kernel's number, -1: none */
    _Atomic(bool) on;
    _Atomic(time_t) late; /* since when a thread writes the text, its last deed; 0: none does */
    struct sigaction alarm_before, abort_before;
    sigset_t both, mask_before;
} ending;

static pid_t thread_id(void)
{
    return (pid_t)syscall(SYS_gettid);
}

static time_t seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

/* The next alarm comes meanwhile. */
static void write_text(void)
{
    sigset_t alarms;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    alarm(SECONDS_TO_TELL);
    pthread_sigmask(SIG_UNBLOCK, &alarms, NULL);
    os_write_stderr(ending.how.text);
}

static void end_if_late(void)
{
    time_t now = seconds_now(), left = ending.at - now, since = 0;
    if (left <= 0) {
        if (atomic_cas_acq_rel(&ending.late, &since, now))
            write_text();
        else
            left = since + SECONDS_TO_TELL - now;
    }
    if (left <= 0)
        _exit(ending.how.status);
    alarm((unsigned)left); /* the program's own timers end in this signal, too */
    if (!atomic_load_relaxed(&ending.on))
        alarm(0); /* another thread has come to the end meanwhile */
}

/* Nothing is cut short in this thread while it writes the text in here. */
static void on_alarm(int signal, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    (void)signal;
    (void)context;
    if (info->si_code != SI_TIMER || info->si_value.sival_ptr != &ending) {
        if (atomic_load_relaxed(&ending.on))
            end_if_late();
    } else if (!atomic_load_relaxed(&ending.late)) {
        ending.how.escape();
    }
    errno = saved_errno;
}

/* abort() lets a handler jump away. Otherwise it is what it was before: it comes again when this returns. */
static void on_abort(int signal)
{
    int saved_errno = errno;
    ending.how.escape();
    sigaction(signal, &ending.abort_before, NULL);
    syscall(SYS_tgkill, getpid(), thread_id(), signal);
    errno = saved_errno;
}

static void make_timer(void)
{
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGALRM};
    event.sigev_value.sival_ptr = &ending;
    event._sigev_un._tid = thread_id();
    if (syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &ending.timer))
        ending.timer = -1;
}

static void take_signals(void)
{
    struct sigaction alarms = {.sa_sigaction = on_alarm,
                               .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_RESTART};
    struct sigaction aborts = {.sa_handler = on_abort, .sa_flags = SA_ONSTACK};
    sigaction(SIGALRM, &alarms, &ending.alarm_before);
    sigaction(SIGABRT, &aborts, &ending.abort_before);
    sigemptyset(&ending.both);
    sigaddset(&ending.both, SIGALRM);
    sigaddset(&ending.both, SIGABRT);
    pthread_sigmask(SIG_UNBLOCK, &ending.both, &ending.mask_before);
}

/* The mask comes first: what the program has blocked, to read it elsewhere, mustn't meet what it does by default. Only of
 * these two, as this may be a fault's handler, which has blocked others. */
static void give_signals_back(void)
{
    sigset_t blocked;
    sigandset(&blocked, &ending.both, &ending.mask_before);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    sigaction(SIGALRM, &ending.alarm_before, NULL);
    sigaction(SIGABRT, &ending.abort_before, NULL);
}

void os_ending_begin(const struct os_ending *how)
{
    ending.how = *how;
    ending.at = seconds_now() + (time_t)how->seconds;
    if (atomic_load_relaxed(&ending.on)) {
        os_time_stop(); /* it was for what the thread died in */
    } else {
        make_timer();
        take_signals();
        atomic_store_relaxed(&ending.on, true);
    }
    alarm(how->seconds);
}

void os_ending_end(void)
{
    if (!atomic_load_relaxed(&ending.on))
        return;
    atomic_store_relaxed(&ending.on, false); /* the program's alarms set ours no more */
    alarm(0);
    if (ending.timer >= 0)
        syscall(SYS_timer_delete, ending.timer);
    give_signals_back();
}

void os_time_run(int64_t ns)
{
    struct itimerspec from_now = {
        .it_value = {.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)}};
    if (ending.timer >= 0)
        syscall(SYS_timer_settime, ending.timer, 0, &from_now, NULL);
}

int64_t os_time_stop(void)
{
    struct itimerspec never = {0}, was;
    if (ending.timer < 0 || syscall(SYS_timer_settime, ending.timer, 0, &never, &was))
        return OS_FOREVER;
    int64_t left = (int64_t)was.it_value.tv_sec * NS_PER_S + was.it_value.tv_nsec;
    return left ? left : 1;
}

SANITIZE_OWNER_DATA_END
