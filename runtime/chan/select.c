/* SPDX-License-Identifier: Apache-2.0
 * select.c - weft_select: one of several sends and receives; what waits is in select_wait.c.
 *
 * First all states are read; one of the cases that could have gone ahead is drawn, each with the same chance, and
 * tried as a send or receive that doesn't wait (try.c). If it can't any more this begins anew.
 *
 * The default may run only if at one instant no case could. When none could, and all states still are the
 * same when they are read again, none could at any instant between the two readings; else some operation has
 * gone ahead, and this begins anew. A state never comes back while a readiness came and went: the position moves
 * with elements and, on an unbuffered channel, with each waiter who leaves.
 *
 * What is noted lies in the cases themselves, so a select of any size needs no memory. */
#include "runtime/chan/select.h"

#include <errno.h>
#include <weft/defer.h>
#include <weft/time.h>

#include "arch/os.h"
#include "runtime/chan/timed.h"
#include "runtime/time/time.h"

#define CASES_MAX 65536

SANITIZE_OWNER_DATA_BEGIN

/* xorshift64* (Vigna, 2016), one a thread: a goroutine doesn't leave its thread in here. */
static __attribute__((noinline)) uint32_t random_below(uint32_t n)
{
    static _Thread_local uint64_t state;
    uint64_t x = state;
    if (unlikely(x == 0))
        x = os_random() | 1;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    state = x;
    return (uint32_t)(((x * UINT64_C(0x2545f4914f6cdd1d) >> 32) * n) >> 32);
}

/* ---- the cases that have no channel ---- */

static __attribute__((noinline)) void survey_after(struct select *s, uint32_t index)
{
    int64_t deadline = time_after(s->cases[index].ns);
    if (s->after_case == NO_CASE || deadline < s->deadline) {
        s->deadline = deadline;
        s->after_case = (int)index;
    }
}

static inline bool survey(struct select *s)
{
    bool can_end = false;
    for (uint32_t i = 0; i < s->n; i++) {
        const weft_case *c = &s->cases[i];
        if (likely(c->op <= WEFT_OP_SEND)) {
            can_end |= c->chan != NULL;
            continue;
        }
        can_end = true;
        if (c->op == WEFT_OP_AFTER) {
            if (c->ns > 0)
                survey_after(s, i);
        } else if (s->default_case != NO_CASE) {
            weft_panic("select: more than one default");
        } else {
            s->default_case = (int)i;
        }
    }
    return can_end;
}

/* ---- without waiting ---- */

/* Whether a case with that state of its channel could go ahead; waiters may turn out to be none. */
static inline bool can_go_ahead(const weft_case *c, uint64_t state)
{
    uint32_t count = chan_count(c->chan, state);
    if (c->op == WEFT_OP_SEND)
        return (state & (CHAN_CLOSED | CHAN_RECV)) || count < c->chan->capacity;
    return (state & (CHAN_CLOSED | CHAN_SEND)) || count > 0;
}

/* Note the states, and those that can go ahead; how many. */
static inline uint32_t look(struct select *s)
{
    uint32_t ready = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        weft_case *c = &s->cases[i];
        if (!select_has_channel(c)) {
            if (c->op == WEFT_OP_AFTER && c->ns <= 0)
                s->cases[ready++].priv[PRIV_READY] = i;
            continue;
        }
        uint64_t state = atomic_load_acquire(&c->chan->state);
        c->priv[PRIV_STATE] = state;
        bool can = can_go_ahead(c, state);
        if (unlikely(c->chan->form == FORM_TIMER) && c->op == WEFT_OP_RECV) {
            s->some_timer = true;
            c->priv[PRIV_WHEN] = (uint64_t)timed_when(c->chan);
            can = timed_is_due((int64_t)c->priv[PRIV_WHEN]);
        }
        if (can)
            s->cases[ready++].priv[PRIV_READY] = i;
    }
    return ready;
}

