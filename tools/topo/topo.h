/* SPDX-License-Identifier: Apache-2.0
 * topo.h - within weft-topo: the machine as it is shown. */
#ifndef WEFT_TOOLS_TOPO_H
#define WEFT_TOOLS_TOPO_H

#include <stdio.h>

#include "runtime/sched/layout.h"

struct view {
    const char *description; /* NULL: this machine */
    hwloc_topology_t machine;
    hwloc_bitmap_t usable;
    unsigned unusable; /* CPUs that the machine has besides */
    unsigned procs;
    struct layout layout;
    const struct layout_cpu
        *by_place[LAYOUT_CPUS_MAX]; /* node by node, cache by cache, core by core */
};

/* What a machine is drawn as: boxes in boxes. */
enum level { LEVEL_NODE, LEVEL_L3, LEVEL_CORE, LEVEL_PU, LEVELS };

/* What c is part of at that level; NULL: nothing is shown there. */
hwloc_obj_t view_object(const struct layout_cpu *c, enum level level);

/* Where the part that by_place[begin] belongs to at that level ends; at most `end`. */
unsigned view_part_end(const struct view *v, enum level level, unsigned begin, unsigned end);

/* "P0 P16": the Ps laid on a CPU; empty where none is. */
const char *view_ps_of(const struct view *v, const struct layout_cpu *c);

/* How many parts there are. */
unsigned view_count(const struct view *v, enum level level);

extern const char *const view_tier_names[LAYOUT_TIERS];

void print_text(const struct view *v, FILE *out);
void print_svg(const struct view *v, FILE *out);

#endif
