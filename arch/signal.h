/* SPDX-License-Identifier: Apache-2.0
 * signal.h - the one seam for signal handlers, the stacks they run on, and what they may ask. */
#ifndef WEFT_ARCH_SIGNAL_H
#define WEFT_ARCH_SIGNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A SIGSEGV or SIGBUS, as its handler is told of it. */
struct os_fault {
    uintptr_t address; /* what was touched */
    bool located;      /* address is known: it is not for faults that another signal's frame made */
    bool raised;       /* no instruction's doing: kill(2) and its like */
    uintptr_t pc, sp;  /* of the flow of control that it interrupted */
};

/* Call fn for each SIGSEGV and SIGBUS; when it returns, the signal goes on to whoever handled it before,
 * just as if weft weren't there. Not nested; fn must be async-signal-safe. */
void os_faults_catch(void (*fn)(const struct os_fault *fault));

/* Put the handlers back, except where the program has set its own meanwhile. */
void os_faults_release(void);

/* Noting signals: those that a program wants to be told of are noted when they come, and nothing else happens;
 * several of one kind may be noted as one. In a set, signal n is bit n - 1. Note and forget by one thread at
 * a time. */

/* Whether it can be caught, and isn't an instruction's own doing. */
bool os_signal_can_note(int signal);

/* From here on it is noted; 0 or -EINVAL: the system refuses. It must not be noted already. */
int os_signal_note(int signal);

/* It is handled again as it was before, unless the program has set its own handler meanwhile. */
void os_signal_forget(int signal);

/* Those that had come are noted when this returns. */
void os_signals_settle(void);

/* The set of those that have come since the last call. */
uint64_t os_signals_noted(void);

/* Sleep, but not if one was noted, or os_signals_wake called, after os_signals_turn gave `seen`. Wakes
 * all; comes back early, too. */
uint32_t os_signals_turn(void);
void os_signals_wait(uint32_t seen);
void os_signals_wake(void);

/* The one thread that waits for signals, and nobody else: it begins; it takes these signals (and its own faults) and
 * blocks all others; it blocks those that its creator did. */
void os_signals_begin(void);
void os_signals_admit(uint64_t signals);
void os_signals_admit_as_before(void);

/* In a forked child: what is noted is handled again as it was before. Async-signal-safe. */
void os_signals_in_child(void);

/* A stack for a thread's signal handlers: of any thread's making, used by one at a time, and kept. */
struct os_signal_stack {
    char *low; /* its guard page; NULL: none */
    void *was; /* the thread's own before, to be put back */
    size_t was_bytes;
    int was_flags;
};

int os_signal_stack_make(struct os_signal_stack *s); /* 0 or -ENOMEM */

/* The calling thread's handlers run on s until leave, and its faults are delivered even when its creator
 * had blocked them. */
void os_signal_stack_enter(struct os_signal_stack *s);
void os_signal_stack_leave(struct os_signal_stack *s);

/* How much stack the kernel needs to call a handler. */
size_t os_signal_frame_bytes(void);

/* Call fn on SIGQUIT, if it is as the system has it, until release; async-signal-safe. */
void os_quit_catch(void (*fn)(void));
void os_quit_release(void);
void os_quit(void); /* send one to the calling thread */

/* The rest is for those who end the process. */

/* By SIGABRT, whatever the program does with it. Returns if the kernel won't. */
void os_crash(void);

/* Let further faults of this thread come while its handler runs. */
void os_faults_unblock(void);

/* The calling thread is about to end it. Should the process still be there after so many seconds, it ends with this
 * status, and with the text on stderr, if that takes it within a few more. escape is called in this thread when it aborts, and when
 * its time is up: whatever it was at is cut short then if it jumps away, with the locks that this had taken, the heap's maybe; when
 * it returns, all is as if there were none. Between begin and end SIGALRM and SIGABRT aren't the program's; after that they are as
 * before, blocked in this thread or not. */
struct os_ending {
    unsigned seconds;
    int status;
    const char *text;
    void (*escape)(void);
};

void os_ending_begin(const struct os_ending *how); /* again: more time, before end or after it */
void os_ending_end(void);

/* Its time: runs, and stands still. What is left of it, not 0; OS_FOREVER: the kernel gives no timer. */
void os_time_run(int64_t ns);
int64_t os_time_stop(void);

/* Whether the 8 bytes at p can be read, without reading them. */
bool os_readable(const void *p);

/* Whether the calling thread's returns are checked against a shadow stack. */
bool os_shadow_stack(void);

#endif