/* It is due now, or has been set anew. */
static bool timer_has_moved(const weft_case *c)
{
    int64_t when = timed_when(c->chan);
    return when != (int64_t)c->priv[PRIV_WHEN] || timed_is_due(when);
}

static __attribute__((noinline)) bool some_timer_has_moved(const struct select *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const weft_case *c = &s->cases[i];
        if (c->op == WEFT_OP_RECV && c->chan && c->chan->form == FORM_TIMER && timer_has_moved(c))
            return true;
    }
    return false;
}

static inline bool none_has_moved(const struct select *s)
{
    for (size_t i = 0; i < s->n; i++) {
        const weft_case *c = &s->cases[i];
        if (select_has_channel(c) && atomic_load_acquire(&c->chan->state) != c->priv[PRIV_STATE])
            return false;
    }
    return likely(!s->some_timer) || !some_timer_has_moved(s);
}

/* False: it can't any more. */
static bool try_one_of(struct select *s, uint32_t ready, struct selected *out)
{
    uint64_t state;
    uint32_t nth = ready > 1 ? random_below(ready) : 0;
    out->index = (int)s->cases[nth].priv[PRIV_READY];
    weft_case *c = &s->cases[out->index];
    out->result = CHAN_DONE;
    if (c->op != WEFT_OP_AFTER)
        out->result = select_try(c, NULL, &state);
    return out->result != CHAN_BLOCKED;
}

static void run(struct select *s, struct selected *out)
{
    for (;;) {
        uint32_t ready = look(s);
        if (ready) {
            if (try_one_of(s, ready, out))
                return;
        } else if (s->default_case == NO_CASE) {
            if (select_wait(s, out))
                return;
        } else if (none_has_moved(s)) {
            out->index = s->default_case;
            out->result = CHAN_DONE;
            return;
        }
    }
}

static _Noreturn __attribute__((noinline, cold)) void panic_with(const char *text)
{
    weft_panic("%s", text);
}

int weft_select(weft_case *cases, size_t n)
{
    struct select s = {.cases = cases,
                       .n = n,
                       .deadline = WEFT_FOREVER,
                       .default_case = NO_CASE,
                       .after_case = NO_CASE,
                       .reason = WAIT_SELECT};
    struct selected chosen;
    sched_checkpoint();
    if (unlikely(n > CASES_MAX))
        panic_with("select: too many cases");
    if (unlikely(!survey(&s)))
        chan_block_for_ever(n ? WAIT_SELECT : WAIT_SELECT_NONE);
    run(&s, &chosen);
    if (chosen.index == NO_CASE)
        return s.after_case;
    const weft_case *c = &cases[chosen.index];
    if (c->op == WEFT_OP_RECV && c->ok)
        *c->ok = chosen.result == CHAN_DONE;
    if (unlikely(c->op == WEFT_OP_SEND && chosen.result == CHAN_IS_CLOSED))
        panic_with("send on closed channel");
    return chosen.index;
}

int chan_until(struct weft_chan *ch, bool sends, void *elem, int64_t deadline)
{
    if (deadline <= os_now())
        return -ETIMEDOUT;
    if (!ch) {
        weft_sleep_until(deadline);
        return -ETIMEDOUT;
    }
    weft_case c = {.op = sends ? WEFT_OP_SEND : WEFT_OP_RECV, .chan = ch, .elem = elem};
    struct select s = {.cases = &c,
                       .n = 1,
                       .deadline = deadline,
                       .default_case = NO_CASE,
                       .after_case = NO_CASE,
                       .reason = sends ? WAIT_CHAN_SEND : WAIT_CHAN_RECV};
    struct selected chosen;
    run(&s, &chosen);
    return chosen.index == NO_CASE ? -ETIMEDOUT : chosen.result == CHAN_DONE ? 0 : -EPIPE;
}

SANITIZE_OWNER_DATA_END
