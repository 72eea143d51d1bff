/* SPDX-License-Identifier: Apache-2.0
 * layout.c - laying Ps on described machines: the order of CPUs, the tiers of stealing, binding sets. */
#include "runtime/sched/layout.h"
#include "../test.h"
#include "arch/os.h"

static struct layout layout;
static hwloc_topology_t machine;

static void lay_on(const char *description, const char *usable)
{
    static hwloc_bitmap_t set;
    char error[LAYOUT_ERROR_BYTES];
    test_note_ = description;
    if (layout.cpus)
        hwloc_topology_destroy(machine);
    REQUIRE(layout_load(&machine, description, error) == 0);
    set = set ? set : hwloc_bitmap_alloc();
    if (usable)
        hwloc_bitmap_list_sscanf(set, usable);
    else
        hwloc_bitmap_copy(set, hwloc_topology_get_allowed_cpuset(machine));
    layout_lay(&layout, machine, set);
}

/* The CPUs of P 0, 1, ..., by their numbers for the system. */
static const char *order(void)
{
    static char text[8192];
    size_t used = 0;
    text[0] = '\0';
    for (unsigned p = 0; p < layout.cpus; p++)
        used += (size_t)snprintf(text + used, sizeof text - used, p ? " %u" : "%u",
                                 layout_cpu_of(&layout, p)->pu->os_index);
    return text;
}

/* P p's victims, sorted, tiers apart: "4 | 1-3 | - | 8-15". */
static const char *victims(unsigned p, unsigned procs)
{
    static char text[8192];
    static unsigned all[LAYOUT_CPUS_MAX];
    unsigned end[LAYOUT_TIERS], n = 0;
    size_t used = 0;
    layout_victims(&layout, p, procs, all, end);
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    for (int tier = 0; tier < LAYOUT_TIERS; tier++) {
        hwloc_bitmap_zero(set);
        for (; n < end[tier]; n++)
            hwloc_bitmap_set(set, all[n]);
        char *list = NULL;
        hwloc_bitmap_list_asprintf(&list, set);
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%s", tier ? " | " : "",
                                 *list ? list : "-");
        free(list);
    }
    hwloc_bitmap_free(set);
    return text;
}

TEST(cores_come_first_then_their_other_threads)
{
    static const struct {
        const char *description, *order;
    } cases[] = {
        {"pu:1", "0"},
        {"pu:4", "0 1 2 3"},
        {"3", "0 1 2"},
        {"core:4 pu:2", "0 2 4 6 1 3 5 7"},
        {"core:2 pu:4", "0 4 1 5 2 6 3 7"},
        {"node:2 core:2 pu:1", "0 1 2 3"},
        {"node:2 core:2 pu:2", "0 2 4 6 1 3 5 7"},
        {"node:2 l3:2 core:2 pu:1", "0 1 2 3 4 5 6 7"},
        {"pack:2 node:2 core:1 pu:2", "0 2 4 6 1 3 5 7"},
        {"node:3 core:1 pu:2", "0 2 4 1 3 5"},
        {"node:8 core:1 pu:1", "0 1 2 3 4 5 6 7"},
        /* as many systems number them: the second threads after all the first ones */
        {"node:2 core:2 pu:2(indexes=0,4,1,5,2,6,3,7)", "0 1 2 3 4 5 6 7"},
        /* round robin over the nodes */
        {"node:2 core:2 pu:1(indexes=node:core)", "0 2 1 3"},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(cases); i++) {
        lay_on(cases[i].description, NULL);
        CHECK_STR_EQ(order(), cases[i].order);
    }
}

