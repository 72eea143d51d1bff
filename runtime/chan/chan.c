/* SPDX-License-Identifier: Apache-2.0
 * chan.c - making, sharing, closing and freeing channels, and looking at them. */
#include <errno.h>
#include <string.h>
#include <weft/defer.h>

#include "alloc/alloc.h"
#include "runtime/chan/ring.h"
#include "runtime/chan/timed.h"
#include "runtime/chan/wait.h"

#define SMALLEST_PAGE 4096

SANITIZE_OWNER_DATA_BEGIN

static enum chan_form form_for(size_t elem_size, size_t capacity)
{
    if (capacity == 0)
        return FORM_SYNC;
    return elem_size == 0 ? FORM_COUNT : elem_size <= sizeof(uint64_t) ? FORM_WORD : FORM_NODE;
}

static size_t cell_bytes(enum chan_form form)
{
    return form == FORM_WORD   ? sizeof(struct atomic_pair)
           : form == FORM_NODE ? sizeof(uint64_t)
                               : 0;
}

static size_t round_up(size_t n)
{
    return (n + CACHE_LINE - 1) & ~(size_t)(CACHE_LINE - 1);
}

/* How much memory a channel takes, from where its ring and its nodes lie in it. */
struct layout {
    size_t ring, nodes, bytes;
};

static struct layout lay_out(enum chan_form form, size_t elem_size, size_t capacity)
{
    struct layout l = {.ring = round_up(sizeof(struct weft_chan))};
    l.nodes = round_up(l.ring + (form >= FORM_WORD ? (capacity + 1) * cell_bytes(form) : 0));
    l.bytes = l.nodes + (form == FORM_NODE ? nodes_bytes(capacity, elem_size) : 0);
    return l;
}

static uint32_t mask_for(uint32_t cells)
{
    uint32_t mask = 0;
    while (mask < cells - 1)
        mask = 2 * mask + 1;
    return mask;
}

static void init_cells(struct weft_chan *ch)
{
    for (uint32_t i = 0; i < ch->cells; i++)
        atomic_store_relaxed(ring_cell(ch, i, ch->form), (uint64_t)ring_round_before(ch, i)
                                                             << POSITION_SHIFT);
}

/* ---- memory: a P keeps those without a ring, which programs make by the million ---- */

/* Whether its address is also that of the pages that it was cut from, as which an allocator may know it. */
static bool begins_pages(const struct weft_chan *ch)
{
    return (uintptr_t)ch % SMALLEST_PAGE == 0;
}

/* Where others shouldn't seem to know its address. An allocator's array of free blocks may keep that of the one that it gave last:
 * another that is given back next takes its place there. */
static __attribute__((noinline)) struct weft_chan *alloc_unknown(size_t bytes)
{
    struct weft_chan *first = alloc_zeroed(CACHE_LINE, bytes);
    struct weft_chan *second = first ? alloc_zeroed(CACHE_LINE, bytes) : NULL;
    struct weft_chan *third =
        second && begins_pages(second) ? alloc_zeroed(CACHE_LINE, bytes) : NULL;
    if (third)
        alloc_free(second);
    if (second)
        alloc_free(first);
    return third ? third : second ? second : first;
}

static struct weft_chan *chan_alloc(size_t bytes)
{
    struct sched_p *p = sched_p_here();
    struct weft_chan *ch = p && bytes == sizeof *ch ? spares_get(&p->chans) : NULL;
    if (unlikely(!ch))
        return sched_looks_for_partial() ? alloc_unknown(bytes) : alloc_zeroed(CACHE_LINE, bytes);
    memset(ch, 0, CACHE_LINE); /* gcc makes stores of a line, a call of more */
    memset(&ch->receivers, 0, sizeof *ch - CACHE_LINE);
    return ch;
}

static void chan_release(struct weft_chan *ch)
{
    struct sched_p *p = sched_p_here();
    if (!p || ch->form >= FORM_WORD || !spares_put(&p->chans, ch))
        alloc_free(ch);
}

weft_chan *weft_chan_new(size_t elem_size, size_t capacity)
{
    size_t bytes;
    if (__builtin_mul_overflow(elem_size, capacity, &bytes) || bytes > PTRDIFF_MAX) {
        errno = EINVAL;
        return NULL;
    }
    enum chan_form form = form_for(elem_size, capacity);
    if (capacity > AUX_MAX && form >= FORM_WORD) {
        errno = ENOMEM;
        return NULL;
    }
    struct layout l = lay_out(form, elem_size, capacity);
    struct weft_chan *ch = chan_alloc(l.bytes);
    if (!ch) {
        errno = ENOMEM;
        return NULL;
    }
    ch->form = form;
    ch->elem_size = elem_size;
    ch->capacity_asked = capacity;
    ch->capacity = capacity < AUX_MAX ? (uint32_t)capacity : (uint32_t)AUX_MAX;
    ch->cells = ch->capacity + 1;
    ch->index_mask = mask_for(ch->cells);
    ch->skip = ch->index_mask + 1 - ch->cells;
    ch->turn = form == FORM_SYNC;
    atomic_store_relaxed(&ch->refs, 1);
    if (form >= FORM_WORD) {
        ch->ring = (char *)ch + l.ring;
        init_cells(ch);
    }
    if (form == FORM_NODE) {
        ch->nodes = (struct nodes *)((char *)ch + l.nodes);
        nodes_init(ch->nodes, ch->capacity, elem_size);
    }
    return ch;
}

