/* SPDX-License-Identifier: Apache-2.0
 * topology.c - which CPU each P prefers, in what order it steals, and where Ms are bound.
 *
 * Ps are laid on the allowed CPUs, one a physical core first, then the cores' other hardware threads,
 * in hwloc's logical order, which goes node by node. When there are as many Ps as allowed CPUs each
 * M is bound to its P's CPU; otherwise to the CPUs of its P's L3 cache, unless those are all there are.
 * hwloc is loaded once a process (1-4 ms), with everything filtered out that isn't asked for. */
#include <errno.h>
#include <hwloc.h>
#include <string.h>

#include "runtime/sched/internal.h"

/* m->bound: a P's binding set (its index), or one of these. */
#define BOUND_TO_PROCESS (-1)

enum tier { TIER_CORE, TIER_L3, TIER_NODE, TIER_REMOTE, TIERS };

_Static_assert(TIERS == sizeof(((struct p *)0)->tier_end) / sizeof(unsigned), "struct p");

static struct {
    hwloc_topology_t hwloc;
    bool loaded, real;
    hwloc_bitmap_t process;              /* the mask of the thread that called weft_run */
    hwloc_obj_t pu[PROCS_MAX];           /* of each P */
    hwloc_const_bitmap_t set[PROCS_MAX]; /* where the M of each P is bound; NULL: not at all */
    unsigned cpus;
    unsigned laid_procs; /* what sets and victims were made for; 0: to be made */
    bool laid_pin;
} topo;

SANITIZE_OWNER_DATA_BEGIN

static void filter(hwloc_topology_t t)
{
    hwloc_topology_set_all_types_filter(t, HWLOC_TYPE_FILTER_KEEP_NONE);
    hwloc_topology_set_type_filter(t, HWLOC_OBJ_CORE, HWLOC_TYPE_FILTER_KEEP_ALL);
    hwloc_topology_set_type_filter(t, HWLOC_OBJ_L3CACHE, HWLOC_TYPE_FILTER_KEEP_ALL);
}

static int load(const char *description)
{
    if (hwloc_topology_init(&topo.hwloc))
        return -ENOMEM;
    filter(topo.hwloc);
    int rc = 0;
    if (description)
        rc = strchr(description, ':') ? hwloc_topology_set_synthetic(topo.hwloc, description)
                                      : hwloc_topology_set_xml(topo.hwloc, description);
    if (rc || hwloc_topology_load(topo.hwloc)) {
        hwloc_topology_destroy(topo.hwloc);
        return description ? -EINVAL : -ENOMEM;
    }
    topo.loaded = true;
    topo.laid_procs = 0;
    topo.cpus = 0;
    topo.real = !description;
    return 0;
}

/* Load the machine's topology, or the described one in its place. 0, -EINVAL or -ENOMEM. */
int topology_load(const char *description)
{
    if (topo.loaded && topo.real && !description)
        return 0;
    if (topo.loaded)
        hwloc_topology_destroy(topo.hwloc);
    topo.loaded = false;
    return load(description);
}

static bool allowed(hwloc_obj_t pu)
{
    return !topo.real || hwloc_bitmap_isset(topo.process, pu->os_index);
}

/* The n-th hardware thread of each core that has one and is allowed. */
static unsigned lay_round(unsigned nth, unsigned laid)
{
    hwloc_obj_t core = NULL;
    while ((core = hwloc_get_next_obj_by_type(topo.hwloc, HWLOC_OBJ_CORE, core))) {
        unsigned k = 0;
        hwloc_obj_t pu = NULL;
        while ((pu = hwloc_get_next_obj_inside_cpuset_by_type(topo.hwloc, core->cpuset,
                                                              HWLOC_OBJ_PU, pu)))
            if (allowed(pu) && k++ == nth && laid < PROCS_MAX)
                topo.pu[laid++] = pu;
    }
    return laid;
}

static void lay_all(void)
{
    unsigned laid = 0, before;
    for (unsigned nth = 0; before = laid, (laid = lay_round(nth, laid)) > before; nth++)
        ;
    hwloc_obj_t pu = NULL;
    if (laid == 0) /* a machine that shows no cores */
        while ((pu = hwloc_get_next_obj_by_type(topo.hwloc, HWLOC_OBJ_PU, pu)) && laid < PROCS_MAX)
            if (allowed(pu))
                topo.pu[laid++] = pu;
    topo.cpus = laid;
}

