/* SPDX-License-Identifier: Apache-2.0
 * numa.h - what the kernel says of the memory at an address. For tests. */
#ifndef WEFT_TESTS_NUMA_H
#define WEFT_TESTS_NUMA_H

#include <linux/mempolicy.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "test.h"

#define NUMA_BITS 1024
#define NUMA_WORD_BITS (8 * sizeof(unsigned long))
#define NUMA_NONE (-1) /* no preference */

static int numa_first(const unsigned long *nodes)
{
    for (int i = 0; i < NUMA_BITS; i++)
        if (nodes[(size_t)i / NUMA_WORD_BITS] >> (size_t)i % NUMA_WORD_BITS & 1)
            return i;
    return NUMA_NONE;
}

/* The node that pages at p are preferably taken from. */
TEST_UNUSED static int numa_preferred(const void *p)
{
    unsigned long nodes[NUMA_BITS / NUMA_WORD_BITS] = {0};
    int mode = MPOL_DEFAULT;
    if (syscall(SYS_get_mempolicy, &mode, nodes, NUMA_BITS + 1, p, MPOL_F_ADDR))
        return NUMA_NONE;
    return mode == MPOL_PREFERRED ? numa_first(nodes) : NUMA_NONE;
}

/* The node of the page at p, which has been touched. */
TEST_UNUSED static int numa_node_of(const void *p)
{
    int node = NUMA_NONE;
    return syscall(SYS_get_mempolicy, &node, NULL, 0, p, MPOL_F_NODE | MPOL_F_ADDR) ? NUMA_NONE
                                                                                    : node;
}

/* The node of the CPU that runs this. */
TEST_UNUSED static int numa_here(void)
{
    unsigned node = 0;
    return syscall(SYS_getcpu, NULL, &node, NULL) ? NUMA_NONE : (int)node;
}

/* A node that this process may use. */
TEST_UNUSED static int numa_some_node(void)
{
    unsigned long nodes[NUMA_BITS / NUMA_WORD_BITS] = {0};
    if (syscall(SYS_get_mempolicy, NULL, nodes, NUMA_BITS + 1, NULL, MPOL_F_MEMS_ALLOWED))
        return 0;
    return numa_first(nodes);
}

/* Whether this kernel lets memory be told its node, and the process ask: a container may forbid it. */
TEST_UNUSED static bool numa_can_prefer(int node)
{
    unsigned long nodes[NUMA_BITS / NUMA_WORD_BITS] = {0};
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    nodes[(size_t)node / NUMA_WORD_BITS] = 1UL << (size_t)node % NUMA_WORD_BITS;
    bool can = syscall(SYS_mbind, p, bytes, MPOL_PREFERRED, nodes, NUMA_BITS + 1, 0) == 0 &&
               numa_preferred(p) == node;
    munmap(p, bytes);
    return can;
}

#endif
