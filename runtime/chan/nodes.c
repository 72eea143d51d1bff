/* SPDX-License-Identifier: Apache-2.0
 * nodes.c - a stack of free nodes by name (after Treiber, 1986), with a count against reuse (ABA). A name is the
 * node's number from 1; its link lies before the element, so that a late reader of the link reads no
 * element. Cost: 1 CAS each way. */
#include "runtime/chan/nodes.h"

#include "alloc/alloc.h"
#include "arch/os.h"
#include "arch/sanitize.h"

struct node {
    _Atomic(uint32_t) next;
    _Alignas(8) char elem[];
};

struct nodes_block {
    char nodes[1]; /* and more */
};

SANITIZE_OWNER_DATA_BEGIN

static size_t stride_of(size_t elem_size)
{
    return offsetof(struct node, elem) + ((elem_size + 7) & ~(size_t)7);
}

size_t nodes_bytes(size_t n, size_t elem_size)
{
    return sizeof(struct nodes) + (n + NODES_SPARE) * stride_of(elem_size);
}

static uint32_t block_size(unsigned i)
{
    return (uint32_t)NODES_BLOCK_FIRST << i;
}

/* The block that a name which was given lies in is there. */
static struct node *in_block(struct nodes *nodes, uint32_t name)
{
    unsigned i = 0;
    uint32_t first = nodes->own + 1;
    while (name >= first + block_size(i))
        first += block_size(i++);
    struct nodes_block *block = atomic_load_acquire(&nodes->blocks[i]);
    return (struct node *)(block->nodes + (name - first) * nodes->stride);
}

static struct node *node_at(struct nodes *nodes, uint32_t name)
{
    if (unlikely(name > nodes->own))
        return in_block(nodes, name);
    return (struct node *)((char *)(nodes + 1) + (name - 1) * nodes->stride);
}

void *nodes_at(struct nodes *nodes, uint32_t name)
{
    return node_at(nodes, name)->elem;
}

/* Push a chain that begins with `first` and ends with `last`. */
static void push(struct nodes *nodes, uint32_t first, struct node *last)
{
    uint64_t head = atomic_load_relaxed(&nodes->free);
    do {
        atomic_store_relaxed(&last->next, (uint32_t)head);
    } while (!atomic_cas_acq_rel(&nodes->free, &head, (((head >> 32) + 1) << 32) | first));
}

void nodes_put(struct nodes *nodes, uint32_t name)
{
    push(nodes, name, node_at(nodes, name));
}

static void chain(struct nodes *nodes, struct node *(*at)(struct nodes *, uint32_t), uint32_t first,
                  uint32_t n)
{
    for (uint32_t i = 0; i + 1 < n; i++)
        atomic_store_relaxed(&at(nodes, first + i)->next, first + i + 1);
    push(nodes, first, at(nodes, first + n - 1));
}

void nodes_init(struct nodes *nodes, uint32_t n, size_t elem_size)
{
    nodes->own = n + NODES_SPARE;
    nodes->stride = stride_of(elem_size);
    chain(nodes, node_at, 1, nodes->own);
}

void nodes_fini(struct nodes *nodes)
{
    for (unsigned i = 0; i < NODES_BLOCKS; i++)
        alloc_free(atomic_load_acquire(&nodes->blocks[i]));
}

/* Make the next block. Without memory, or when there can be no more, give others time to put some back. */
static __attribute__((noinline)) void grow(struct nodes *nodes)
{
    unsigned i = 0;
    uint32_t first = nodes->own + 1;
    while (i < NODES_BLOCKS && atomic_load_acquire(&nodes->blocks[i]))
        first += block_size(i++);
    struct nodes_block *none = NULL, *block = NULL;
    if (i < NODES_BLOCKS)
        block = alloc_zeroed(CACHE_LINE, block_size(i) * nodes->stride);
    if (!block) {
        os_yield();
        return;
    }
    if (atomic_cas_acq_rel(&nodes->blocks[i], &none, block))
        chain(nodes, in_block, first, block_size(i));
    else
        alloc_free(block);
}

uint32_t nodes_get(struct nodes *nodes)
{
    uint64_t head = atomic_load_acquire(&nodes->free);
    for (;;) {
        uint32_t name = (uint32_t)head;
        if (unlikely(!name)) {
            grow(nodes);
            head = atomic_load_acquire(&nodes->free);
            continue;
        }
        uint32_t next = atomic_load_relaxed(&node_at(nodes, name)->next);
        if (atomic_cas_acq_rel(&nodes->free, &head, (((head >> 32) + 1) << 32) | next))
            return name;
    }
}

SANITIZE_OWNER_DATA_END
