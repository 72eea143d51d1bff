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
#include "runtime/chan/meet.h"
#include "runtime/chan/timed.h"
#include "runtime/chan/watch.h"
#include "runtime/chan/word.h"
#include "runtime/hooks.h"
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

/* ---- looking at the cases ---- */

static _Noreturn __attribute__((noinline, cold)) void panic_with(const char *text)
{
    weft_panic("%s", text);
}

static inline void note_default(struct select *s, int index)
{
    if (unlikely(s->default_case != NO_CASE && s->default_case != index))
        panic_with("select: more than one default");
    s->default_case = index;
}

/* A time, whenever it is looked at: whether it has passed. */
static inline bool look_at_after(struct select *s, const weft_case *c)
{
    s->some_after |= c->ns > 0;
    return c->ns <= 0;
}

static __attribute__((noinline)) bool timer_can_go_ahead(struct select *s, weft_case *c)
{
    s->some_timer = true;
    c->priv[PRIV_WHEN] = (uint64_t)timed_when(c->chan);
    return timed_is_due((int64_t)c->priv[PRIV_WHEN]);
}

/* Whether a case with that state of its channel could go ahead; waiters may turn out to be none. */
static inline bool can_go_ahead(struct select *s, weft_case *c, weft_op op,
                                const struct weft_chan *ch, uint64_t state)
{
    if (op == WEFT_OP_SEND)
        return (state & (CHAN_CLOSED | CHAN_RECV)) || chan_count(ch, state) < ch->capacity;
    if (unlikely(ch->form == FORM_TIMER))
        return timer_can_go_ahead(s, c);
    return (state & ~POSITION_MASK) &&
           ((state & (CHAN_CLOSED | CHAN_SEND)) || chan_count(ch, state) > 0);
}

/* Note the states, and those that can go ahead; how many. */
static inline uint32_t look(struct select *s)
{
    uint32_t ready = 0, channels = 0;
    uint64_t seen = 0;
    weft_case *first = s->cases, *end = first + s->n;
    for (weft_case *c = first; c < end; c++) {
        weft_op op = c->op;
        struct weft_chan *ch = c->chan;
        bool can = false;
        if (likely(op <= WEFT_OP_SEND)) {
            if (unlikely(!ch))
                continue;
            uint64_t state = atomic_load_acquire(&ch->state);
            c->priv[PRIV_STATE] = state;
            seen |= state;
            channels++;
            can = can_go_ahead(s, c, op, ch, state);
        } else if (op == WEFT_OP_DEFAULT) {
            note_default(s, (int)(c - first));
        } else {
            can = look_at_after(s, c);
        }
        if (can)
            first[ready++].priv[PRIV_READY] = (uintptr_t)c;
    }
    s->channels = channels;
    s->waited = seen & CHAN_EITHER;
    return ready;
}

/* ---- without waiting ---- */

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
    if (s->channels <= 1 && !s->some_timer)
        return true; /* one state is read at one instant */
    for (const weft_case *c = s->cases, *end = c + s->n; c < end; c++)
        if (select_has_channel(c) && atomic_load_acquire(&c->chan->state) != c->priv[PRIV_STATE])
            return false;
    return likely(!s->some_timer) || !some_timer_has_moved(s);
}

/* Who waits is met, and a word taken out of a buffer, in the short way; the rest takes the long one. */
static enum chan_result try_case(weft_case *c)
{
    struct weft_chan *ch = c->chan;
    struct sched_m *m;
    uint64_t read, state = c->priv[PRIV_STATE];
    uint64_t partners = c->op == WEFT_OP_SEND ? CHAN_RECV : CHAN_SEND;
    if (ch->form == FORM_SYNC && meeting_is_simple(state, partners) && (m = sched_m_unasked())) {
        struct waiter *w = meeting_partner(state, &read);
        if (likely(w) && !(read & CLAIM_FLAGS)
                ? meeting_here(ch, state, chan_met(state), w, partners, c->elem, ch->elem_size, m)
                : w && meet_select(ch, state, w, read, c->elem, m) == MEETING_DONE)
            return CHAN_DONE;
    }
    if (ch->form == FORM_WORD && c->op == WEFT_OP_RECV && recv_word(ch, c->elem))
        return CHAN_DONE;
    return select_try(c, NULL, &state);
}

/* False: it can't any more. */
static inline bool try_one_of(struct select *s, uint32_t ready, struct selected *out)
{
    uint32_t nth = ready > 1 ? random_below(ready) : 0;
    weft_case *c = (weft_case *)(uintptr_t)s->cases[nth].priv[PRIV_READY];
    out->index = (int)(c - s->cases);
    out->result = c->op == WEFT_OP_AFTER ? CHAN_DONE : try_case(c);
    return out->result != CHAN_BLOCKED;
}

