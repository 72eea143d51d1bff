/* SPDX-License-Identifier: Apache-2.0
 * reach.h - what can be reached from the memory of the process, while nobody changes it. See reach.c.
 *
 *   node   something that is reached or not. It has
 *   keys   addresses: who has read one from reachable memory reaches the node;
 *   areas  memory that is reachable when the node is, and there for certain;
 *   edges  to nodes that are reached with it. */
#ifndef WEFT_SCHED_REACH_H
#define WEFT_SCHED_REACH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reach;

/* With room for about that many nodes; NULL without memory. */
struct reach *reach_begin(size_t nodes);
void reach_end(struct reach *r);

/* Where there is no room for more it is noted, and reach_all() gives -ENOMEM. */
uint32_t reach_node(struct reach *r);
void reach_key(struct reach *r, uint32_t node, const void *at, size_t bytes);
void reach_key_and_area(struct reach *r, uint32_t node, const void *at, size_t bytes);
void reach_area(struct reach *r, uint32_t node, const void *at, size_t bytes);
void reach_edge(struct reach *r, uint32_t from, uint32_t to);

/* The node of the key that an address lies in, among those that were added before the first of these calls; REACH_NONE. */
#define REACH_NONE UINT32_MAX
uint32_t reach_node_at(struct reach *r, const void *at);

/* No memory of the program's: passed over where all of it is read. */
void reach_skip(struct reach *r, const void *at, size_t bytes);

/* It is reached, whoever else is. */
void reach_root(struct reach *r, uint32_t node);

/* From the roots, and all memory that isn't skipped nor an area or a key of some node. The caller's stack is read from `frame` up.
 * 0 or -errno: -EIO where some memory can't be read, -ENOTSUP in sanitized programs. Once. */
int reach_all(struct reach *r, const void *frame);
bool reach_is_reached(struct reach *r, uint32_t node);

/* After that: fn for each node to which an edge leads from one with a key that is found in an area of this one. */
void reach_each_by(struct reach *r, uint32_t node, void (*fn)(uint32_t led_to, void *arg),
                   void *arg);

#endif