size_t chan_bytes(const struct weft_chan *ch)
{
    return lay_out(ch->form, ch->elem_size, ch->capacity_asked).bytes;
}

weft_chan *weft_chan_ref(weft_chan *ch)
{
    if (ch)
        atomic_add_relaxed(&ch->refs, 1);
    return ch;
}

/* What the last reference finds there must be over. */
static void forget(struct waiter *w)
{
    struct taken t = {.hold = sched_hold_run()};
    bool watches = !waiter_is_own(w) && chan_is_watch(w);
    if (watches ? chan_claim(w, NULL, &t) : waiter_is_own(w) || !chan_wait_is_over(w))
        sched_fatal("weft: channel freed while in use");
    if (!watches)
        waiter_drop(w);
    sched_release_run(t.hold);
}

void chan_fini_inside(struct weft_chan *ch)
{
    uint64_t state = atomic_load_acquire(&ch->state);
    struct waiter *w;
    if (state & CHAN_WORD)
        forget(waiter_by_name(chan_aux(state)));
    while ((w = waitlist_pop(&ch->receivers)) || (w = waitlist_pop(&ch->senders)))
        forget(w);
}

static __attribute__((noinline)) void chan_free(struct weft_chan *ch)
{
    if (ch->form == FORM_SYNC && ch->unowned) {
        ch->unowned(ch);
        return;
    }
    chan_fini_inside(ch);
    if (ch->form == FORM_TIMER) {
        timed_free(ch);
        return;
    }
    if (ch->form == FORM_NODE)
        nodes_fini(ch->nodes);
    chan_release(ch);
}

void chan_drop(struct weft_chan *ch)
{
    if (ch && atomic_sub_acq_rel(&ch->refs, 1) == 1)
        chan_free(ch);
}

void weft_chan_unref(weft_chan *ch)
{
    chan_drop(ch);
    sched_checkpoint();
}

/* Wake one who waited, if it isn't over, to find the channel closed. */
static void tell_closed(struct waiter *w, uint64_t kind)
{
    struct taken t = {.hold = sched_hold_run()};
    if (chan_claim(w, NULL, &t))
        chan_finish_in_order(&t, OUTCOME_CLOSED, kind);
    else
        sched_release_run(t.hold);
}

/* The run was held before it was taken out of the word; let go of here. */
static void tell_closed_in_word(struct weft_chan *ch, struct waiter *w, uint64_t read,
                                uint64_t kind, enum run_hold hold)
{
    struct taken t = {.hold = hold};
    if (chan_claim_in_word(ch, w, read, kind, NULL, &t))
        chan_finish_in_order(&t, OUTCOME_CLOSED, kind);
    else
        sched_release_run(t.hold);
}

/* False: it was closed. */
static bool chan_close(struct weft_chan *ch)
{
    struct waiter *w, *first;
    enum run_hold hold = sched_hold_run(); /* or who stood in the word may be another's by then */
    uint64_t read = 0, state = atomic_load_acquire(&ch->state);
    do {
        if (state & CHAN_CLOSED) {
            sched_release_run(hold);
            return false;
        }
        first = (state & CHAN_WORD) ? waiter_named(chan_aux(state)) : NULL;
        if (first)
            read = atomic_load_acquire(&first->word);
    } while (!atomic_cas_acq_rel(&ch->state, &state, chan_unwaited(ch, state) | CHAN_CLOSED));
    if (first)
        tell_closed_in_word(ch, first, read, state & CHAN_EITHER, hold);
    else
        sched_release_run(hold);
    while ((w = waitlist_pop(&ch->receivers)))
        tell_closed(w, CHAN_RECV);
    while ((w = waitlist_pop(&ch->senders)))
        tell_closed(w, CHAN_SEND);
    return true;
}

void weft_chan_close(weft_chan *ch)
{
    if (!ch)
        weft_panic("close of nil channel");
    if (ch->form == FORM_TIMER)
        weft_panic("close of timer channel");
    if (ch->form == FORM_SYNC && ch->unowned)
        weft_panic("close of a context's channel");
    if (!chan_close(ch))
        weft_panic("close of closed channel");
}

void chan_init_inside(struct weft_chan *ch, void (*unowned)(struct weft_chan *ch))
{
    memset(ch, 0, sizeof *ch);
    ch->form = FORM_SYNC;
    ch->cells = 1;
    ch->turn = 1;
    ch->unowned = unowned;
    atomic_store_relaxed(&ch->refs, 1);
}

void chan_close_inside(struct weft_chan *ch)
{
    chan_close(ch);
}

size_t weft_chan_len(const weft_chan *ch)
{
    sched_checkpoint();
    return ch ? chan_count(ch, atomic_load_acquire((_Atomic(uint64_t) *)&ch->state)) : 0;
}

size_t weft_chan_cap(const weft_chan *ch)
{
    return ch ? ch->capacity_asked : 0;
}

size_t weft_chan_elem_size(const weft_chan *ch)
{
    return ch ? ch->elem_size : 0;
}

SANITIZE_OWNER_DATA_END