TEST(stealing_goes_from_the_sibling_outwards)
{
    static const struct {
        const char *description;
        unsigned p, procs;
        const char *victims;
    } cases[] = {
        {"pu:1", 0, 1, "- | - | - | -"},
        {"pu:4", 0, 4, "- | - | 1-3 | -"},
        {"core:4 pu:2", 1, 8, "5 | - | 0,2-4,6-7 | -"},
        {"l3:1 core:4 pu:2", 1, 8, "5 | 0,2-4,6-7 | - | -"},
        {"node:2 core:2 pu:1", 0, 4, "- | - | 1 | 2-3"},
        {"node:2 core:2 pu:1", 3, 4, "- | - | 2 | 0-1"},
        {"node:2 core:2 pu:2", 0, 8, "4 | - | 1,5 | 2-3,6-7"},
        {"node:2 core:2 pu:2", 6, 8, "2 | - | 3,7 | 0-1,4-5"},
        {"node:2 core:2 pu:2", 0, 4, "- | - | 1 | 2-3"},
        {"node:2 l3:2 core:2 pu:2", 0, 16, "8 | 1,9 | 2-3,10-11 | 4-7,12-15"},
        {"node:2 l3:2 core:2 pu:2", 15, 16, "7 | 6,14 | 4-5,12-13 | 0-3,8-11"},
        {"node:2 l3:2 core:2 pu:2", 2, 3, "- | - | 0-1 | -"},
        {"node:4 l3:1 core:2 pu:1", 5, 8, "- | 4 | - | 0-3,6-7"},
        {"node:8 l3:2 core:2 pu:2", 0, 64, "32 | 1,33 | 2-3,34-35 | 4-31,36-63"},
        {"node:8 core:1 pu:2", 7, 16, "15 | - | - | 0-6,8-14"},
        /* an L3 over two nodes is still the nearer */
        {"l3:2 node:2 core:2 pu:1", 0, 8, "- | 1-3 | - | 4-7"},
        /* memory of the whole machine, and two kinds of it in each package */
        {"[numa] pack:2 [numa] core:2 pu:1", 0, 4, "- | - | 1 | 2-3"},
        {"pack:2 [numa] [numa] core:2 pu:1", 3, 4, "- | - | 2 | 0-1"},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(cases); i++) {
        lay_on(cases[i].description, NULL);
        CHECK_STR_EQ(victims(cases[i].p, cases[i].procs), cases[i].victims);
    }
}

TEST(more_ps_than_cpus_go_round_again)
{
    /* Goal: Ps that share a CPU are each other's first victims. */
    lay_on("node:2 core:2 pu:1", NULL);
    CHECK_EQ(layout_cpu_of(&layout, 9)->pu->os_index, 1);
    CHECK_STR_EQ(victims(1, 10), "5,9 | - | 0,4,8 | 2-3,6-7");
    lay_on("pu:1", NULL);
    CHECK_STR_EQ(victims(0, 4), "1-3 | - | - | -");
}

TEST(only_usable_cpus_are_laid_on)
{
    static const struct {
        const char *description, *usable, *order, *victims; /* of P 0 */
    } cases[] = {
        {"node:2 core:2 pu:2", "5", "5", "- | - | - | -"},
        {"node:2 core:2 pu:2", "1,3", "1 3", "- | - | 1 | -"},
        {"node:2 core:2 pu:2", "4-7", "4 6 5 7", "2 | - | 1,3 | -"},
        /* a core of which only the second thread may be used is a core like any other */
        {"node:2 core:2 pu:2", "0-1,3,6-7", "0 3 6 1 7", "3 | - | 1 | 2,4"},
        {"node:2 l3:2 core:2 pu:1", "1-2,7", "1 2 7", "- | - | 1 | 2"},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(cases); i++) {
        lay_on(cases[i].description, cases[i].usable);
        CHECK_STR_EQ(order(), cases[i].order);
        CHECK_STR_EQ(victims(0, layout.cpus), cases[i].victims);
    }
}

TEST(no_cpu_at_all)
{
    /* Goal: an empty set leaves Ps without a place, in one node, unbound. */
    lay_on("core:2 pu:2", "9");
    CHECK_EQ(layout.cpus, 0);
    CHECK(!layout_cpu_of(&layout, 0));
    CHECK_STR_EQ(victims(0, 3), "- | - | 1-2 | -");
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    CHECK(!layout_binding(&layout, 0, 3, set, set));
    hwloc_bitmap_free(set);
    hwloc_topology_destroy(machine);
}

/* A hybrid: slow cores of one thread are numbered first, fast ones of two threads last. Exported and
 * read again, as a machine that somebody has saved. */
