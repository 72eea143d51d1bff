/* SPDX-License-Identifier: Apache-2.0
 * stack.c - carving, recycling and dropping goroutine stacks.
 *
 * Guards are MADV_GUARD_INSTALL markers, which split no mapping, so a million stacks fit under
 * vm.max_map_count. Where the kernel lacks them a guard is an mprotect, two mappings a stack; once
 * os_guards_max() of these stand, further stacks go without, and weft says so once. Of those the page where the
 * guard would be is read when its user has ended: it costs the fault that maps the page of zeros, once, and no memory.
 *
 * Idle stacks beyond the Ps' caches wait in a depot, batch by batch. Batches that nobody needed for a
 * while (stack_trim) go cold: the kernel gets their memory back, guards stay, and a record of its own
 * says where they are. They are used before new ones are carved. */
#include "alloc/stack.h"

#include <errno.h>

#include "alloc/alloc.h"
#include "arch/os.h"
#include "arch/sanitize.h"

#define SLAB_STACKS_MIN 8
#define SLAB_STACKS_MAX 256
#define COLOURS 15
#define COLOUR_BYTES 128

/* One mapping of many stacks. */
struct stack_slab {
    struct stack_slab *next;
    char *base;
    size_t bytes;
};

/* A batch of idle stacks without memory: their own records are gone with it. Bit 0 of a low: it has no guard. */
struct stack_cold {
    struct depot_node free;
    struct stack_cold *next;
    size_t n;
    uintptr_t lows[MAGAZINE_SIZE];
};

#define BARE ((uintptr_t)1)

static _Atomic(uint32_t) guards_split;

SANITIZE_OWNER_DATA_BEGIN

/* Guard the stack at low, if there may be one more. 0, or -ENOMEM. */
static int guard(char *low, enum stack_guard *kind)
{
    *kind = GUARD_NONE;
    if (!os_guard_is_cheap() && atomic_load_relaxed(&guards_split) >= os_guards_max())
        return 0;
    int rc = os_guard(low, os_page());
    *kind = os_guard_is_cheap() ? GUARD_CHEAP : GUARD_SPLIT;
    if (rc || *kind == GUARD_CHEAP)
        return rc;
    if (atomic_add_relaxed(&guards_split, 1) + 1 == os_guards_max())
        os_write_stderr("weft: this kernel can't guard more stacks (MADV_GUARD_INSTALL needs Linux "
                        "6.13); further goroutines have no guard page\n");
    return 0;
}

static char *stack_map(size_t bytes)
{
    sanitize_ignore_begin();
    char *p = os_map(bytes);
    sanitize_ignore_end();
    return p;
}

/* [low, low + bytes), whose guard is there, as a stack. */
static struct stack *stack_make(char *low, size_t bytes, bool pooled, enum stack_guard guard)
{
    size_t colour = ((uintptr_t)low / bytes) % COLOURS * COLOUR_BYTES;
    struct stack *s = (struct stack *)(low + bytes - colour - sizeof *s - CACHE_LINE);
    s = (struct stack *)((uintptr_t)s & ~(uintptr_t)(CACHE_LINE - 1));
    s->low = low;
    s->bytes = bytes;
    s->pooled = pooled;
    s->guard = guard;
    sanitize_stack_register(low + os_page(), low + bytes - 1);
    return s;
}

static bool slab_map(struct stack_class *class, struct stack_cache *cache)
{
    size_t n = cache->slab_stacks ? cache->slab_stacks : SLAB_STACKS_MIN;
    struct stack_slab *slab = alloc_aligned(_Alignof(struct stack_slab), sizeof *slab);
    if (!slab)
        return false;
    slab->bytes = n * class->bytes;
    slab->base = stack_map(slab->bytes);
    if (!slab->base) {
        alloc_free(slab);
        return false;
    }
    if (cache->place)
        os_prefer_node(slab->base, slab->bytes, cache->place - 1);
    slab->next = atomic_load_relaxed(&class->slabs);
    while (!atomic_cas_acq_rel(&class->slabs, &slab->next, slab))
        ;
    cache->carve = cache->guarded = slab->base;
    cache->carve_end = slab->base + slab->bytes;
    cache->slab_stacks = n < SLAB_STACKS_MAX ? 2 * n : n;
    return true;
}

