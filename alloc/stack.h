/* SPDX-License-Identifier: Apache-2.0
 * stack.h - goroutine stacks with guard pages.
 *
 * A stack's record lives at its top, in the page that its first frames use anyway, so a parked
 * goroutine costs one page and no more. The record is placed (slot mod 15) * 128 B below the end: at
 * one page offset the tops of all stacks would share the same L1 sets (8 times slower at 32 live
 * stacks, measured). Stacks of the run's default size are carved from slabs and recycled last in
 * first out, hot; other sizes are mapped and unmapped one by one. */
#ifndef WEFT_ALLOC_STACK_H
#define WEFT_ALLOC_STACK_H

#include "alloc/magazine.h"
#include "arch/sanitize.h"

enum stack_guard {
    GUARD_CHEAP,
    GUARD_SPLIT, /* by mprotect, which split a mapping: counted in guards_split */
    GUARD_NONE /* there were too many of those: the page is there and stays zero, see stack_overran() */
};

/* Who started what runs on it. */
struct stack_origin {
    uintptr_t pc; /* 0: not known */
    uint64_t id;
};

struct stack {
    union {
        struct depot_node free;    /* while it is free */
        struct stack_origin began; /* while it is in use; its user's */
    };
    char *low;    /* where the mapping starts: the guard page */
    size_t bytes; /* guard included */
    bool pooled;  /* of the default size */
    enum stack_guard guard;
};

_Static_assert(offsetof(struct stack, free) == 0, "magazines hold the record itself");

SANITIZE_OWNER_DATA_BEGIN

/* The first frame starts right below the record. */
static inline void *stack_top(struct stack *s)
{
    return s;
}

/* Stacks of the default size, shared by all Ps. */
struct stack_class {
    size_t bytes; /* the default size: whole pages, guard included */
    struct depot depot;
    _Atomic(struct stack_slab *) slabs; /* all mappings; only pushed to */
    _Atomic(size_t) carved;             /* stacks made so far */
    _Atomic(uint32_t) split;            /* of them, with a guard that split a mapping */
    struct stack_slab *forgotten;       /* mappings of which some stacks may be in use still */
    struct depot cold;                  /* batches whose memory the kernel has back: stack.c */
    struct depot cold_empty;            /* records for more of them */
    _Atomic(struct stack_cold *) cold_records; /* all of both; only pushed to */
};

/* The share of one P. Zeroed is empty. */
struct stack_cache {
    struct stack *hot; /* put last, or NULL */
    struct magazine free;
    char *carve, *carve_end; /* of the slab in use */
    char *guarded;           /* stacks below have their guards already */
    size_t slab_stacks;      /* how many the next slab holds; doubles */
    unsigned place; /* the NUMA node of new slabs, counted from 1; 0: where they are touched */
};

struct stack *stack_get_slow(struct stack_class *class, struct stack_cache *cache);
void stack_put_slow(struct stack_class *class, struct stack_cache *cache, struct stack *s);
void stack_unmap(struct stack *s);

/* A stack of the class's default size, or NULL without memory. */
static inline struct stack *stack_get(struct stack_class *class, struct stack_cache *cache)
{
    struct stack *s = cache->hot;
    if (unlikely(!s))
        return stack_get_slow(class, cache);
    cache->hot = NULL;
    return s;
}

/* See to it that the next stack_get asks for no address space. 0 or -ENOMEM. */
int stack_reserve(struct stack_class *class, struct stack_cache *cache);

/* A stack of any size (rounded up to pages), or NULL without memory. */
struct stack *stack_get_sized(size_t bytes);

/* Whether somebody wrote to where the guard of one without would be. */
bool stack_overran(const struct stack *s);

/* Nobody stands on it any more. */
static inline void stack_put(struct stack_class *class, struct stack_cache *cache, struct stack *s)
{
    sanitize_stack_recycle(s->low, s->bytes);
    if (likely(s->pooled && !cache->hot))
        cache->hot = s;
    else
        stack_put_slow(class, cache, s);
}

/* All stacks of the cache to the depot. */
void stacks_flush(struct stack_class *class, struct stack_cache *cache);

/* Give the kernel the memory of the stacks in the depot that nobody has needed since the last call. Any
 * thread. Whether there may be more to give at the next call. */
bool stack_trim(struct stack_class *class);

/* Whether p lies in a stack of the class, in use or not. */
bool stack_class_contains(struct stack_class *class, const void *p);

/* All mappings of the class. */
void stack_each_block(struct stack_class *class,
                      void (*fn)(const void *block, size_t bytes, void *arg), void *arg);

/* Whether an address lies in the guard page of one. Async-signal-safe. */
bool stack_class_guards(struct stack_class *class, uintptr_t address);

/* Start afresh and leave all stacks to whoever uses them, mapped until stack_unmap_all; the caller zeroes
 * the caches. */
void stack_forget_all(struct stack_class *class);

/* Unmap every stack of the class. None may be in use; the caller zeroes the caches. */
void stack_unmap_all(struct stack_class *class);

SANITIZE_OWNER_DATA_END

#endif
