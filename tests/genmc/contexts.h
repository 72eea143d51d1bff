/* SPDX-License-Identifier: Apache-2.0
 * contexts.h - the tree of contexts, on its own: channels that are only closed, one timer, and memory that is freed for
 * good, so that the checker sees who touches it afterwards. */
#ifndef WEFT_TESTS_GENMC_CONTEXTS_H
#define WEFT_TESTS_GENMC_CONTEXTS_H

#include "model.h"

static void model_free(void *object);

/* No elements go through these channels. */
static inline void model_copy_word(void *to, const void *from)
{
    (void)to, (void)from;
    REQUIRE(false);
}

#include "runtime/context/tree.c"

static _Atomic(int) contexts; /* made and not freed */
static struct slab_cache some_cache;
static struct weft_ctx background = {.kind = CTX_BACKGROUND};

weft_ctx *weft_ctx_background(void)
{
    return &background;
}

struct slab_cache *sched_cache(enum sched_cache which)
{
    (void)which;
    return &some_cache;
}

void sched_set_cache_class(enum sched_cache which, struct slab_class *class)
{
    (void)which, (void)class;
}

/* The Ps' caches stay empty. */
void *slab_get_slow(struct slab_class *class, struct slab_cache *cache)
{
    (void)cache;
    atomic_add_relaxed(&contexts, 1);
    return aligned_alloc(CACHE_LINE, class->object_bytes);
}

static void model_free(void *object)
{
    atomic_add_relaxed(&contexts, -1);
    free(object);
}

enum run_hold sched_hold_run_without_p(void)
{
    return RUN_OURS;
}

void sched_release_run_without_p(enum run_hold hold)
{
    (void)hold;
    REQUIRE(false);
}

void os_yield(void) {}

void weft_error_unref(weft_error *e)
{
    REQUIRE(!e);
}

void chan_init_inside(struct weft_chan *ch, void (*unowned)(struct weft_chan *ch))
{
    ch->unowned = unowned;
    atomic_store_relaxed(&ch->state, 0);
    atomic_store_relaxed(&ch->refs, 1);
}

void chan_close_inside(struct weft_chan *ch)
{
    atomic_store_release(&ch->state, CHAN_CLOSED);
}

void chan_fini_inside(struct weft_chan *ch)
{
    (void)atomic_load_acquire(&ch->state);
}

void ctx_hook_visit(struct ctx_node *node)
{
    (void)node;
    REQUIRE(false);
}

_Noreturn void sched_fatal(const char *text)
{
    (void)text;
    __VERIFIER_assert_fail("sched_fatal", __FILE__, __LINE__);
    abort();
}

/* ---- one timer, which a thread of its own fires if it is armed then ---- */

static _Atomic(uint32_t) timer_state;
static timer_fire_fn timer_fires;
static void *timer_arg;

enum { TIMER_NONE, TIMER_ARMED, TIMER_OVER };

int timer_arm_owned(struct timer_ticket *out, int64_t deadline, timer_fire_fn fires,
                    void (*dropped)(void *arg), void *arg, uint64_t token)
{
    (void)deadline, (void)dropped, (void)token;
    out->generation = 1;
    timer_fires = fires;
    timer_arg = arg;
    atomic_store_release(&timer_state, TIMER_ARMED);
    return 0;
}

bool timer_cancel(const struct timer_ticket *ticket)
{
    uint32_t armed = TIMER_ARMED;
    REQUIRE(ticket->generation == 1);
    return atomic_cas_acq_rel(&timer_state, &armed, TIMER_OVER);
}

static inline void timer(void)
{
    uint32_t armed = TIMER_ARMED;
    if (atomic_cas_acq_rel(&timer_state, &armed, TIMER_OVER))
        timer_fires(timer_arg, 0);
}

#endif
