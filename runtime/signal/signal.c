/* SPDX-License-Identifier: Apache-2.0
 * signal.c - signals as elements of channels.
 *
 *   handler, on any thread       notes the signal and wakes the deliverer (arch/signal_note_linux.c)
 *   deliverer, a thread of ours  tries to send it to each channel that wants it; a full one drops it
 *
 * The deliverer starts with the first channel and has ended when the last stop returns; in between it sleeps,
 * and costs nothing. It is a foreign thread like any other, so delivering needs no run, and wakes the goroutines
 * of one that is on. A program that waits for signals is not deadlocked: sched_outside.
 *
 * A lock covers the list and each delivery, so a channel that stop has taken out gets nothing more. Nothing in
 * there waits: sends are tries. Stop forgets the signals that nobody else wants, lets the handlers that
 * are at work finish, delivers what they have noted, its own channel still included, and only then takes it
 * out: a signal is either delivered or does what it did before, and never neither.
 *
 * Invariants: a signal is noted when and only when a channel in the list wants it; the list has a
 * reference to each of its channels; there is a deliverer when and only when there are channels.
 * Rejected: a goroutine as deliverer, which would need a run; sending from whoever holds up the handler's
 * thread next, which might be never. */
#include <errno.h>
#include <weft/chan.h>
#include <weft/go.h>

#include "alloc/alloc.h"
#include "arch/arch.h"
#include "arch/assert.h"
#include "arch/os.h"
#include "arch/signal.h"
#include "runtime/chan/chan.h"
#include "runtime/sched/sched.h"

#define SIGNALS 64

SANITIZE_OWNER_DATA_BEGIN

struct listener {
    struct listener *next;
    weft_chan *ch;
    uint64_t wants; /* bit n - 1: signal n */
    bool leaves;
};

static struct {
    os_lock lock; /* of all this */
    struct listener *first;
    os_thread deliverer;
    uintptr_t round;   /* which deliverer: those of earlier rounds are to end */
    uint64_t admitted; /* what it lets through to itself */
    bool child_prepared;
} service = {.lock = OS_LOCK_INIT};

static uint64_t wanted_by_all(void)
{
    uint64_t all = 0;
    for (struct listener *l = service.first; l; l = l->next)
        all |= l->wants;
    return all;
}

static uint64_t wanted_by_those_who_stay(void)
{
    uint64_t all = 0;
    for (struct listener *l = service.first; l; l = l->next)
        all |= l->leaves ? 0 : l->wants;
    return all;
}

static int lowest_signal(uint64_t set)
{
    return __builtin_ctzll(set) + 1;
}

/* ---- delivering ---- */

/* Holding the lock: nothing here gives way, as the caller may be a goroutine. */
static void deliver(void)
{
    uint64_t state;
    for (uint64_t came = os_signals_noted(); came; came &= came - 1) {
        int signal = lowest_signal(came);
        for (struct listener *l = service.first; l; l = l->next)
            if (l->wants >> (signal - 1) & 1)
                (void)chan_put(l->ch, &signal, NULL, &state); /* dropped if full or closed */
    }
}

static void *deliver_on(void *arg)
{
    uintptr_t round = (uintptr_t)arg;
    os_thread_name("weft-signal");
    os_signals_begin();
    for (;;) {
        uint32_t turn = os_signals_turn(); /* before looking */
        os_lock_take(&service.lock);
        bool mine = service.round == round;
        if (mine) {
            os_signals_admit_as_before(); /* threads that it starts for those it wakes inherit that */
            deliver();
            service.admitted = wanted_by_those_who_stay();
            os_signals_admit(service.admitted);
        }
        os_lock_give(&service.lock);
        if (!mine)
            return NULL;
        os_signals_wait(turn);
    }
}

/* ---- coming and going; the lock is held ---- */

static int prepare_child(void)
{
    int rc = service.child_prepared ? 0 : os_at_fork(os_signals_in_child);
    service.child_prepared |= rc == 0; /* there is no way to take a handler back */
    return rc;
}

/* Note a signal that somebody wants. l is in the list. */
static int add_signal(struct listener *l, int signal)
{
    uint64_t bit = UINT64_C(1) << (signal - 1);
    int rc = wanted_by_all() & bit ? 0 : os_signal_note(signal);
    if (!rc)
        l->wants |= bit;
    return rc;
}

