/* SPDX-License-Identifier: Apache-2.0
 * alloc.h - memory by the arena of a P. */
#ifndef WEFT_ALLOC_ALLOC_H
#define WEFT_ALLOC_ALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* A P's jemalloc arena and thread cache; made at first use, kept until the process ends. Zeroed is
 * ready. The cache may be used only by the holder of the P, and not in a blocking section. */
struct alloc_arena {
    bool has_arena, made; /* made: with its cache */
    unsigned arena, tcache;
    unsigned place; /* see alloc_place */
    void *hooks;
};

/* Take the arena's memory from a NUMA node, counted from 1; 0: from where it is touched. What it holds
 * already stays where it is. By whoever owns the arena, while nobody allocates from it. */
void alloc_place(struct alloc_arena *arena, unsigned place);

/* The arena that this thread allocates from; NULL: none (foreign, blocking, idle). */
void alloc_bind(struct alloc_arena *arena);

/* n bytes aligned to align (a power of two); NULL: none to be had. Freed by alloc_free. */
void *alloc_aligned(size_t align, size_t n);
void *alloc_zeroed(size_t align, size_t n);
void alloc_free(void *p);

bool alloc_has_arenas(void);

/* So many freed blocks an owner may keep (spares.h): 0 where a checker watches each block's life. */
extern const unsigned alloc_spares_most;

#endif
