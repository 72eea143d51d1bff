/* SPDX-License-Identifier: Apache-2.0
 * nodes.h - where a channel keeps elements that don't fit a cell: as many places as its capacity and a few more, for
 * those who are writing or reading one outside the buffer. */
#ifndef WEFT_CHAN_NODES_H
#define WEFT_CHAN_NODES_H

#include <stddef.h>

#include "arch/arch.h"
#include "arch/atomic.h"

/* More of them, made when all are in the hands of threads that have been stopped: the first for 32, each
 * for twice as many as the one before. */
#define NODES_SPARE 4
#define NODES_BLOCKS 16
#define NODES_BLOCK_FIRST 32

struct nodes_block;

struct nodes {
    _Alignas(CACHE_LINE) _Atomic(uint64_t) free; /* count : 32 | name of the first : 32 */
    uint32_t own;                                /* nodes that follow this struct */
    size_t stride;
    _Atomic(struct nodes_block *) blocks[NODES_BLOCKS];
};

/* Bytes for n elements of elem_size in all. */
size_t nodes_bytes(size_t n, size_t elem_size);

/* At memory of that size, zeroed, aligned to a cache line. */
void nodes_init(struct nodes *nodes, uint32_t n, size_t elem_size);
void nodes_fini(struct nodes *nodes);

/* A free one's name. */
uint32_t nodes_get(struct nodes *nodes);
void nodes_put(struct nodes *nodes, uint32_t name);

/* Where the element is. */
void *nodes_at(struct nodes *nodes, uint32_t name);

#endif
