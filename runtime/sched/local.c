/* SPDX-License-Identifier: Apache-2.0
 * local.c - goroutine-local storage.
 *
 * Values hang on the goroutine (or on the foreign thread's record) in a small open hash table that is made
 * with the first one and doubles. Keys are numbered from 0 and the number is the hash, so a program with
 * few keys never probes; a goroutine pays for the keys that it uses, not for those that exist. Nobody
 * but its owner looks into a table.
 *
 * G_LOCALS tells that there is a table, in a byte that ending a goroutine reads anyway. */
#include <errno.h>
#include <weft/local.h>

#include "runtime/sched/internal.h"

#ifdef WEFT_TEST_BUILD
#define SLOTS_FIRST 2
#else
#define SLOTS_FIRST 8
#endif

#define ROUNDS 4 /* POSIX's least for thread-specific data */

struct weft_local {
    void (*destroy)(void *value);
    uint32_t number;
    struct weft_local *older;
};

struct slot {
    weft_local *key; /* NULL: free */
    void *value;
};

/* At most three quarters of the slots are taken, so that every search ends. */
struct locals {
    uint32_t mask;  /* slots - 1, a power of two less one */
    uint32_t taken; /* never fewer: a key keeps its slot when its value becomes NULL */
    uint32_t rounds, at,
        left; /* of destruction: begun; where this one is, and for how many still */
    struct slot slots[];
};

static _Atomic(weft_local *) keys; /* all of them, newest first: nothing else needs to hold them */
static _Atomic(uint32_t) numbers;

SANITIZE_OWNER_DATA_BEGIN

weft_local *weft_local_new(void (*destroy)(void *value))
{
    weft_local *key = alloc_zeroed(_Alignof(weft_local), sizeof *key);
    if (!key) {
        errno = ENOMEM;
        return NULL;
    }
    key->destroy = destroy;
    key->number = atomic_add_relaxed(&numbers, 1);
    key->older = atomic_load_relaxed(&keys);
    while (!atomic_cas_acq_rel(&keys, &key->older, key))
        ;
    return key;
}

static struct locals *locals_here(void)
{
    struct m *m = m_self();
    return likely(m && m->g) ? m->g->locals : foreign_locals();
}

/* Where key is, or would be put. */
static struct slot *find(struct locals *t, const weft_local *key)
{
    uint32_t i = key->number & t->mask;
    while (t->slots[i].key && t->slots[i].key != key)
        i = (i + 1) & t->mask;
    return &t->slots[i];
}

void *weft_local_get(weft_local *key)
{
    struct locals *t = locals_here();
    if (!t || unlikely(!key))
        return NULL;
    struct slot *s = &t->slots[key->number & t->mask];
    if (unlikely(s->key != key))
        s = find(t, key);
    return s->value; /* NULL in a free one */
}

static size_t table_bytes(uint32_t slots)
{
    return sizeof(struct locals) + slots * sizeof(struct slot);
}

/* A table with room for more, with what the old one has; NULL without memory. */
static struct locals *grow(const struct locals *old)
{
    uint32_t slots = old ? 2 * (old->mask + 1) : SLOTS_FIRST;
    struct locals *t = alloc_zeroed(_Alignof(struct locals), table_bytes(slots));
    if (!t)
        return NULL;
    t->mask = slots - 1;
    for (uint32_t i = 0; old && i <= old->mask; i++)
        if (old->slots[i].key)
            *find(t, old->slots[i].key) = old->slots[i];
    if (old) {
        t->taken = old->taken;
        t->rounds = old->rounds;
        t->at = old->at;
        t->left = old->left;
    }
    return t;
}

static bool is_full(const struct locals *t)
{
    return t->taken >= (t->mask + 1) * 3 / 4;
}

/* The caller's table becomes t. False: a foreign thread has no record to hang it on. */
static bool hang(struct locals *t)
{
    struct m *m = m_self();
    if (unlikely(!m || !m->g))
        return foreign_set_locals(t);
    m->g->locals = t;
    m->g->flags |= G_LOCALS;
    return true;
}

static int add(struct locals *t, weft_local *key, void *value)
{
    if (!t || is_full(t)) {
        struct locals *larger = grow(t);
        if (!larger)
            return -ENOMEM;
        if (!hang(larger)) {
            alloc_free(larger);
            return -ENOMEM;
        }
        alloc_free(t);
        t = larger;
    }
    *find(t, key) = (struct slot){.key = key, .value = value};
    t->taken++;
    return 0;
}

int weft_local_set(weft_local *key, void *value)
{
    sched_checkpoint();
    if (unlikely(!key))
        return -EINVAL;
    struct locals *t = locals_here();
    struct slot *s = t ? find(t, key) : NULL;
    if (likely(s && s->key)) {
        s->value = value;
        return 0;
    }
    return value ? add(t, key, value) : 0;
}

static bool is_to_destroy(const struct slot *s)
{
    return s->value && s->key->destroy;
}

/* Begin a round for the values that there are now: what destroy sets meanwhile is the next one's, so that
 * none goes on for ever. False: nothing is left, or it was the last. */
static bool begin_round(struct locals *t)
{
    if (t->rounds == ROUNDS)
        return false;
    t->rounds++;
    t->at = 0;
    for (uint32_t i = 0; i <= t->mask; i++)
        t->left += is_to_destroy(&t->slots[i]);
    return t->left > 0;
}

static void destroy_next(struct locals *t)
{
    while (t->at <= t->mask && !is_to_destroy(&t->slots[t->at]))
        t->at++;
    if (t->at >
        t->mask) { /* the table has grown, and those left have moved to where we have been */
        t->left = 0;
        return;
    }
    struct slot *s = &t->slots[t->at++];
    void *value = s->value;
    s->value = NULL;
    t->left--;
    s->key->destroy(value);
}

/* destroy may set locals, whose table is another then, and may end by weft_goexit, which comes here again:
 * so the table is looked up each time, and says how far we are. */
void locals_destroy(void)
{
    for (struct locals *t; (t = locals_here()) && (t->left > 0 || begin_round(t));)
        destroy_next(t);
}

void locals_free(struct locals **t)
{
    alloc_free(*t);
    *t = NULL;
}

SANITIZE_OWNER_DATA_END
