/* SPDX-License-Identifier: Apache-2.0
 * alloc.c - weft_alloc and weft_free over jemalloc's per-P arenas, or over malloc(3).
 *
 * jemalloc is referenced weakly. Debian's needs 2.6 KiB of static TLS, which a process that dlopens
 * libweft doesn't have left, so the library must not pull it in; a program that was linked through
 * pkg-config has it loaded from the start. Sanitizer and Valgrind builds use malloc throughout. */
#include "alloc/alloc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arch/atomic.h"
#include "arch/fail.h"
#include "arch/os.h"
#include "arch/sanitize.h"
#include <weft/pool.h>

#ifndef WEFT_USE_MALLOC
#include <jemalloc/jemalloc.h>
#pragma weak mallocx
#pragma weak dallocx
#pragma weak mallctl
#endif

SANITIZE_OWNER_DATA_BEGIN

static _Thread_local struct alloc_arena *bound_arena;

void alloc_bind(struct alloc_arena *arena)
{
    bound_arena = arena;
}

#ifdef WEFT_USE_MALLOC

const unsigned alloc_spares_most = 0;

bool alloc_has_arenas(void)
{
    return false;
}

void alloc_place(struct alloc_arena *arena, unsigned place)
{
    arena->place = place;
}

static void *arena_alloc(size_t align, size_t n)
{
    return aligned_alloc(align, (n + align - 1) & ~(align - 1));
}

static void arena_free(void *p)
{
    free(p);
}

#else

#ifdef WEFT_TEST_BUILD
const unsigned alloc_spares_most = 3;
#else
const unsigned alloc_spares_most = 4096;
#endif

bool alloc_has_arenas(void)
{
    return mallocx && dallocx && mallctl;
}

/* The hooks of an arena that is placed: the usual ones, but new extents are told their node. */
struct node_hooks {
    extent_hooks_t hooks; /* what jemalloc has */
    extent_hooks_t *usual;
    const struct alloc_arena *arena;
};

static void *extent_alloc(extent_hooks_t *hooks, void *at, size_t size, size_t align, bool *zero,
                          bool *commit, unsigned index)
{
    const struct node_hooks *h = container_of(hooks, struct node_hooks, hooks);
    void *p = h->usual->alloc(h->usual, at, size, align, zero, commit, index);
    if (p && h->arena->place)
        os_prefer_node(p, size, h->arena->place - 1);
    return p;
}

/* Without memory for them, or refused, pages come from where they are touched. */
static void hook_extents(struct alloc_arena *a)
{
    char name[48];
    extent_hooks_t *usual;
    size_t size = sizeof(extent_hooks_t *);
    snprintf(name, sizeof name, "arena.%u.extent_hooks", a->arena);
    struct node_hooks *h = os_fails(FAIL_MEMORY) ? NULL : mallocx(sizeof *h, MALLOCX_TCACHE_NONE);
    if (!h)
        return;
    if (os_fails(FAIL_ARENA) || mallctl(name, &usual, &size, NULL, 0)) {
        dallocx(h, MALLOCX_TCACHE_NONE);
        return;
    }
    *h = (struct node_hooks){.hooks = *usual, .usual = usual, .arena = a};
    h->hooks.alloc = extent_alloc;
    extent_hooks_t *hooks = &h->hooks;
    if (os_fails(FAIL_ARENA) || mallctl(name, NULL, NULL, &hooks, size))
        dallocx(h, MALLOCX_TCACHE_NONE);
    else
        a->hooks = h;
}

void alloc_place(struct alloc_arena *arena, unsigned place)
{
    arena->place = place;
    if (arena->made && place && !arena->hooks)
        hook_extents(arena);
}

/* Where this thread's memory comes from and which cache it goes through, as mallocx flags. */
static int arena_flags(void)
{
    struct alloc_arena *a = bound_arena;
    if (!a)
        return MALLOCX_TCACHE_NONE;
    if (unlikely(!a->made)) {
        size_t size = sizeof(unsigned);
        if (!a->has_arena) /* there is no way to give one back: never ask for a second */
            a->has_arena =
                !os_fails(FAIL_ARENA) && !mallctl("arenas.create", &a->arena, &size, NULL, 0);
        if (!a->has_arena || os_fails(FAIL_ARENA) ||
            mallctl("tcache.create", &a->tcache, &size, NULL, 0))
            return MALLOCX_TCACHE_NONE;
        a->made = true;
        alloc_place(a, a->place);
    }
    return MALLOCX_ARENA(a->arena) | MALLOCX_TCACHE(a->tcache);
}

static void *arena_alloc(size_t align, size_t n)
{
    if (unlikely(!alloc_has_arenas()))
        return aligned_alloc(align, (n + align - 1) & ~(align - 1));
    return mallocx(n, arena_flags() | MALLOCX_ALIGN(align));
}

static void arena_free(void *p)
{
    if (!p)
        return;
    if (unlikely(!alloc_has_arenas())) {
        free(p);
        return;
    }
    struct alloc_arena *a = bound_arena;
    dallocx(p, a && a->made ? MALLOCX_TCACHE(a->tcache) : MALLOCX_TCACHE_NONE);
}

#endif

static void *checked_alloc(size_t align, size_t n)
{
    if (n > PTRDIFF_MAX - align || os_fails(FAIL_MEMORY))
        return NULL;
    return arena_alloc(align, n ? n : 1);
}

void *alloc_aligned(size_t align, size_t n)
{
    sanitize_ignore_begin();
    void *p = checked_alloc(align, n);
    sanitize_ignore_end();
    return p;
}

void *alloc_zeroed(size_t align, size_t n)
{
    sanitize_ignore_begin();
    void *p = checked_alloc(align, n);
    if (p)
        memset(p, 0, n);
    sanitize_ignore_end();
    return p;
}

void alloc_free(void *p)
{
    sanitize_ignore_begin();
    arena_free(p);
    sanitize_ignore_end();
}

void *weft_alloc(size_t n)
{
    void *p = checked_alloc(_Alignof(max_align_t), n);
    if (!p)
        errno = ENOMEM;
    return p;
}

void weft_free(void *p)
{
    arena_free(p);
}

SANITIZE_OWNER_DATA_END