TEST(fast_cores_come_before_slow_ones_and_those_before_second_threads)
{
    char path[] = "/tmp/weft-hybrid-XXXXXX.xml", error[LAYOUT_ERROR_BYTES];
    hwloc_topology_t made;
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    int fd = mkstemps(path, 4);
    REQUIRE(fd >= 0);
    REQUIRE(layout_load(&made, "l3:1 core:6 pu:2", error) == 0);
    hwloc_bitmap_list_sscanf(set, "0,2,4,6,8-11");
    REQUIRE(hwloc_topology_restrict(made, set, 0) == 0);
    hwloc_bitmap_list_sscanf(set, "0,2,4,6");
    REQUIRE(hwloc_cpukinds_register(made, set, 10, 0, NULL, 0) == 0);
    hwloc_bitmap_list_sscanf(set, "8-11");
    REQUIRE(hwloc_cpukinds_register(made, set, 20, 0, NULL, 0) == 0);
    REQUIRE(hwloc_topology_export_xml(made, path, 0) == 0);
    hwloc_topology_destroy(made);

    lay_on(path, NULL);
    CHECK_STR_EQ(order(), "8 10 0 2 4 6 9 11");
    CHECK_STR_EQ(victims(0, 8), "6 | 1-5,7 | - | -");
    CHECK_STR_EQ(victims(3, 8), "- | 0-2,4-7 | - | -");
    CHECK_STR_EQ(victims(3, 4), "- | 0-2 | - | -");
    close(fd);
    unlink(path);
    hwloc_bitmap_free(set);
}

/* Every P is in every other's victims once, in the tier that both agree on. */
static void check_tiers(unsigned procs)
{
    static unsigned all[LAYOUT_CPUS_MAX];
    unsigned end[LAYOUT_TIERS];
    for (unsigned p = 0; p < procs; p++) {
        bool seen[LAYOUT_CPUS_MAX] = {false};
        layout_victims(&layout, p, procs, all, end);
        CHECK_EQ(end[LAYOUT_TIERS - 1], procs - 1);
        for (unsigned tier = 0, n = 0; tier < LAYOUT_TIERS; tier++) {
            for (; n < end[tier]; n++) {
                CHECK(all[n] < procs && all[n] != p && !seen[all[n]]);
                seen[all[n]] = true;
                CHECK_EQ(layout_tier(&layout, all[n], p), tier);
            }
        }
    }
}

/* No CPU twice; a core's n-th thread only when all cores have their n-1st; nodes in order meanwhile. */
static void check_order(unsigned cpus)
{
    bool seen[LAYOUT_CPUS_MAX] = {false};
    REQUIRE(layout.cpus == cpus);
    for (unsigned p = 0; p < cpus; p++) {
        const struct layout_cpu *c = &layout.cpu[p];
        CHECK(!seen[c->pu->logical_index]);
        seen[c->pu->logical_index] = true;
        CHECK(p == 0 || c->nth > c[-1].nth ||
              (c->nth == c[-1].nth && c->node->logical_index >= c[-1].node->logical_index));
    }
}

TEST(any_machine_is_laid_whole)
{
    /* Goal: on regular machines of 1 to 8 nodes, with and without SMT and L3, each CPU gets one P in
     * the right order, and each P steals from all others once. Method: all of them, with as many Ps
     * as CPUs, half, and more. */
    for (unsigned nodes = 1; nodes <= 8; nodes++)
        for (unsigned l3s = 0; l3s <= 2; l3s++)
            for (unsigned threads = 1; threads <= 4; threads++) {
                char description[64], caches[16] = "";
                unsigned cpus = nodes * (l3s ? l3s : 1) * 2 * threads;
                if (l3s)
                    snprintf(caches, sizeof caches, "l3:%u ", l3s);
                snprintf(description, sizeof description, "node:%u %score:2 pu:%u", nodes, caches,
                         threads);
                lay_on(description, NULL);
                check_order(cpus);
                check_tiers(cpus);
                check_tiers(cpus / 2);
                check_tiers(cpus + 3);
            }
}