/* Guard the next stack, and with it as many as go into one system call (a quarter cheaper each). */
static int guard_next(struct stack_class *class, struct stack_cache *cache, enum stack_guard *kind)
{
    *kind = GUARD_CHEAP;
    if (cache->carve < cache->guarded)
        return 0;
    size_t n = (size_t)(cache->carve_end - cache->carve) / class->bytes;
    if (n > OS_GUARD_MANY_MAX)
        n = OS_GUARD_MANY_MAX;
    if (os_guard_is_cheap() && os_guard_many(cache->carve, os_page(), class->bytes, (unsigned)n)) {
        cache->guarded = cache->carve + n * class->bytes;
        return 0;
    }
    return guard(cache->carve, kind);
}

static struct stack_cold *cold_pop(struct depot *depot)
{
    struct depot_node *node = depot_pop(depot);
    return node ? container_of(node, struct stack_cold, free) : NULL;
}

static struct stack *stack_warm_up(struct stack_class *class)
{
    struct stack_cold *cold = cold_pop(&class->cold);
    if (!cold)
        return NULL;
    uintptr_t low = cold->lows[--cold->n];
    depot_push(cold->n ? &class->cold : &class->cold_empty, &cold->free);
    return stack_make((char *)(low & ~BARE), class->bytes, true,
                      low & BARE ? GUARD_NONE : GUARD_CHEAP);
}

static struct stack_cold *cold_record(struct stack_class *class)
{
    struct stack_cold *cold = cold_pop(&class->cold_empty);
    if (cold || !(cold = alloc_zeroed(CACHE_LINE, sizeof *cold)))
        return cold;
    cold->next = atomic_load_relaxed(&class->cold_records);
    while (!atomic_cas_acq_rel(&class->cold_records, &cold->next, cold))
        ;
    return cold;
}

bool stack_trim(struct stack_class *class)
{
    for (int64_t n = depot_unused(&class->depot); n > 0; n--) {
        struct stack_cold *cold = cold_record(class);
        struct depot_node *batch = cold ? depot_pop(&class->depot) : NULL;
        if (!batch) {
            if (cold)
                depot_push(&class->cold_empty, &cold->free);
            break;
        }
        WEFT_ASSERT(batch->count <= MAGAZINE_SIZE);
        for (size_t left = cold->n = batch->count; left > 0; left--) {
            struct depot_node *next = batch->next;
            const struct stack *s = container_of(batch, struct stack, free);
            cold->lows[left - 1] = (uintptr_t)s->low | (s->guard == GUARD_NONE ? BARE : 0);
            os_discard(s->low + os_page(), class->bytes - os_page());
            batch = next;
        }
        depot_push(&class->cold, &cold->free);
    }
    return atomic_load_relaxed(&class->depot.batches) > 0;
}

static struct stack *stack_carve(struct stack_class *class, struct stack_cache *cache)
{
    enum stack_guard kind;
    if (cache->carve == cache->carve_end && !slab_map(class, cache))
        return NULL;
    if (guard_next(class, cache, &kind))
        return NULL;
    struct stack *s = stack_make(cache->carve, class->bytes, true, kind);
    cache->carve += class->bytes;
    atomic_add_relaxed(&class->carved, 1);
    if (kind == GUARD_SPLIT)
        atomic_add_relaxed(&class->split, 1);
    return s;
}

struct stack *stack_get_slow(struct stack_class *class, struct stack_cache *cache)
{
    int *errno_at = os_errno_location(); /* a goroutine's that gives way to who gets the stack */
    int saved_errno = *errno_at;
    struct stack *s = NULL;
    if (SANITIZE_FRESH_STACKS)
        s = stack_get_sized(class->bytes);
    else if (!(s = magazine_get(&cache->free, &class->depot)) && !(s = stack_warm_up(class)))
        s = stack_carve(class, cache);
    *errno_at = saved_errno;
    return s;
}

