/* SPDX-License-Identifier: Apache-2.0
 * layout.c - laying Ps on a machine's CPUs.
 *
 * A CPU's node is the one with the fewest CPUs among those that have it: memory that is attached to
 * a whole machine (CXL) or that lies beside the ordinary one (HBM) makes nobody a neighbour. Groups stay in
 * the topology because hwloc hangs memory on them; with groups and packages filtered out every node
 * would seem to be everyone's. */
#include "runtime/sched/layout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void filter(hwloc_topology_t t)
{
    hwloc_topology_set_all_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(t, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(t, HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(t, HWLOC_OBJ_GROUP, HWLOC_TYPE_FILTER_KEEP_STRUCTURE);
}

static bool names_file(const char *description)
{
    size_t n = strlen(description);
    return strchr(description, '/') || (n >= 4 && strcmp(description + n - 4, ".xml") == 0);
}

static int explain(char *error, const char *description)
{
    if (!names_file(description))
        snprintf(error, LAYOUT_ERROR_BYTES,
                 "\"%.100s\" is no hwloc synthetic description (such as \"node:2 core:4 pu:2\")",
                 description);
    else if (errno == ENOENT || errno == EACCES)
        snprintf(error, LAYOUT_ERROR_BYTES, "%.180s: %s", description,
                 errno == ENOENT ? "no such file" : "permission denied");
    else
        snprintf(error, LAYOUT_ERROR_BYTES, "%.180s is no hwloc XML file", description);
    return -EINVAL;
}

int layout_load(hwloc_topology_t *out, const char *description, char error[LAYOUT_ERROR_BYTES])
{
    int rc = 0;
    error[0] = '\0';
    if (hwloc_topology_init(out))
        return -ENOMEM;
    filter(*out);
    errno = 0;
    if (description)
        rc = names_file(description) ? hwloc_topology_set_xml(*out, description)
                                     : hwloc_topology_set_synthetic(*out, description);
    if (rc == 0)
        rc = hwloc_topology_load(*out);
    if (rc == 0)
        return 0;
    rc = description ? explain(error, description) : -ENOMEM;
    hwloc_topology_destroy(*out);
    return rc;
}

static hwloc_obj_t nearest_node(hwloc_topology_t machine, hwloc_obj_t pu)
{
    hwloc_obj_t node = NULL, nearest = NULL;
    while ((node = hwloc_get_next_obj_by_type(machine, HWLOC_OBJ_NUMANODE, node)))
        if (hwloc_bitmap_isset(node->cpuset, pu->os_index) &&
            (!nearest || hwloc_bitmap_weight(node->cpuset) < hwloc_bitmap_weight(nearest->cpuset)))
            nearest = node;
    return nearest;
}

static int power_of(hwloc_topology_t machine, hwloc_obj_t pu)
{
    int power = -1;
    int kind = hwloc_cpukinds_get_by_cpuset(machine, pu->cpuset, 0);
    if (kind >= 0)
        hwloc_cpukinds_get_info(machine, (unsigned)kind, NULL, &power, NULL, NULL, 0);
    return power;
}

static struct layout_cpu describe(hwloc_topology_t machine, hwloc_obj_t pu)
{
    hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(machine, HWLOC_OBJ_CORE, pu);
    return (struct layout_cpu){
        .pu = pu,
        .core = core ? core : pu,
        .l3 = hwloc_get_ancestor_obj_by_type(machine, HWLOC_OBJ_L3CACHE, pu),
        .node = nearest_node(machine, pu),
        .power = power_of(machine, pu),
    };
}

static int compare(long a, long b)
{
    return (a > b) - (a < b);
}

static long node_rank(const struct layout_cpu *c)
{
    return c->node ? (long)c->node->logical_index : -1;
}

static int laid_before(const void *left, const void *right)
{
    const struct layout_cpu *a = left, *b = right;
    int order = compare(a->nth, b->nth);
    if (!order)
        order = compare(node_rank(a), node_rank(b));
    if (!order)
        order = compare(b->power, a->power);
    return order ? order : compare(a->pu->logical_index, b->pu->logical_index);
}

void layout_lay(struct layout *l, hwloc_topology_t machine, hwloc_const_bitmap_t usable)
{
    hwloc_obj_t pu = NULL;
    l->cpus = 0;
    while ((pu = hwloc_get_next_obj_by_type(machine, HWLOC_OBJ_PU, pu))) {
        if (!hwloc_bitmap_isset(usable, pu->os_index) || l->cpus == LAYOUT_CPUS_MAX)
            continue;
        struct layout_cpu *c = &l->cpu[l->cpus];
        *c = describe(machine, pu);
        if (l->cpus > 0 && c[-1].core == c->core) /* a core's threads follow each other */
            c->nth = c[-1].nth + 1;
        l->cpus++;
    }
    qsort(l->cpu, l->cpus, sizeof l->cpu[0], laid_before);
}

const struct layout_cpu *layout_cpu_of(const struct layout *l, unsigned p)
{
    return l->cpus ? &l->cpu[p % l->cpus] : NULL;
}

enum layout_tier layout_tier(const struct layout *l, unsigned p, unsigned other)
{
    const struct layout_cpu *a = layout_cpu_of(l, p), *b = layout_cpu_of(l, other);
    if (!a)
        return LAYOUT_NODE;
    if (a->core == b->core)
        return LAYOUT_CORE;
    if (a->l3 && a->l3 == b->l3)
        return LAYOUT_L3;
    return a->node == b->node ? LAYOUT_NODE : LAYOUT_REMOTE;
}

void layout_victims(const struct layout *l, unsigned p, unsigned procs, unsigned *victims,
                    unsigned tier_end[LAYOUT_TIERS])
{
    unsigned n = 0;
    for (unsigned tier = 0; tier < LAYOUT_TIERS; tier++) {
        for (unsigned i = 1; i < procs; i++) {
            unsigned other = (p + i) % procs;
            if (layout_tier(l, p, other) == tier)
                victims[n++] = other;
        }
        tier_end[tier] = n;
    }
}

bool layout_binding(const struct layout *l, unsigned p, unsigned procs, hwloc_const_bitmap_t usable,
                    hwloc_bitmap_t set)
{
    const struct layout_cpu *c = layout_cpu_of(l, p);
    if (!c)
        return false;
    if (procs == l->cpus)
        return hwloc_bitmap_copy(set, c->pu->cpuset) == 0;
    if (hwloc_bitmap_copy(set, usable))
        return false;
    if (c->l3)
        hwloc_bitmap_and(set, set, c->l3->cpuset);
    if (c->node) /* an L3 may span nodes: memory comes from one of them */
        hwloc_bitmap_and(set, set, c->node->cpuset);
    return !hwloc_bitmap_isequal(set, usable);
}