/* ---- waiting ---- */

static __attribute__((noinline)) void set_deadline(struct select *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        const weft_case *c = &s->cases[i];
        int64_t deadline = c->op == WEFT_OP_AFTER ? time_after(c->ns) : WEFT_FOREVER;
        if (c->op == WEFT_OP_AFTER && (s->after_case == NO_CASE || deadline < s->deadline)) {
            s->reason = WAIT_SELECT_UNTIL;
            s->deadline = deadline;
            s->after_case = (int)i;
        }
    }
}

#define OWN_CASES_MAX 8 /* who finds it looks at so many */

/* A channel in a context can't be sent to as its user likes, or the caller says so. */
static inline bool case_only_closes(const struct select *s, uint32_t i)
{
    return s->cases[i].chan->unowned || (s->last_stops && i == s->n - 1);
}

/* The same, where somebody waits, or a channel has no elements: s->watched is watched then, if that pays. */
static __attribute__((noinline)) bool own_will_watch(struct select *s, struct sched_g *g)
{
    for (uint32_t i = 0; i < s->n; i++) {
        const weft_case *c = &s->cases[i];
        if (!select_has_channel(c))
            continue;
        uint64_t state = c->priv[PRIV_STATE];
        if (c->op == WEFT_OP_RECV && s->watched == OWN_NONE && s->channels > 1 &&
            case_only_closes(s, i) && watch_pays(c->chan, state, g) &&
            watch_begin(c->chan, state, g))
            s->watched = i;
        else if (state & CHAN_EITHER)
            return false;
    }
    return true;
}

/* Whether it may wait with its goroutine's own waiter. */
static inline bool own_will_do(struct select *s, struct sched_g *g)
{
    bool plain = !s->waited;
    if (s->not_own || s->n > OWN_CASES_MAX)
        return false;
    s->watched = OWN_NONE;
    for (const weft_case *c = s->cases, *end = c + s->n; c < end; c++) {
        if (!select_has_channel(c))
            continue;
        if (c->chan->form != FORM_SYNC)
            return false;
        plain &= c->chan->elem_size != 0;
    }
    return likely(plain) || own_will_watch(s, g);
}

static bool wait_for_one(struct select *s, struct selected *out)
{
    if (unlikely(s->some_after) && s->after_case == NO_CASE)
        set_deadline(s);
    if (unlikely(s->channels == 0 && s->after_case == NO_CASE))
        chan_block_for_ever(WAIT_SELECT);
    struct sched_m *m = sched_m_unasked();
    return m && own_will_do(s, m->g) ? select_wait_own(s, out, m) : select_wait(s, out);
}

/* False: the default runs. */
static inline __attribute__((always_inline)) bool run(struct select *s, struct selected *out)
{
    for (;;) {
        uint32_t ready = look(s);
        if (ready) {
            if (likely(try_one_of(s, ready, out)))
                return true;
        } else if (s->default_case == NO_CASE) {
            if (likely(wait_for_one(s, out)))
                return true;
        } else if (likely(none_has_moved(s))) {
            return false;
        }
    }
}

static _Noreturn __attribute__((noinline, cold)) void odd_number_of_cases(size_t n)
{
    if (n == 0)
        chan_block_for_ever(WAIT_SELECT_NONE);
    panic_with("select: too many cases");
}

static inline __attribute__((always_inline)) int select_of(weft_case *cases, size_t n,
                                                           bool last_stops)
{
    struct select s = {.cases = cases,
                       .n = n,
                       .deadline = WEFT_FOREVER,
                       .default_case = NO_CASE,
                       .after_case = NO_CASE,
                       .reason = WAIT_SELECT,
                       .last_stops = last_stops};
    struct selected chosen;
    sched_checkpoint();
    if (unlikely(n - 1 >= CASES_MAX))
        odd_number_of_cases(n);
    if (!run(&s, &chosen))
        return s.default_case;
    if (chosen.index == NO_CASE)
        return s.after_case;
    const weft_case *c = &cases[chosen.index];
    if (c->op == WEFT_OP_RECV && c->ok)
        *c->ok = chosen.result == CHAN_DONE;
    if (unlikely(c->op == WEFT_OP_SEND && chosen.result == CHAN_IS_CLOSED))
        panic_with("send on closed channel");
    return chosen.index;
}

int weft_select(weft_case *cases, size_t n)
{
    return select_of(cases, n, false);
}

int chan_select_or_stop(weft_case *cases, size_t n)
{
    return select_of(cases, n, true);
}

int weft_priv_select_or_stop(weft_case *cases, size_t n)
{
    return chan_select_or_stop(cases, n);
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
