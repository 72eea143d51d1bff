/* SPDX-License-Identifier: Apache-2.0
 * gate.c - one goroutine waits for one other party; for tests and benchmarks (runtime/hooks.h).
 * word: 0 shut, GATE_OPEN, or the waiter. One RMW each way. */
#include "runtime/hooks.h"

#include "arch/os.h"
#include "runtime/sched/sched.h"

#define GATE_OPEN UINT64_C(1)

bool weft_priv_hold_at(unsigned nth)
{
    return os_hold_at(nth);
}

bool weft_priv_held(void)
{
    return os_hold_is_on();
}

void weft_priv_release(void)
{
    os_hold_end();
}

bool weft_priv_clock_move(int64_t ns)
{
    return os_clock_move(ns);
}

void weft_priv_clock_fly(bool on)
{
    os_clock_fly(on);
}

static _Atomic(uint64_t) *word_of(weft_priv_gate *gate)
{
    return (_Atomic(uint64_t) *)&gate->word;
}

void weft_priv_gate_wait(weft_priv_gate *gate)
{
    struct waiter *w = waiter_self();
    uint64_t shut = 0;
    w->unlink = NULL; /* a gate doesn't outlive its run */
    if (atomic_cas_acq_rel(word_of(gate), &shut, (uint64_t)(uintptr_t)w)) {
        waiter_wait(w, WAIT_GATE);
        return;
    }
    WEFT_ASSERT(shut == GATE_OPEN); /* one waiter at a time */
    atomic_store_release(word_of(gate), 0);
}

void weft_priv_gate_open(weft_priv_gate *gate)
{
    enum run_hold hold = sched_hold_run(); /* it is one of a run that is on */
    uint64_t word = atomic_load_acquire(word_of(gate));
    while (word != GATE_OPEN) {
        if (!atomic_cas_acq_rel(word_of(gate), &word, word ? 0 : GATE_OPEN))
            continue;
        if (word)
            waiter_wake((struct waiter *)(uintptr_t)word);
        break;
    }
    sched_release_run(hold);
}
