/* SPDX-License-Identifier: Apache-2.0
 * view.c - looking a machine up part by part. */
#include "topo.h"

const char *const view_tier_names[LAYOUT_TIERS] = {"SMT sibling", "same L3", "same node",
                                                   "other nodes"};

hwloc_obj_t view_object(const struct layout_cpu *c, enum level level)
{
    switch (level) {
    case LEVEL_NODE:
        return c->node;
    case LEVEL_L3:
        return c->l3;
    case LEVEL_CORE:
        return c->core == c->pu ? NULL : c->core;
    default:
        return c->pu;
    }
}

unsigned view_part_end(const struct view *v, enum level level, unsigned begin, unsigned end)
{
    hwloc_obj_t object = view_object(v->by_place[begin], level);
    unsigned i = begin + 1;
    while (i < end && view_object(v->by_place[i], level) == object)
        i++;
    return i;
}

unsigned view_count(const struct view *v, enum level level)
{
    unsigned parts = 0;
    for (unsigned i = 0; i < v->layout.cpus; i = view_part_end(v, level, i, v->layout.cpus))
        parts += view_object(v->by_place[i], level) != NULL;
    return parts;
}

const char *view_ps_of(const struct view *v, const struct layout_cpu *c)
{
    static char text[LAYOUT_CPUS_MAX * 6 + 1];
    size_t used = 0;
    text[0] = '\0';
    for (unsigned p = (unsigned)(c - v->layout.cpu); p < v->procs; p += v->layout.cpus)
        used += (size_t)snprintf(text + used, sizeof text - used, used ? " P%u" : "P%u", p);
    return text;
}