/* all: those that the system refuses are left out. */
static int add_signals(struct listener *l, uint64_t wants, bool all)
{
    for (; wants; wants &= wants - 1) {
        int rc = add_signal(l, lowest_signal(wants));
        if (rc && !all)
            return rc;
    }
    return 0;
}

/* What nobody else wants. */
static uint64_t own_of(const struct listener *l)
{
    uint64_t own = l->wants;
    for (struct listener *other = service.first; other; other = other->next)
        own &= other == l ? own : ~other->wants;
    return own;
}

/* True: it was the last, and its deliverer is to be joined when the lock has been given. */
static bool leave(struct listener *l, os_thread *deliverer)
{
    struct listener **at = &service.first;
    for (uint64_t own = own_of(l); own; own &= own - 1)
        os_signal_forget(lowest_signal(own));
    os_signals_settle();
    deliver();
    while (*at != l) {
        WEFT_ASSERT(*at);
        at = &(*at)->next;
    }
    *at = l->next;
    *deliverer = service.deliverer;
    service.round += !service.first;
    os_signals_wake(); /* to end, or to admit fewer */
    return !service.first;
}

static int enter(struct listener *l, uint64_t wants, bool all)
{
    int rc = prepare_child();
    if (!rc && !service.first)
        rc = os_thread_start(&service.deliverer, deliver_on, (void *)service.round);
    if (rc)
        return rc;
    l->next = service.first;
    service.first = l;
    rc = add_signals(l, wants, all);
    os_signals_wake();
    return rc;
}

static struct listener *find(weft_chan *ch)
{
    struct listener *l = service.first;
    while (l && l->ch != ch)
        l = l->next;
    return l;
}

/* ---- the calls ---- */

/* Its listener, when the deliverer lets through no signal any more that nobody else wants: were it the only thread that
 * does, such a signal would end the program once the actions are put back. NULL: it is in no list. */
static struct listener *find_leaving(weft_chan *ch)
{
    struct listener *l = find(ch);
    if (l) {
        l->leaves = true;
        os_signals_wake();
    }
    while (l && (service.admitted & own_of(l))) {
        os_lock_give(&service.lock);
        os_yield();
        os_lock_take(&service.lock);
        l = find(ch); /* another may have stopped it */
    }
    return l;
}

static void stop(weft_chan *ch)
{
    os_thread deliverer;
    os_lock_take(&service.lock);
    struct listener *l = find_leaving(ch);
    bool last = l && leave(l, &deliverer);
    os_lock_give(&service.lock);
    if (last)
        os_thread_join(deliverer);
    if (!l)
        return;
    sched_outside(-1);
    chan_drop(ch);
    alloc_free(l);
}

static int listen(weft_chan *ch, uint64_t wants, bool all)
{
    struct listener *l = alloc_zeroed(_Alignof(struct listener), sizeof *l);
    if (!l)
        return -ENOMEM;
    l->ch = weft_chan_ref(ch);
    sched_outside(1);
    os_lock_take(&service.lock);
    int rc = enter(l, wants, all);
    bool entered = service.first == l;
    os_lock_give(&service.lock);
    if (rc && entered) {
        stop(ch);
    } else if (rc) {
        sched_outside(-1);
        chan_drop(ch);
        alloc_free(l);
    }
    return rc;
}

/* 0: one of them can't be had. */
static uint64_t set_of(const int *signals, size_t n)
{
    uint64_t set = 0;
    for (size_t i = 0; i < n; i++) {
        if (!os_signal_can_note(signals[i]))
            return 0;
        set |= UINT64_C(1) << (signals[i] - 1);
    }
    for (int s = 1; n == 0 && s <= SIGNALS; s++)
        set |= (uint64_t)os_signal_can_note(s) << (s - 1);
    return set;
}

weft_chan *weft_signal_notify(const int *signals, size_t n)
{
    uint64_t wants = set_of(signals, n);
    if (!wants) {
        errno = EINVAL;
        return NULL;
    }
    weft_chan *ch = weft_chan_new(sizeof(int), n ? n : (size_t)__builtin_popcountll(wants));
    if (!ch)
        return NULL;
    int rc = listen(ch, wants, n == 0);
    if (!rc)
        return ch;
    chan_drop(ch);
    errno = -rc;
    return NULL;
}

void weft_signal_stop(weft_chan *ch)
{
    sched_checkpoint();
    if (ch)
        stop(ch);
}

SANITIZE_OWNER_DATA_END