/* CPUs that the process may use: in the affinity mask, or of the described machine. */
unsigned topology_cpus(void)
{
    return topo.cpus;
}

static enum tier distance(hwloc_obj_t a, hwloc_obj_t b)
{
    hwloc_obj_t common = a == b ? a : hwloc_get_common_ancestor_obj(topo.hwloc, a, b);
    for (; common; common = common->parent) {
        if (common->type == HWLOC_OBJ_PU || common->type == HWLOC_OBJ_CORE)
            return TIER_CORE;
        if (common->type == HWLOC_OBJ_L3CACHE)
            return TIER_L3;
        if (common->memory_arity)
            return hwloc_bitmap_weight(common->nodeset) > 1 ? TIER_REMOTE : TIER_NODE;
    }
    return TIER_REMOTE;
}

static hwloc_obj_t pu_of(unsigned index)
{
    return topo.cpus ? topo.pu[index % topo.cpus] : NULL;
}

static void order_victims(struct p *p, unsigned procs)
{
    unsigned n = 0;
    for (unsigned tier = 0; tier < TIERS; tier++) {
        for (unsigned i = 1; i < procs; i++) {
            unsigned other = (p->index + i) % procs;
            unsigned d = topo.cpus ? distance(pu_of(p->index), pu_of(other)) : TIER_NODE;
            if (d == tier)
                p->victims[n++] = other;
        }
        p->tier_end[tier] = n;
    }
}

static hwloc_const_bitmap_t binding_set(unsigned index, unsigned procs)
{
    hwloc_obj_t pu = pu_of(index);
    if (!pu || !topo.real)
        return NULL;
    if (procs == topo.cpus)
        return pu->cpuset;
    hwloc_obj_t l3 = hwloc_get_ancestor_obj_by_type(topo.hwloc, HWLOC_OBJ_L3CACHE, pu);
    return l3 && !hwloc_bitmap_isincluded(topo.process, l3->cpuset) ? l3->cpuset : NULL;
}

/* What the calling thread may run on, which is what the run has and what the thread gets back. */
int topology_survey(void)
{
    static hwloc_bitmap_t now; /* kept, like the topology */
    if ((!topo.process && !(topo.process = hwloc_bitmap_alloc())) ||
        (!now && !(now = hwloc_bitmap_alloc())))
        return -ENOMEM;
    if (!topo.real || hwloc_get_cpubind(topo.hwloc, now, HWLOC_CPUBIND_THREAD))
        hwloc_bitmap_copy(now, hwloc_topology_get_allowed_cpuset(topo.hwloc));
    if (topo.cpus && hwloc_bitmap_isequal(now, topo.process))
        return 0;
    hwloc_bitmap_copy(topo.process, now);
    lay_all();
    topo.laid_procs = 0;
    return 0;
}

/* Lay the Ps out. */
void topology_layout(unsigned procs, bool pin)
{
    if (procs == topo.laid_procs && pin == topo.laid_pin && !sched.orphans)
        return;
    topo.laid_procs = procs;
    topo.laid_pin = pin;
    for (unsigned i = 0; i < procs; i++) {
        order_victims(sched.ps[i], procs);
        topo.set[i] = pin ? binding_set(i, procs) : NULL;
    }
}

static void bind_to(struct m *m, hwloc_const_bitmap_t set, int bound)
{
    /* Refused (a container, a CPU gone offline): the kernel's choice will do. */
    hwloc_set_thread_cpubind(topo.hwloc, m->thread, set, HWLOC_CPUBIND_THREAD);
    m->bound = bound;
}

void topology_bind(struct m *m, struct p *p)
{
    hwloc_const_bitmap_t set = topo.set[p->index];
    if (!set)
        topology_unbind(m);
    else if (m->bound != (int)p->index)
        bind_to(m, set, (int)p->index);
}

void topology_unbind(struct m *m)
{
    if (m->bound != BOUND_TO_PROCESS && topo.real)
        bind_to(m, topo.process, BOUND_TO_PROCESS);
}

SANITIZE_OWNER_DATA_END
