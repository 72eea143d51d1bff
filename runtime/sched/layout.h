/* SPDX-License-Identifier: Apache-2.0
 * layout.h - which CPU each P is laid on, how far Ps are from each other, and which CPUs their threads
 * are bound to. Knows hwloc and nothing of the scheduler, so that unit tests and weft-topo use it alone. */
#ifndef WEFT_SCHED_LAYOUT_H
#define WEFT_SCHED_LAYOUT_H

#include <hwloc.h>
#include <stdbool.h>
#include <stddef.h>

#define LAYOUT_CPUS_MAX 1024
#define LAYOUT_ERROR_BYTES 256

/* How near another P is, nearest first. */
enum layout_tier {
    LAYOUT_CORE, /* hardware threads of one core, or the same one */
    LAYOUT_L3,
    LAYOUT_NODE,
    LAYOUT_REMOTE,
    LAYOUT_TIERS,
};

/* A CPU that may be used, and what it is part of. */
struct layout_cpu {
    hwloc_obj_t pu;
    hwloc_obj_t core; /* the PU itself where the machine shows no cores */
    hwloc_obj_t l3;   /* NULL: none is shown */
    hwloc_obj_t node; /* its nearest memory */
    unsigned nth;     /* which of its core's usable threads: 0 the first */
    int power;        /* of its core, compared with others: the more the faster */
};

/* In the order in which Ps are laid on them. */
struct layout {
    unsigned cpus;
    struct layout_cpu cpu[LAYOUT_CPUS_MAX];
};

/* Load a machine: NULL the one that this runs on, else an XML file (a text that ends in ".xml" or has a
 * '/') or a synthetic description, such as "node:2 core:4 pu:2". 0; -EINVAL with a reason in error, or
 * -ENOMEM. The caller destroys *out. */
int layout_load(hwloc_topology_t *out, const char *description, char error[LAYOUT_ERROR_BYTES]);

/* Order the CPUs in `usable`: one hardware thread of each core first, then the second ones; within that
 * node by node, and in a node the faster cores first. */
void layout_lay(struct layout *l, hwloc_topology_t machine, hwloc_const_bitmap_t usable);

/* The CPU of a P: where there are more Ps than CPUs they go round again. NULL: none is usable. */
const struct layout_cpu *layout_cpu_of(const struct layout *l, unsigned p);

enum layout_tier layout_tier(const struct layout *l, unsigned p, unsigned other);

/* All other Ps, nearest tier first; tier_end[t] is where tier t ends. victims has room for procs. */
void layout_victims(const struct layout *l, unsigned p, unsigned procs, unsigned *victims,
                    unsigned tier_end[LAYOUT_TIERS]);

/* Where the thread that holds p is to run: its CPU when there are as many Ps as CPUs, else the usable
 * part of its L3 (of its node, where no L3 is shown). False: anywhere that the process may. */
bool layout_binding(const struct layout *l, unsigned p, unsigned procs, hwloc_const_bitmap_t usable,
                    hwloc_bitmap_t set);

#endif