/* Where P p of so many is bound, or "-". */
static const char *bound(const char *usable, unsigned p, unsigned procs)
{
    static char *list;
    hwloc_bitmap_t process = hwloc_bitmap_alloc(), set = hwloc_bitmap_alloc();
    free(list);
    list = NULL;
    hwloc_bitmap_list_sscanf(process, usable);
    bool is = layout_binding(&layout, p, procs, process, set);
    hwloc_bitmap_list_asprintf(&list, set);
    hwloc_bitmap_free(process);
    hwloc_bitmap_free(set);
    return is ? list : "-";
}

TEST(bindings_stay_within_the_process)
{
    static const struct {
        const char *description, *usable;
        unsigned p, procs;
        const char *bound;
    } cases[] = {
        {"core:2 pu:2", "0-3", 1, 4, "2"}, /* one P a CPU: each its own */
        {"core:2 pu:2", "0-3", 1, 2, "-"}, /* nothing to choose */
        {"l3:2 core:2 pu:1", "0-3", 0, 2, "0-1"},
        {"l3:2 core:2 pu:1", "0-3", 7, 8, "2-3"},
        {"l3:2 core:4 pu:1", "1-2,6", 0, 2, "1-2"}, /* not 0 and 3, which aren't ours */
        {"l3:2 core:4 pu:1", "1-2,6", 2, 4, "6"},
        {"l3:2 core:4 pu:1", "1-2", 0, 1, "-"},
        {"node:2 core:2 pu:1", "0-3", 2, 3, "2-3"},      /* no L3 is shown: the node */
        {"l3:1 node:2 core:2 pu:1", "0-3", 2, 3, "2-3"}, /* one L3 for two nodes: the node */
        {"[numa] pack:2 [numa] core:2 pu:1", "0-3", 0, 3, "0-1"},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(cases); i++) {
        lay_on(cases[i].description, cases[i].usable);
        CHECK_STR_EQ(bound(cases[i].usable, cases[i].p, cases[i].procs), cases[i].bound);
    }
}

TEST(bad_descriptions_are_refused_with_a_reason)
{
    static const struct {
        const char *description, *reason;
    } cases[] = {
        {"", "is no hwloc synthetic description"},
        {"no such topology", "\"no such topology\" is no hwloc synthetic description"},
        {"node:2 core:0 pu:1", "is no hwloc synthetic description"},
        {"pu:-1", "is no hwloc synthetic description"},
        {"missing.xml", "missing.xml: no such file"},
        {"./missing", "./missing: no such file"},
        {"/dev/null", "/dev/null is no hwloc XML file"},
        {"/", "/ is no hwloc XML file"},
    };
    for (size_t i = 0; i < TEST_COUNT_OF(cases); i++) {
        char error[LAYOUT_ERROR_BYTES];
        hwloc_topology_t none;
        CHECK_EQ(layout_load(&none, cases[i].description, error), -EINVAL);
        CHECK_STR_HAS(error, cases[i].reason);
    }
    static char lengthy[4096], error[LAYOUT_ERROR_BYTES];
    hwloc_topology_t none;
    memset(lengthy, 'x', sizeof lengthy - 1);
    CHECK_EQ(layout_load(&none, lengthy, error), -EINVAL);
    CHECK_STR_HAS(error, "is no hwloc synthetic description");
}

TEST(the_machine_that_this_runs_on)
{
    /* Goal: every CPU of the affinity mask is laid on, and each has a node. */
    hwloc_topology_t here;
    char error[LAYOUT_ERROR_BYTES];
    REQUIRE(layout_load(&here, NULL, error) == 0);
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    REQUIRE(hwloc_get_cpubind(here, set, HWLOC_CPUBIND_THREAD) == 0);
    static struct layout laid;
    layout_lay(&laid, here, set);
    CHECK_EQ(laid.cpus, os_cpu_count());
    for (unsigned i = 0; i < laid.cpus; i++)
        CHECK(laid.cpu[i].node && laid.cpu[i].core);
    hwloc_bitmap_free(set);
    hwloc_topology_destroy(here);
}
