/* SPDX-License-Identifier: Apache-2.0
 * topology.c - what the scheduler makes of the machine: steal orders, where Ms are bound, whose memory
 * comes from which node. The rules are layout.c's.
 *
 * hwloc is loaded once a process (1-4 ms), with everything filtered out that isn't asked for. A described
 * machine (config.topology, $WEFT_TOPOLOGY) is for tests: Ps are laid on it and steal by it, but threads
 * and memory are bound only where hwloc takes it for the machine that this runs on. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/sched/internal.h"
#include "runtime/sched/layout.h"

/* m->bound: an id of a binding set, or this. */
#define BOUND_TO_PROCESS (-1)

_Static_assert(LAYOUT_TIERS == sizeof(((struct p *)0)->tier_end) / sizeof(unsigned), "struct p");
_Static_assert(LAYOUT_CPUS_MAX == PROCS_MAX, "a P for each CPU");

/* Where the M of a P is bound. */
struct binding {
    hwloc_bitmap_t set; /* NULL: not at all */
    int id; /* the first P with such a set: an M that changes between them stays as it is */
};

static struct {
    hwloc_topology_t hwloc;
    bool loaded, described;
    bool real;              /* it is this machine: binding means something */
    hwloc_bitmap_t process; /* the mask of the thread that called weft_run */
    struct layout layout;
    struct binding binding[PROCS_MAX];
    struct p *laid[PROCS_MAX]; /* the Ps that stood there then: an orphan's is replaced */
    unsigned laid_procs;       /* what bindings and victims were made for; 0: to be made */
    bool laid_pin;
} topo;

SANITIZE_OWNER_DATA_BEGIN

static void unload(void)
{
    if (topo.loaded)
        hwloc_topology_destroy(topo.hwloc);
    topo.loaded = false;
    topo.laid_procs = 0;
    topo.layout.cpus = 0;
}

static int load(const char *description, const char *whose)
{
    char error[LAYOUT_ERROR_BYTES], line[LAYOUT_ERROR_BYTES + 64];
    int rc = layout_load(&topo.hwloc, description, error);
    if (error[0]) {
        snprintf(line, sizeof line, "weft: %s: %s\n", whose, error);
        os_write_stderr(line);
    }
    if (rc)
        return rc;
    topo.loaded = true;
    topo.described = description != NULL;
    topo.real = hwloc_topology_is_thissystem(topo.hwloc);
    return 0;
}

/* Load the machine's topology, or the one described by the configuration or else by $WEFT_TOPOLOGY.
 * 0, -EINVAL (said on stderr) or -ENOMEM. */
int topology_load(const char *configured)
{
    const char *env = getenv("WEFT_TOPOLOGY");
    const char *description = configured ? configured : env && *env ? env : NULL;
    if (topo.loaded && !topo.described && !description)
        return 0;
    unload();
    return load(description, configured ? "config.topology" : "WEFT_TOPOLOGY");
}

/* CPUs that the process may use: in the affinity mask, or of the described machine. */
unsigned topology_cpus(void)
{
    return topo.layout.cpus;
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
    if (topo.layout.cpus && hwloc_bitmap_isequal(now, topo.process))
        return 0;
    hwloc_bitmap_copy(topo.process, now);
    layout_lay(&topo.layout, topo.hwloc, topo.process);
    topo.laid_procs = 0;
    return 0;
}

static void make_binding(unsigned index, unsigned procs)
{
    struct binding *b = &topo.binding[index];
    hwloc_bitmap_t set = b->set ? b->set : hwloc_bitmap_alloc();
    b->set = set;
    if (!set || !layout_binding(&topo.layout, index, procs, topo.process, set)) {
        hwloc_bitmap_free(set);
        b->set = NULL;
        return;
    }
    unsigned id = procs == topo.layout.cpus ? index : 0; /* then all differ */
    while (id < index && !(topo.binding[id].set && hwloc_bitmap_isequal(topo.binding[id].set, set)))
        id++;
    b->id = (int)id;
}

static void drop_binding(unsigned index)
{
    hwloc_bitmap_free(topo.binding[index].set);
    topo.binding[index].set = NULL;
}

/* The node that p's memory comes from, counted from 1; 0: there is no choice. */
static unsigned place_of(unsigned index)
{
    const struct layout_cpu *c = layout_cpu_of(&topo.layout, index);
    if (!c || !c->node || !topo.real ||
        hwloc_get_nbobjs_by_type(topo.hwloc, HWLOC_OBJ_NUMANODE) < 2)
        return 0;
    return c->node->os_index + 1;
}

static void place_memory(struct p *p)
{
    unsigned place = place_of(p->index);
    alloc_place(&p->arena, place);
    p->stacks.place = place;
}

static bool is_laid(unsigned procs, bool pin)
{
    return procs == topo.laid_procs && pin == topo.laid_pin &&
           memcmp(topo.laid, sched.ps, procs * sizeof topo.laid[0]) == 0;
}

/* Lay the Ps out. */
void topology_layout(unsigned procs, bool pin)
{
    for (unsigned i = 0; i < procs; i++)
        place_memory(sched.ps[i]);
    if (is_laid(procs, pin))
        return;
    topo.laid_procs = procs;
    topo.laid_pin = pin;
    memset(topo.laid, 0, sizeof topo.laid);
    for (unsigned i = 0; i < procs; i++) {
        struct p *p = topo.laid[i] = sched.ps[i];
        layout_victims(&topo.layout, i, procs, p->victims, p->tier_end);
        if (pin && topo.real)
            make_binding(i, procs);
        else
            drop_binding(i);
    }
}

/* Ps [from, to) come to those that run already: their orders of victims are changed in place, and who reads
 * one meanwhile finds another order. */
void topology_extend(unsigned from, unsigned to, bool pin)
{
    for (unsigned i = from; i < to; i++) {
        place_memory(sched.ps[i]);
        if (pin && topo.real)
            make_binding(i, to);
        else
            drop_binding(i);
    }
    for (unsigned i = 0; i < to; i++)
        layout_victims(&topo.layout, i, to, sched.ps[i]->victims, sched.ps[i]->tier_end);
    topo.laid_procs = 0; /* the next run begins afresh */
}

static void bind_to(struct m *m, hwloc_const_bitmap_t set, int bound)
{
    /* Refused (a container, a CPU gone offline): the kernel's choice will do. */
    hwloc_set_thread_cpubind(topo.hwloc, m->thread, set, HWLOC_CPUBIND_THREAD);
    m->bound = bound;
}

void topology_bind(struct m *m, struct p *p)
{
    const struct binding *b = &topo.binding[p->index];
    if (!b->set)
        topology_unbind(m);
    else if (m->bound != b->id)
        bind_to(m, b->set, b->id);
}

void topology_unbind(struct m *m)
{
    if (m->bound != BOUND_TO_PROCESS && topo.real)
        bind_to(m, topo.process, BOUND_TO_PROCESS);
}

SANITIZE_OWNER_DATA_END