/* Among the others, for one that is hotter. */
static void hot_steps_back(struct stack_class *class, struct stack_cache *cache)
{
    if (cache->hot)
        magazine_put(&cache->free, &class->depot, cache->hot);
    cache->hot = NULL;
}

void stack_put_slow(struct stack_class *class, struct stack_cache *cache, struct stack *s)
{
    if (!s->pooled) {
        stack_unmap(s);
        return;
    }
    hot_steps_back(class, cache);
    cache->hot = s;
}

void stacks_flush(struct stack_class *class, struct stack_cache *cache)
{
    hot_steps_back(class, cache);
    magazine_flush(&cache->free, &class->depot);
}

int stack_reserve(struct stack_class *class, struct stack_cache *cache)
{
    bool some =
        cache->hot || cache->free.top || cache->free.spare || cache->carve != cache->carve_end;
    return some || slab_map(class, cache) ? 0 : -ENOMEM;
}

struct stack *stack_get_sized(size_t bytes)
{
    bytes = os_stack_bytes(bytes);
    char *low = stack_map(bytes);
    if (!low)
        return NULL;
    enum stack_guard kind;
    if (guard(low, &kind)) {
        os_unmap(low, bytes);
        return NULL;
    }
    return stack_make(low, bytes, false, kind);
}

void stack_unmap(struct stack *s)
{
    if (s->guard == GUARD_SPLIT)
        atomic_add_relaxed(&guards_split, -1);
    os_unmap(s->low, s->bytes);
}

bool stack_overran(const struct stack *s)
{
    const uint64_t *word = (const uint64_t *)s->low, *end = word + os_page() / sizeof *word;
    if (s->guard != GUARD_NONE)
        return false;
    while (word < end && !*word)
        word++;
    return word < end;
}

bool stack_class_contains(struct stack_class *class, const void *p)
{
    struct stack_slab *s = atomic_load_acquire(&class->slabs);
    for (; s; s = s->next)
        if ((const char *)p >= s->base && (const char *)p < s->base + s->bytes)
            return true;
    return false;
}

void stack_each_block(struct stack_class *class,
                      void (*fn)(const void *block, size_t bytes, void *arg), void *arg)
{
    for (struct stack_slab *s = atomic_load_acquire(&class->slabs); s; s = s->next)
        fn(s->base, s->bytes, arg);
}

bool stack_class_guards(struct stack_class *class, uintptr_t address)
{
    struct stack_slab *s = atomic_load_acquire(&class->slabs);
    while (s && address - (uintptr_t)s->base >= s->bytes)
        s = s->next;
    return s && (address - (uintptr_t)s->base) % class->bytes < os_page();
}

static void slabs_unmap(struct stack_slab *slab)
{
    while (slab) {
        struct stack_slab *next = slab->next;
        os_unmap(slab->base, slab->bytes);
        alloc_free(slab);
        slab = next;
    }
}

void stack_unmap_all(struct stack_class *class)
{
    stack_forget_all(class);
    slabs_unmap(class->forgotten);
    class->forgotten = NULL;
}

void stack_forget_all(struct stack_class *class)
{
    struct stack_slab *slab = atomic_load_relaxed(&class->slabs);
    while (slab) {
        struct stack_slab *next = slab->next;
        slab->next = class->forgotten;
        class->forgotten = slab;
        slab = next;
    }
    atomic_add_relaxed(&guards_split, -atomic_load_relaxed(&class->split));
    atomic_store_relaxed(&class->slabs, NULL);
    atomic_store_relaxed(&class->split, 0);
    atomic_store_relaxed(&class->carved, 0);
    while (depot_pop(&class->depot))
        ;
    for (struct stack_cold *cold; (cold = cold_pop(&class->cold));)
        depot_push(&class->cold_empty, &cold->free);
}

SANITIZE_OWNER_DATA_END
